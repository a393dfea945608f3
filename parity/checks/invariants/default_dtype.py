"""Under another default dtype of torch's a layer is made in it, and answers as it always does."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from parity.checks.invariants.generic import Usual, is_ours, run
from parity.port import runner
from parity.spec import Answer, Case, LayerSpec
from parity.spec.invariant import difference

# What new weights are of, by the default dtype: no layer computes in half precision.
_DTYPES = {torch.float64: torch.float64, torch.bfloat16: torch.float32}


def followed(spec: LayerSpec, case: Case, asked: Usual) -> str:
    """New weights are of the default dtype or of float32; the answer to float32 is the usual."""
    question, usual = asked
    for dtype, wanted in _DTYPES.items():
        with default(dtype):
            problem = _of_another(runner.build(spec, case), wanted)
            other = run(spec, question)
        if problem := problem or difference(_computed(usual), _computed(other)):
            return f"by default {dtype}: {problem}"
    return ""


@contextlib.contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    """Torch's default dtype is another one."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _of_another(layer: Callable[..., Any], wanted: torch.dtype) -> str:
    """Which parameter or buffer of a layer of the port has another dtype."""
    if not isinstance(layer, nn.Module) or not is_ours(type(layer)):
        return ""
    for name, tensor in (*layer.named_parameters(), *layer.named_buffers()):
        if tensor.is_floating_point() and tensor.dtype != wanted:
            return f"{name} is of {tensor.dtype}"
    return ""


def _computed(answer: Answer) -> Answer:
    """Without the initial weights, whose rounding is that of the dtype they are made in."""
    return dataclasses.replace(answer, initial={})
