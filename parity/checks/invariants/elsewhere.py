"""Layers on another device than the CPU's, of which only shapes, types and devices are known.

torch's fake tensors have a device and no values. An operation on two of different devices fails,
so whatever a layer makes beside its weights must be made where its input is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from leaf_port._ops import devices
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner
from parity.spec import Array, Case, LayerSpec, Question

_DEVICE = "lazy"  # torch knows it everywhere, and neither computes on it nor asks for its driver
_NOTHING: frozenset[str] = frozenset()
_LACKING = (_NOTHING, frozenset(get_args(devices.Feature)))


def on_a_device(spec: LayerSpec) -> str:
    """A small case of each choice, on a device that lacks nothing or all: the first problem."""
    for case in smallest_of_each(spec):
        question = runner.ask(spec, case)
        for lacks in _LACKING:
            table = {**devices._LACKS, _DEVICE: lacks}
            with mock.patch.object(devices, "_LACKS", table):
                problem = _problem(spec, question, _arithmetic(spec, lacks))
            if problem:
                without = " that lacks everything" if lacks else ""
                return f"{case.name}: on a device{without}: {problem}"
    return ""


def _arithmetic(spec: LayerSpec, lacks: frozenset[str]) -> str | None:
    """The last one is without complex numbers."""
    return spec.arithmetics[-1 if lacks else 0] if spec.arithmetics else None


def _problem(spec: LayerSpec, question: Question, arithmetic: str | None) -> str:
    """Which operation fails, or which result is elsewhere or of another type."""
    layer = _built(spec, question.case, arithmetic)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            if isinstance(layer, nn.Module):
                _move(layer)
            outputs = runner.tensors(_called(spec, layer, question))
    except DataDependentOutputException:
        return ""  # what it does depends on the values
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"
    for index, output in enumerate(outputs):
        if output.device.type != _DEVICE or output.dtype != torch.float64:
            return f"output/{index} is {output.dtype} on {output.device}"
    return ""


def _built(spec: LayerSpec, case: Case, arithmetic: str | None) -> Any:
    with torch.random.fork_rng(devices=[]):
        return runner.build(spec, case, arithmetic)


def _called(spec: LayerSpec, layer: Any, question: Question) -> Any:
    inputs = [_fake(array) for array in question.inputs.values()]
    extra = ([_fake(draw) for draw in question.draws],) if spec.draws else ()
    return spec.call(layer, *inputs, *extra)


def _fake(array: Array) -> Tensor:
    like = torch.from_numpy(np.empty(0, array.dtype))
    dtype = torch.float64 if like.is_floating_point() else like.dtype
    return torch.empty(array.shape, dtype=dtype, device=_DEVICE)


def _move(layer: nn.Module) -> None:
    """Moves a layer, its parameters as buffers: torch moves fake parameters only by luck."""
    held = list(_parameters(layer))
    for module, name, parameter in held:
        del module._parameters[name]
        module._buffers[name] = torch.empty(parameter.shape, dtype=parameter.dtype)
    for module in layer.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
    layer.to(_DEVICE, torch.float64)
    for module, name, parameter in held:
        moved = module._buffers.pop(name)
        module._parameters[name] = nn.Parameter(moved, parameter.requires_grad)  # type: ignore[arg-type]


def _parameters(layer: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    for module in layer.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                yield module, name, parameter
