"""The gradient by the waveform, layer by layer: as near to float64 in each sample as they are.

A transform's rounding errors are as large as its block, and this gradient fades away at the ends of
its reach. Computed a stretch of time after another, so that its memory is that of a stretch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port._ops.energies.blocks import Clips, Shape

# Filtered samples at once: 16 MB.
AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Layers:
    """Filters and windows, float32.

    Attributes:
        parts: real and imaginary parts of the filters in turns, ``(2 channels, 1, taps)``.
        windows: for pooling, ``(channels, 1, taps)``.
        shape: their sizes.
    """

    parts: Tensor
    windows: Tensor
    shape: Shape


def by_rows(layers: Layers, rows: Tensor, change: Tensor, clips: Clips) -> Tensor:
    """Gradient by rows ``(batch, samples)``.

    Args:
        layers: that made the energies.
        rows: of samples.
        change: gradient by the energies, ``(channels, frames of all clips)``.
        clips: of the rows.
    """
    made = torch.zeros_like(rows)
    change = change.unflatten(1, (len(rows), -1)).transpose(0, 1)
    for length in set(clips.length.tolist()):
        at = torch.from_numpy((clips.length == length).nonzero()[0])
        first = int(at[0])
        left, frames = int(clips.left[first]), int(clips.frames[first])
        found = _of_length(layers, rows[at, :length], change[at, :, :frames], left)
        made[at, :length] = found
    return made


def _of_length(layers: Layers, rows: Tensor, change: Tensor, left: int) -> Tensor:
    taps, samples = layers.shape.taps, rows.shape[1]
    before = (taps - 1) // 2
    padded = F.pad(rows, (before, taps - 1 - before)).unsqueeze(1)
    made = torch.zeros_like(padded)
    for first, last in _stretches(len(rows) * len(layers.parts), samples, taps):
        spread = _spread(layers, change, left, first, last)
        if spread is None:
            continue
        heard = slice(first, last + taps - 1)
        filtered = F.conv1d(padded[..., heard], layers.parts)
        filtered *= spread.repeat_interleave(2, dim=1)
        made[..., heard] += F.conv_transpose1d(filtered, layers.parts)
    return made[:, 0, before : before + samples]


def _stretches(width: int, samples: int, taps: int) -> Iterator[tuple[int, int]]:
    size = max(AT_ONCE // width, 4 * taps)
    for first in range(0, samples, size):
        yield first, min(first + size, samples)


def _spread(layers: Layers, change: Tensor, left: int, first: int, last: int) -> Tensor | None:
    """Twice the gradient by energies ``[first, last)``, or None where no frame hears them."""
    hop, taps = layers.shape.hop, layers.shape.taps
    start = max((first + left - taps) // hop + 1, 0)
    end = min(-(-(last + left) // hop), change.shape[2])
    if start >= end:
        return None
    some, channels = 2.0 * change[..., start:end], len(layers.windows)
    made = F.conv_transpose1d(some, layers.windows, stride=hop, groups=channels)
    begins = start * hop - left
    return F.pad(made, (begins - first, last - begins - made.shape[2]))
