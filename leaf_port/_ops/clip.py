"""Clipping and maxima with TensorFlow's values and gradients, on every device.

TensorFlow passes the *whole* gradient at a tie (``x == bound``). ``torch.maximum`` halves it, and
what ``torch.clamp`` does there has changed between versions (pytorch/pytorch#195931), so the rule
is spelt out here. A NaN passes through as a value and has no gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port._ops.devices import lacks


def _like(x: Tensor, bound: Tensor | float) -> Tensor:
    """``bound`` in the dtype of ``x``.

    With a plain number torch_xla compares in float64, where a float32 ``x`` never equals 0.4.
    """
    return x.new_full((), bound)  # type: ignore[arg-type]


def _or_nan(x: Tensor, bound: Tensor) -> Tensor:
    """``bound``, but NaN where ``x`` is NaN; without gradient."""
    return torch.where(torch.isnan(x), x.detach(), bound)


def maximum(x: Tensor, bound: Tensor | float) -> Tensor:
    """``tf.maximum(x, bound)``: gradient 1 where ``x >= bound``, else 0."""
    bound = _like(x, bound)
    return torch.where(x >= bound, x, _or_nan(x, bound))


def minimum(x: Tensor, bound: Tensor | float) -> Tensor:
    """``tf.minimum(x, bound)``: gradient 1 where ``x <= bound``, else 0."""
    bound = _like(x, bound)
    return torch.where(x <= bound, x, _or_nan(x, bound))


def clip_by_value(x: Tensor, low: float, high: float) -> Tensor:
    """``tf.clip_by_value(x, low, high)``: gradient 1 where ``low <= x <= high``, else 0."""
    return maximum(minimum(x, high), low)


def max_pool2d(x: Tensor, window: tuple[int, ...], hop: tuple[int, ...] | None = None) -> Tensor:
    """``F.max_pool2d``: the maximum of a window with a NaN is NaN, on every device."""
    return _max_with_nan(x, lambda values: F.max_pool2d(values, window, hop))


def amax(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """``tf.reduce_max``: a tie shares the gradient equally; with a NaN, NaN on every device."""
    return _max_with_nan(x, lambda values: values.amax(dims))


def _max_with_nan(x: Tensor, maximum_of: Callable[[Tensor], Tensor]) -> Tensor:
    found = maximum_of(x)
    if not lacks(x.device, "maximum of NaN"):
        return found
    broken = maximum_of(torch.isnan(x).to(x.dtype))
    return torch.where(broken > torch.zeros_like(broken), torch.full_like(found, torch.nan), found)
