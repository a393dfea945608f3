"""Statistics over the batches of several processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class _Sum(torch.autograd.Function):
    """The sum over all processes; of the gradients too, as every loss depends on it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def var_mean(inputs: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor, int]:
    """``torch.var_mean(inputs, axes, correction=0)`` over all processes, and of how many values.

    The deviations are from the common mean, so nothing cancels.
    """
    kept = [axis for axis in range(inputs.ndim) if axis not in axes]
    mine = inputs.numel() // max(1, _product(inputs, kept))
    counted = torch.tensor(float(mine), dtype=torch.float64, device=inputs.device)
    torch.distributed.all_reduce(counted)
    count = int(counted.item())
    mean = _Sum.apply(inputs.sum(list(axes))) / count
    shape = [inputs.shape[axis] if axis in kept else 1 for axis in range(inputs.ndim)]
    squares = (inputs - mean.view(shape)).square().sum(list(axes))
    return _Sum.apply(squares) / count, mean, count


def _product(inputs: Tensor, axes: Sequence[int]) -> int:
    made = 1
    for axis in axes:
        made *= inputs.shape[axis]
    return made
