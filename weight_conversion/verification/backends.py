"""Where a converted model runs: on the CPU in float32 (complex and real arithmetic) and in float64.

The XLA backend comes from the parity suite, which knows how such a device is started.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaf_port import AudioClassifier, GaborConv1d

Array = npt.NDArray[Any]
Answers = dict[str, Array]
FEATURES, LOGITS = "features", "logits"


@dataclass(frozen=True)
class Backend:
    """A place to run a model in.

    Attributes:
        name: what it is called in the table.
        device: torch's name of the device.
        dtype: of the computation.
        arithmetic: of the Gabor filters; None for the device's own choice.
        missing: why it cannot run here; empty where it can.
        start: makes the device ready.
        settings: a context in which everything runs on it.
    """

    name: str
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    arithmetic: str | None = None
    missing: Callable[[], str] = lambda: ""
    start: Callable[[], None] = lambda: None
    settings: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext

    def run(self, model: nn.Module, clips: Iterable[Array]) -> list[Answers]:
        """What a copy of the model answers to clips, ``(batch, samples)`` each.

        Raises:
            LeafError: a clip that the model refuses.
        """
        self.start()
        with self.settings(), torch.no_grad():
            placed = arithmetic_of(copy.deepcopy(model), self.arithmetic)
            placed = placed.to(self.device, self.dtype).eval()
            inputs = [torch.from_numpy(clip.copy()) for clip in clips]
            made = [answers(placed, each.to(self.device, self.dtype)) for each in inputs]
            return [{name: value.cpu().numpy() for name, value in each.items()} for each in made]


def answers(model: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """Features and logits: what the model has of them, in this order."""
    if not isinstance(model, AudioClassifier):
        return {FEATURES: model(inputs)}
    if model.frontend is None:
        return {LOGITS: model(inputs)}
    kept: list[Tensor] = []
    hook = model.frontend.register_forward_hook(lambda _module, _inputs, out: kept.append(out))
    try:
        logits = model(inputs)
    finally:
        hook.remove()
    return {FEATURES: kept[0], LOGITS: logits}


def has_arithmetic(model: nn.Module) -> bool:
    """Whether there are Gabor filters, which alone have a choice."""
    return any(isinstance(each, GaborConv1d) for each in model.modules())


def arithmetic_of(model: nn.Module, arithmetic: str | None) -> nn.Module:
    """The model itself, its Gabor filters in the given arithmetic; None leaves them as they are."""
    for each in model.modules():
        if isinstance(each, GaborConv1d) and arithmetic is not None:
            each.arithmetic = arithmetic  # type: ignore[assignment]
    return model


DOUBLE = Backend("CPU float64", dtype=torch.float64)


def float32(model: nn.Module) -> list[Backend]:
    """The CPU in float32; in two arithmetics where the model has both."""
    if not has_arithmetic(model):
        return [Backend("CPU")]
    named = (("CPU complex", "complex"), ("CPU real", "real"))
    return [Backend(name, arithmetic=each) for name, each in named]


def finite(array: Array) -> bool:
    """Whether there is no NaN and no infinity."""
    return bool(np.isfinite(array).all())
