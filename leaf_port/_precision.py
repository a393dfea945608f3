"""Frontends compute in the precision of their input, also where autocast is on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

Layer = TypeVar("Layer")


def without_autocast(
    forward: Callable[[Layer, Tensor], Tensor],
) -> Callable[[Layer, Tensor], Tensor]:
    """A forward method with autocast off.

    In bfloat16 a filter's phase of hundreds of radians has no correct digit. The output is a small
    map in float32, from which autocast goes on.
    """

    @functools.wraps(forward)
    def wrapped(layer: Layer, inputs: Tensor) -> Tensor:
        device: Any = inputs.device.type if isinstance(inputs, Tensor) else "cpu"
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return forward(layer, inputs)
        with torch.autocast(device, enabled=False):
            return forward(layer, inputs)

    return wrapped
