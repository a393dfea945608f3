"""What the kernel needs of a set of filters and pooling windows, made in float64.

A filter is narrow where its spectrum outside ``width`` bins is below :data:`NEGLIGIBLE` of its
greatest bin. Its output is then known by ``points >= 2 width`` samples a block, and so is the
squared modulus, whose spectrum is ``2 width - 1`` bins wide. Pooling that with a window equals
pooling the full rate: only the bins that both have count, so the window is low-passed to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port._ops.energies.blocks import Shape
from leaf_port._ops.energies.library import CHANNEL

# Of the greatest bin. What is left out of a loud block lies under all of it, also under its quiet
# frames: it is 2e-10 / sqrt(STEEPNESS) = 2e-6 of the quietest at most, where all of it adds up.
NEGLIGIBLE = 1e-10
# A block with a frame whose mean energy is less of the block's power than this is computed at full
# rate: a low-passed window's products with what is loud cancel for that frame, and leave the
# rounding errors of float64, 1e-16 of what is loud.
STEEPNESS = 1e-8
# Parts of a window: below the first they are rounding errors of float64. Below the second the limit
# of what is quiet falls no further. (The rest of such a frame comes from another block.)
LEAST_PART = 1e-12
SMALL_PART = 1 / 64
FEWEST_POINTS = 64


@dataclass(frozen=True)
class Windows:
    """Pooling windows: at full rate, ``(channels, hop, pieces)``, and low-passed.

    In the table those of channels with as many points lie together.
    """

    full: Tensor
    full_f: Tensor
    table: Tensor
    table_f: Tensor


@dataclass(frozen=True)
class Filters:
    """All of it.

    Attributes:
        channel: of each channel its band.
        spectrum: ``(channels, size)``, complex, divided by the size.
        spectrum_f: the same, rounded.
        windows: for pooling.
        slopes: their derivatives by the width of the Gaussian, where gradients are wanted.
        weight: sums of the windows' parts in each frame of a block, ``(channels, frames)``.
    """

    channel: npt.NDArray[np.void]
    spectrum: Tensor
    spectrum_f: Tensor
    windows: Windows
    slopes: Windows | None
    weight: Tensor


@torch.no_grad()
def prepare(taps: Tensor, window: Tensor, slope: Tensor | None, shape: Shape) -> Filters:
    """Of taps ``(channels, taps)``, complex128, and windows ``(channels, taps)``, float64."""
    spectrum = torch.fft.ifft(taps, n=shape.size).contiguous()  # a correlation; divided by the size
    power = spectrum.real**2 + spectrum.imag**2
    channel = bands(power.numpy(), shape)
    pieces = _pieces(window, shape)
    weight = _by_frame(pieces.sum(1), shape)
    return Filters(
        channel=channel,
        spectrum=spectrum,
        spectrum_f=spectrum.to(torch.complex64),
        windows=_windows(pieces, channel, shape),
        slopes=None if slope is None else _windows(_pieces(slope, shape), channel, shape),
        weight=weight,
    )


def bands(power: npt.NDArray[np.float64], shape: Shape) -> npt.NDArray[np.void]:
    """Of each channel the bins that matter, and with how many points they are transformed back.

    ``power`` are the squared magnitudes of the spectra, ``(channels, size)``.
    """
    size, made = shape.size, np.zeros(len(power), CHANNEL)
    top = power.argmax(axis=1)
    shift = top - size // 2  # turns the greatest bin into the middle
    turned = np.take_along_axis(power, (np.arange(size) + shift[:, None]) % size, axis=1)
    matters = turned >= NEGLIGIBLE**2 * turned[:, size // 2, None]
    first = matters.argmax(axis=1)
    width = size - matters[:, ::-1].argmax(axis=1) - first
    points = np.maximum(FEWEST_POINTS, 2 ** np.ceil(np.log2(2 * width)).astype(np.int64))
    narrow = points < size
    made["points"] = np.where(narrow, points, size)
    made["width"] = np.where(narrow, width, size)
    made["first"] = np.where(narrow, (first + shift) % size, 0)
    entries = np.where(narrow, points * shape.frames, 0)
    order = np.argsort(points, kind="stable")  # channels with as many points lie together
    made["table"][order] = np.cumsum(entries[order]) - entries[order]
    return made


def _pieces(window: Tensor, shape: Shape) -> Tensor:
    """Windows as ``(channels, hop, pieces)``."""
    padded = F.pad(window, (0, shape.pieces * shape.hop - shape.taps))
    return padded.unflatten(1, (shape.pieces, shape.hop)).transpose(1, 2).contiguous()


def _by_frame(piece: Tensor, shape: Shape) -> Tensor:
    """``(channels, pieces)`` summed for each frame over the segments that it has in a block."""
    made = piece.new_zeros(len(piece), shape.frames)
    for segment in range(shape.segments):
        made[:, segment : segment + shape.pieces] += piece.flip(1)
    return made


def _windows(pieces: Tensor, channel: npt.NDArray[np.void], shape: Shape) -> Windows:
    narrow = np.flatnonzero(channel["points"] < shape.size)
    entries = int((channel["points"][narrow] * shape.frames).sum())
    table = torch.empty(entries, dtype=torch.float64, device="cpu")
    if not len(narrow):
        return Windows(pieces, pieces.float(), table, table.float())
    # Contiguous in time: a transform over the last axis is several times faster.
    some = pieces[torch.from_numpy(narrow)].transpose(1, 2).contiguous()
    spectra = torch.fft.rfft(some, shape.size)
    points = channel["points"][narrow]
    for count in np.unique(points):
        at = np.flatnonzero(points == count)
        start, size = int(channel["table"][narrow[at[0]]]), int(count) * shape.frames
        place = table[start : start + len(at) * size].view(len(at), int(count), shape.frames)
        _fill(place, spectra[torch.from_numpy(at)], shape)
    return Windows(pieces, pieces.float(), table, table.float())


def _fill(table: Tensor, spectra: Tensor, shape: Shape) -> None:
    """Low-passed windows of a block's frames ``(channels, points, frames)``, of pieces' spectra."""
    points = table.shape[1]
    spectrum = spectra[..., : points // 2 + 1].clone()
    spectrum[..., -1] = 0.0
    step, rest = divmod(shape.hop * points, shape.size)
    table.zero_()
    if rest:  # a segment does not start on a sample of the lower rate
        for segment in range(shape.segments):
            moved = torch.fft.irfft(spectrum * _turn(segment, spectrum.shape[-1], shape), n=points)
            table[..., segment : segment + shape.pieces] += moved.mT.flip(2)
        return
    low = torch.fft.irfft(spectrum, n=points)
    turns = -(-step * shape.segments // points) + 1
    around = low.repeat(1, 1, turns).numpy()
    for piece in range(shape.pieces):
        # Segment s has the piece s steps later: sample m of it is sample m - s step of the first.
        last = around[:, piece, (turns - 1) * points :]
        by_channel, by_sample = last.strides
        later = np.lib.stride_tricks.as_strided(
            last,
            (len(last), points, shape.segments),
            (by_channel, by_sample, -step * by_sample),
            writeable=False,
        )
        first = shape.pieces - 1 - piece
        table.numpy()[..., first : first + shape.segments] += later


def _turn(segment: int, bins: int, shape: Shape) -> Tensor:
    """What delays a spectrum by so many segments."""
    bin_ = torch.arange(bins, dtype=torch.float64, device="cpu")
    angle = -2 * torch.pi * segment * shape.hop / shape.size * bin_
    return torch.polar(torch.ones_like(angle), angle)
