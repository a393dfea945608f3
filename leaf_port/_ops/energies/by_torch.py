"""The same as the kernel by torch's operations, in float64: where no kernel was compiled.

Blocks and channels are computed together, as many blocks at once as :data:`AT_ONCE` numbers allow.
Channels with as many points share one transform. In float64 only blocks with very quiet frames need
to be told from others: they are computed at full rate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port._ops.energies import blocks
from leaf_port._ops.energies.blocks import Clips, Shape
from leaf_port._ops.energies.filters import (
    LEAST_PART,
    SMALL_PART,
    STEEPNESS,
    Filters,
    Windows,
)

P = ParamSpec("P")
T = TypeVar("T")

# Complex numbers of filtered blocks: 8 MB.
AT_ONCE = 1 << 19


def without_default_device(function: Callable[P, T]) -> Callable[P, T]:
    """Whatever device users have made the default one, all of it is on the CPU."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with torch.device("cpu"):
            return function(*args, **kwargs)

    return wrapped


@dataclass(frozen=True)
class Band:
    """Channels that are transformed back with as many points.

    Attributes:
        points: of the transform.
        channels: their numbers, ``(channels, 1)``.
        bins: of the spectrum that they take, ``(channels, width)``; None for all of them.
        kept: whether a bin belongs to its channel's band, ``(channels, width)``.
        filters: there, ``(channels, width)``; zero outside the band.
        windows: from energies to frames, ``(channels, points, frames)``.
        slopes: their derivatives by the width of the Gaussian; None without gradients.
    """

    points: int
    channels: Tensor
    bins: Tensor | None
    kept: Tensor
    filters: Tensor
    windows: Tensor
    slopes: Tensor | None

    def heard(self, spectrum: Tensor) -> Tensor:
        """The bins of blocks ``(blocks, size)``: ``(blocks, channels or 1, width)``."""
        return spectrum.unsqueeze(1) if self.bins is None else spectrum[:, self.bins]

    def filtered(self, spectrum: Tensor) -> Tensor:
        """Filtered blocks ``(blocks, channels, points)``."""
        spectra = self.heard(spectrum) * self.filters
        return torch.fft.ifft(spectra, n=self.points, norm="forward")


@dataclass(frozen=True)
class Some:
    """Some blocks.

    Attributes:
        row: of each sample, ``(blocks, size)``.
        place: of each sample in its row; any where there is none.
        inside: whether there is one.
        spectrum: ``(blocks, size)``.
        frame: where each of a block's frames lies among the outputs, ``(blocks, frames)``; behind
            all of them for a frame of no clip.
        outside: of each energy whether it lies outside the clip, ``(blocks, size)``; None if none
            does.
    """

    row: Tensor
    place: Tensor
    inside: Tensor
    spectrum: Tensor
    frame: Tensor
    outside: Tensor | None

    def energies(self, block: Tensor) -> Tensor:
        """Of filtered blocks ``(blocks, channels, points)``: ``(channels, blocks, points)``."""
        real, imaginary = torch.view_as_real(block).unbind(-1)
        return self.masked((real * real).addcmul_(imaginary, imaginary).transpose(0, 1))

    def masked(self, energies: Tensor) -> Tensor:
        """Energies ``(channels, blocks, points)`` with zeros outside the clip."""
        return energies if self.outside is None else energies.masked_fill_(self.outside, 0.0)


class ByTorch:
    """One call for rows ``(batch, samples)``, float32."""

    def __init__(self, shape: Shape, clips: Clips, filters: Filters) -> None:
        self.shape, self.clips, self.filters = shape, clips, filters
        self.lanes, masked = blocks.lanes(clips, shape, 1)
        self.cut = int(masked.sum())
        # Bands that are computed at full rate, by their part's first block and their points.
        self.steep: set[tuple[int, int]] = set()

    @without_default_device
    def forward(self, rows: Tensor) -> Tensor:
        """Energies ``(channels, frames of all clips)``."""
        shape = len(self.filters.channel), self.clips.total + 1
        output = torch.zeros(shape, dtype=torch.float64)
        for part, some, bands in self._parts(rows):
            for each in bands:
                band, block = each, each.filtered(some.spectrum)
                pooled = some.energies(block) @ band.windows
                if band.bins is not None and self._is_steep(some, band, block, pooled):
                    self.steep.add((part, band.points))
                    band = self._at_full_rate(band)
                    pooled = some.energies(band.filtered(some.spectrum)) @ band.windows
                at = band.channels.unsqueeze(2), some.frame.unsqueeze(0)
                output.index_put_(at, pooled, accumulate=True)
        return output[:, :-1].float()

    @without_default_device
    def backward(
        self,
        change: Tensor,
        rows: Tensor,
        by_spectrum: Tensor,
        by_width: Tensor,
        by_rows: Tensor | None,
    ) -> None:
        """Adds the gradients by the filters' spectra (half of it), the widths and the rows."""
        change = F.pad(change.double(), (0, 1))
        for part, some, bands in self._parts(rows):
            by_block = None if by_rows is None else torch.zeros_like(some.spectrum)
            conjugate = some.spectrum.conj().resolve_conj()
            for each in bands:
                steep = (part, each.points) in self.steep
                band = self._at_full_rate(each) if steep else each
                returned = self._returned(some, band, change, by_width)
                found = (returned * band.heard(conjugate)).sum(0).masked_fill_(~band.kept, 0.0)
                if band.bins is None:
                    by_spectrum[band.channels[:, 0]] += found
                else:
                    by_spectrum[band.channels, band.bins] += found
                if by_block is not None:
                    _add_by_block(by_block, band, returned)
            if by_block is not None and by_rows is not None:
                window = 2.0 * torch.fft.ifft(by_block, norm="forward").real
                window = torch.where(some.inside, window, 0.0).float()
                by_rows.index_put_((some.row, some.place), window, accumulate=True)

    def _is_steep(self, some: Some, band: Band, block: Tensor, pooled: Tensor) -> bool:
        """Whether a frame's mean energy is less of its block's power than :data:`STEEPNESS`."""
        power = torch.view_as_real(block).square().sum(-1).mean(-1).T.unsqueeze(2)
        weight = self.filters.weight[band.channels]
        part = weight / weight.amax(2, keepdim=True)
        quiet = pooled < STEEPNESS * weight * part.clamp_min(SMALL_PART) * power
        return bool((quiet & (part >= LEAST_PART) & (some.frame < self.clips.total)).any())

    def _at_full_rate(self, band: Band) -> Band:
        return _band(self.filters, self.shape, band.channels[:, 0].numpy(), self.shape.size)

    def _returned(self, some: Some, band: Band, change: Tensor, by_width: Tensor) -> Tensor:
        """Spectra of half the gradient by the filtered blocks, ``(blocks, channels, width)``."""
        assert band.slopes is not None  # noqa: S101
        wanted = change[band.channels.unsqueeze(2), some.frame.unsqueeze(0)]
        block = band.filtered(some.spectrum)
        pooled = some.energies(block) @ band.slopes
        by_width[band.channels[:, 0]] += (pooled * wanted).sum((1, 2))
        spread = some.masked(wanted @ band.windows.mT).transpose(0, 1)
        torch.view_as_real(block).mul_(spread.unsqueeze(-1))
        return torch.fft.fft(block)[..., : band.kept.shape[1]]

    def _parts(self, rows: Tensor) -> Iterator[tuple[int, Some, list[Band]]]:
        """All blocks in parts, the number of each one's first block, and the bands for them.

        Where a block is cut off, that is one of all channels.
        """
        rows = rows.detach()
        filters, shape = self.filters, self.shape
        most = max(AT_ONCE // (len(filters.channel) * shape.size), 1)
        for first, last, cut in ((0, self.cut, True), (self.cut, len(self.lanes), False)):
            bands = list(_bands(filters, shape, cut)) if first < last else []
            for start in range(first, last, most):
                yield start, self._some(rows, slice(start, min(start + most, last)), cut), bands

    def _some(self, rows: Tensor, which: slice, cut: bool) -> Some:
        lane, size = self.lanes[which], self.shape.size
        time, frame = torch.arange(size), torch.arange(self.shape.frames)
        at = _column(lane["start"]) + time
        inside = (at >= 0) & (at < _column(lane["length"]))
        place = at.clamp(0, rows.shape[1] - 1)
        # The clips' addresses, back to numbers of rows.
        clip = lane["clip"].astype(np.int64) - rows.data_ptr()
        row = _column(clip // (4 * max(rows.stride(0), 1))).expand_as(place)
        samples = torch.where(inside, rows[row, place].double(), 0.0)
        shown = (frame >= _column(lane["shown"])) & (frame < _column(lane["hidden"]))
        target = torch.where(shown, _column(lane["frame"]) + frame, self.clips.total)
        outside = (time < _column(lane["first"])) | (time >= _column(lane["last"]))
        spectrum = torch.fft.fft(samples)
        return Some(row, place, inside, spectrum, target, outside if cut else None)


def _column(numbers: npt.NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int64)).unsqueeze(1)


def _add_by_block(by_block: Tensor, band: Band, returned: Tensor) -> None:
    """Adds the gradient by the blocks' own spectra, halved."""
    part = returned * band.filters.conj()
    if band.bins is None:
        by_block += part.sum(1)
        return
    for number, bins in enumerate(band.bins):
        by_block[:, bins] += part[:, number]


def _bands(filters: Filters, shape: Shape, whole: bool) -> Iterator[Band]:
    """Channels by their points; all at full rate where that is asked for."""
    points = np.full(len(filters.channel), shape.size) if whole else filters.channel["points"]
    for count in np.unique(points):
        yield _band(filters, shape, np.flatnonzero(points == count), int(count))


def _band(filters: Filters, shape: Shape, numbers: npt.NDArray[np.int64], points: int) -> Band:
    kind, channels = filters.channel[numbers], torch.from_numpy(numbers)
    full = points == shape.size
    width = np.full(len(numbers), shape.size) if full else kind["width"]
    first = np.zeros(len(numbers), np.int64) if full else kind["first"]
    bin_ = torch.arange(int(width.max()))
    bins = (_column(first) + bin_) % shape.size
    kept = bin_ < _column(width)

    def table(windows: Windows) -> Tensor:
        if full:
            return _at_full_rate(windows.full[channels], shape)
        size = points * shape.frames
        rows = [windows.table[start : start + size] for start in kind["table"].tolist()]
        return torch.stack(rows).unflatten(1, (points, shape.frames))

    return Band(
        points=points,
        channels=channels.unsqueeze(1),
        bins=None if full else bins,
        kept=kept,
        filters=torch.where(kept, filters.spectrum[channels.unsqueeze(1), bins], 0.0),
        windows=table(filters.windows),
        slopes=None if filters.slopes is None else table(filters.slopes),
    )


def _at_full_rate(pieces: Tensor, shape: Shape) -> Tensor:
    """Windows ``(channels, hop, pieces)`` as ``(channels, size, frames)``."""
    made = pieces.new_zeros(len(pieces), shape.size, shape.frames)
    for segment in range(shape.segments):
        start = segment * shape.hop
        made[:, start : start + shape.hop, segment : segment + shape.pieces] = pieces.flip(2)
    return made
