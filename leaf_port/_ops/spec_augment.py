"""The pieces of SpecAugment: random draws, masks and the time warp.

What the official code gets from lingvo 0.13.1's ``SpectrumAugmenter`` (core/spectrum_augmenter.py),
for clips without padding. Source: https://arxiv.org/abs/1904.08779.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


class SpecAugmentDraws(NamedTuple):
    """The random numbers of one call: everything else in SpecAugment is deterministic.

    Attributes:
        warp_shift: ``(batch,)``, whole frames in ``[-time_warp_max_frames, time_warp_max_frames]``.
        warp_origin: ``(batch,)``, uniform in ``[0, 1)``.
        time_lengths: ``(batch, time_mask_count)``, uniform in ``[0, 1)``.
        time_starts: likewise.
        freq_lengths: ``(batch, freq_mask_count)``, uniform in ``[0, 1)``.
        freq_starts: likewise.
    """

    warp_shift: Tensor
    warp_origin: Tensor
    time_lengths: Tensor
    time_starts: Tensor
    freq_lengths: Tensor
    freq_starts: Tensor


def _part(ratio: float, size: int) -> int:
    """``ratio * size`` in float32, cut to a whole number."""
    return int(np.float32(ratio) * np.float32(size))


def hat(x: Tensor) -> Tensor:
    """Triangle ``max(1 - |x|, 0)``, in the three terms of the official code (lines 66-82).

    They leave some rounding far from zero, which is part of what the official code computes.
    """
    return F.relu(x + 1) - 2 * F.relu(x) + F.relu(x - 1)


def warp_matrix(shift: Tensor, origin: Tensor, frames: int, max_ratio: float) -> Tensor:
    """The linear map that moves one frame by ``shift`` and stretches the rest (lines 341-563).

    Args:
        shift: ``(batch,)``, in frames; cut to ``max_ratio * frames``.
        origin: ``(batch,)``, in ``[0, 1)``: which frame, from 1 to ``frames - 2``.
        frames: length of the clip.
        max_ratio: greatest shift as a part of the clip.

    Returns:
        ``(batch, frames, frames)``: ``warped = matrix @ features``.
    """
    most = _part(max_ratio, frames)
    shift = shift.clamp(-most, most)
    anchor = (origin * max(frames - 2, 0)).to(torch.int32).to(origin.dtype) + 1
    destination = (anchor + shift).clamp(min=1.0).clamp(max=frames - 1.0)
    slope_0 = (anchor / destination)[:, None]
    slope_1 = ((frames - anchor) / (frames - destination))[:, None]
    n = torch.arange(frames, dtype=origin.dtype, device=origin.device)
    moved = slope_0 * n + (slope_1 - slope_0) * F.relu(n - destination[:, None])
    return hat(moved[:, :, None] - n)


def mask(
    lengths: Tensor, starts: Tensor, size: int, max_length: int, max_ratio: float = 1.0
) -> Tensor:
    """Ones with runs of zeros (lines 209-339).

    Args:
        lengths: ``(batch, count)``, in ``[0, 1)``: each run's length as a part of ``max_length``.
        starts: ``(batch, count)``, in ``[0, 1)``: where it begins among the places where it fits.
        size: length of the mask.
        max_length: longest run (exclusive).
        max_ratio: longest run as a part of ``size``.

    Returns:
        ``(batch, size)``.
    """
    most = max(_part(max_ratio, size), 1)
    length = (lengths * max_length).to(torch.int32).clamp(max=most)
    start = (starts * (size - length + 1).to(starts.dtype)).to(torch.int32)
    n = torch.arange(size, device=starts.device)
    inside = (n >= start[..., None]) & (n < (start + length)[..., None])
    return (~inside.any(dim=1)).to(starts.dtype)
