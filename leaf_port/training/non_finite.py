"""NaN in training: told at its step, with the layer where it began."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from leaf_port.postprocessing import PCEN


class NonFiniteLossError(LeafError):
    """A loss is NaN or infinite: the weights are of no more use."""


def report_non_finite(
    model: nn.Module, waveforms: Tensor, loss: float, epoch: int, step: int
) -> None:
    """Refuses to go on after a step whose loss is NaN or infinite.

    Args:
        model: after the step.
        waveforms: of the step.
        loss: of the step.
        epoch: counted from 0.
        step: in the epoch, counted from 0.

    Raises:
        NonFiniteLossError: naming the first layer whose output, or the first weight that, is not
            finite.
    """
    if math.isfinite(loss):
        return
    layer = _first_layer(model, waveforms)
    where = f"epoch {epoch + 1}, step {step + 1}"
    got = f"{loss}{f', first in {layer[0]}' if layer else ''}"
    raise NonFiniteLossError("train", f"loss ({where})", "a finite number", got, _fix(layer))


def _fix(layer: tuple[str, nn.Module] | None) -> str:
    if layer is not None and isinstance(layer[1], PCEN):
        return "train with --compression stable_pcen, or a lower --learning-rate"
    return "train with a lower --learning-rate, or in --precision float32"


@torch.no_grad()
def _first_layer(model: nn.Module, waveforms: Tensor) -> tuple[str, nn.Module] | None:
    """The first layer, innermost first, with a weight or an output that is not finite."""
    for name, module in model.named_modules():
        if any(not bool(weight.isfinite().all()) for weight in module.parameters(recurse=False)):
            return name, module
    found: list[tuple[str, nn.Module]] = []

    def hook(name: str) -> Any:
        def check(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not bool(output.isfinite().all()):
                found.append((name, module))

        return check

    handles = [each.register_forward_hook(hook(name)) for name, each in model.named_modules()]
    try:
        model(waveforms)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None
