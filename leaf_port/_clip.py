"""Clipping with TensorFlow's values and TensorFlow's gradients.

TensorFlow passes the *whole* gradient at a tie (``x == bound``). ``torch.maximum`` halves it, and
what ``torch.clamp`` does there has changed between versions (pytorch/pytorch#195931), so the rule
is spelt out here. A NaN passes through as a value and has no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
