"""Clipping with TensorFlow's values and TensorFlow's gradients.

TensorFlow passes the *whole* gradient at a tie (``x == bound``). ``torch.maximum`` halves it, and
what ``torch.clamp`` does there has changed between versions (pytorch/pytorch#195931), so the rule
is spelt out here. A NaN passes through; its gradient is dropped by ``tf.maximum`` and
``tf.minimum`` (their mask ``x >= y`` is false) and passed by ``tf.clip_by_value`` (its mask
``x < low or x > high`` is false).
"""

from __future__ import annotations

import torch
from torch import Tensor


def _or_nan(x: Tensor, bound: float) -> Tensor:
    """``bound``, but NaN where ``x`` is NaN; without gradient."""
    return torch.where(torch.isnan(x), x.detach(), bound)


def maximum(x: Tensor, bound: float) -> Tensor:
    """``tf.maximum(x, bound)``: gradient 1 where ``x >= bound``, else 0."""
    return torch.where(x >= bound, x, _or_nan(x, bound))


def minimum(x: Tensor, bound: float) -> Tensor:
    """``tf.minimum(x, bound)``: gradient 1 where ``x <= bound``, else 0."""
    return torch.where(x <= bound, x, _or_nan(x, bound))


def clip_by_value(x: Tensor, low: float, high: float) -> Tensor:
    """``tf.clip_by_value(x, low, high)``: gradient 0 where ``x < low`` or ``x > high``, else 1."""
    return torch.where(x < low, low, torch.where(x > high, high, x))
