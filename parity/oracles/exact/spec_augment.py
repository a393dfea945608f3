"""SpecAugment on given draws. Source: lingvo 0.13.1, core/spectrum_augmenter.py.

Where masks and warps begin and end are whole numbers, cut from float32 products of a draw and a
size. Those decisions are made here in float32 as there: a product just below a whole number in
float64 may round up to it. Everything that is no decision is float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.oracles.exact.types import Array

_f32 = np.float32


def _cut(product: Array) -> Array:
    """``tf.cast(product, tf.int32)``: towards zero."""
    return np.trunc(product).astype(np.int64)


def _part(ratio: float, size: int) -> int:
    """``ratio * size`` in float32, cut."""
    return int(_f32(ratio) * _f32(size))


def mask(lengths: Array, starts: Array, size: int, longest: int, ratio: float = 1.0) -> Array:
    """Ones with runs of zeros: (batch, size). Source: lines 209-339.

    Args: lengths and starts (batch, count), in [0, 1).
    """
    most = max(_part(ratio, size), 1)
    length = np.minimum(_cut(lengths.astype(_f32) * _f32(longest)), most)
    start = _cut(starts.astype(_f32) * (size - length + 1).astype(_f32))
    n = np.arange(size)
    hidden = (n >= start[..., None]) & (n < (start + length)[..., None])
    return np.asarray(1.0 - hidden.any(axis=1))


def warp(shift: Array, origin: Array, frames: int, ratio: float) -> Array:
    """The map that moves frame ``origin`` by ``shift``, the ends fixed: (batch, frames, frames).

    Row ``i`` interpolates between the two frames around ``x(i)``, which is piecewise linear through
    (0, 0), (destination, origin) and (frames, frames). Source: lines 341-563.
    """
    most = _part(ratio, frames)
    moved = np.clip(shift, -most, most)
    anchor = _cut(origin.astype(_f32) * _f32(max(frames - 2, 0))) + 1
    target = np.minimum(np.maximum(anchor + moved, 1.0), frames - 1.0)
    made = np.empty((len(shift), frames, frames))
    n = np.arange(frames, dtype=np.float64)
    for row, (a, d) in enumerate(zip(anchor, target, strict=True)):
        x = np.where(n < d, n * a / d, a + (n - d) * (frames - a) / (frames - d))
        made[row] = np.maximum(0.0, 1.0 - np.abs(x[:, None] - n))
    return made


def augment(x: Array, draws: Sequence[Array], settings: Mapping[str, Any]) -> Array:
    """Time warp, time masks, frequency masks: as ``x``, (batch, frames, channels).

    Draws are taken in the order in which the official code makes them; it makes none for what the
    settings switch off. Source: lines 955-1021; postprocessing.py, lines 167-226.
    """
    rest = list(draws)
    _, frames, channels = x.shape
    if settings["time_warp_max_frames"] and settings["time_warp_max_ratio"] > 0:
        shift, origin = rest.pop(0), rest.pop(0)
        x = warp(shift, origin, frames, settings["time_warp_max_ratio"]) @ x
    longest, ratio = settings["time_mask_max_frames"], settings["time_mask_max_ratio"]
    if longest and settings["time_mask_count"] and ratio > 0:
        x = x * mask(rest.pop(0), rest.pop(0), frames, longest, ratio)[:, :, None]
    if settings["freq_mask_max_bins"] and settings["freq_mask_count"]:
        longest = settings["freq_mask_max_bins"]
        x = x * mask(rest.pop(0), rest.pop(0), channels, longest)[:, None, :]
    return x
