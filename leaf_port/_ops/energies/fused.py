"""The fused operation: filters, squared modulus and pooling of float32 clips, by the kernel."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port._lengths import by_length
from leaf_port._ops.energies import blocks
from leaf_port._ops.energies.blocks import Clips, Shape
from leaf_port._ops.energies.filters import Filters
from leaf_port._ops.energies.library import Job, Kernel
from leaf_port._ops.energies.reach import reach
from leaf_port._ops.precision import autocast_off
from leaf_port.padding import pad_time

Direct = Callable[[Tensor], Tensor]

# Said each time: users set other defaults, and the kernel writes where it is told to.
SINGLE: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
DOUBLE: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
COMPLEX: dict[str, Any] = {"dtype": torch.complex128, "device": "cpu"}

# The spectra of so many groups are kept at once: few enough for the cache, and memory is constant.
GROUPS_AT_ONCE = 8
# An estimate, not a derivation; tests hold its result.
# A block with a frame whose mean energy is less of the block's than this is computed in double
# precision. The rounding errors of a transform are even over its block, about 6e-8
# sqrt(log2(points)) of its root mean square. A frame with a quarter of that root mean square, which
# sums dozens of independent samples, keeps them below the rounding of its own sum.
EVENNESS = 1 / 16


@dataclass
class Plan:
    """One call: the clips' blocks, the filters, and what was computed in double precision."""

    kernel: Kernel
    shape: Shape
    clips: Clips
    filters: Filters
    threads: int

    def __post_init__(self) -> None:
        self.lanes, self.masked = blocks.lanes(self.clips, self.shape, self.kernel.lanes)
        self.groups = len(self.lanes) // self.kernel.lanes
        self.channels = len(self.filters.channel)
        self.uneven = np.zeros((self.channels, self.groups), np.uint16)

    def job(self) -> Job:
        """What both directions hand to the kernel."""
        shape, filters = self.shape, self.filters
        windows = filters.windows
        return Job(
            size=shape.size,
            hop=shape.hop,
            pieces=shape.pieces,
            segments=shape.segments,
            channels=self.channels,
            groups=self.groups,
            frames=self.clips.total,
            evenness=EVENNESS,
            channel=filters.channel.ctypes.data,
            lane=self.lanes.ctypes.data,
            masked=self.masked.ctypes.data,
            spectrum=filters.spectrum.data_ptr(),
            spectrum_f=filters.spectrum_f.data_ptr(),
            window=windows.full.data_ptr(),
            window_f=windows.full_f.data_ptr(),
            table=windows.table.data_ptr(),
            table_f=windows.table_f.data_ptr(),
            weight=filters.weight.data_ptr(),
            uneven=self.uneven.ctypes.data,
        )

    def run(self, name: str, job: Job) -> None:
        """Calls the kernel for all groups and channels, as many threads at once as torch has."""
        self.kernel.prepare(self.shape.size)
        at_once = min(GROUPS_AT_ONCE, self.groups)
        size = at_once * self.shape.size * self.kernel.lanes * 2
        wide, narrow = torch.empty(size, **DOUBLE), torch.empty(size, **SINGLE)
        places = {"wide": wide.data_ptr(), "narrow": narrow.data_ptr()}

        def spectra(first: int, last: int) -> None:
            self.kernel.call("spectra", job, base, first, last, **places)

        def channels(first: int, last: int) -> None:
            self.kernel.call(name, job, base, end, first, last, **places)

        def waveform(first: int, last: int) -> None:
            self.kernel.call("waveform", job, base, first, last, **places)

        with Pool(min(self.threads, self.channels)) as pool:
            for base in range(0, self.groups, at_once):
                end = min(base + at_once, self.groups)
                pool.share(spectra, base, end)
                pool.share(channels, 0, self.channels)
                if job.clips_gradient:
                    pool.share(waveform, base, end)
                    self.kernel.call("overlap", job, base, end, **places)


class Pool:
    """Threads that share numbers among them; no thread for one."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown()

    def share(self, function: Callable[[int, int], None], first: int, last: int) -> None:
        """Calls ``function`` for each number from ``first`` to ``last``, or once for all."""
        if self._executor is None:
            function(first, last)
            return
        numbers = range(first, last)
        for _ in self._executor.map(function, numbers, range(first + 1, last + 1)):
            pass


def forward(plan: Plan) -> Tensor:
    """Energies ``(channels, frames of all clips)``."""
    output = torch.zeros(plan.channels, plan.clips.total, **SINGLE)
    job = plan.job()
    job.output = output.data_ptr()
    plan.run("forward", job)
    return output


def backward(
    plan: Plan, change: Tensor, rows: Tensor, by_rows: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Gradients by the taps ``(channels, taps)`` and the widths ``(channels,)``.

    That by the rows is added to ``by_rows``, if given.
    """
    shape, slopes = plan.shape, plan.filters.slopes
    assert slopes is not None  # noqa: S101
    change = change.contiguous()
    by_spectrum = torch.zeros(plan.channels, shape.size, **COMPLEX)
    by_width = torch.zeros(plan.channels, **DOUBLE)
    job = plan.job()
    job.slope, job.slope_f = slopes.full.data_ptr(), slopes.full_f.data_ptr()
    job.slope_table, job.slope_table_f = slopes.table.data_ptr(), slopes.table_f.data_ptr()
    job.output_gradient = change.data_ptr()
    job.spectrum_gradient = by_spectrum.data_ptr()
    job.width_gradient = by_width.data_ptr()
    if by_rows is not None:
        job.clips, job.clips_gradient = rows.data_ptr(), by_rows.data_ptr()
    plan.run("backward", job)
    by_taps = torch.fft.fft(by_spectrum * (2.0 / shape.size))[:, : shape.taps]
    reached = reach(change, rows, plan.clips, shape)
    if by_rows is not None:
        by_rows *= reached.samples()
    return by_taps.masked_fill(~reached.taps(), 0.0), by_width


class Fused(torch.autograd.Function):
    """Energies ``(channels, frames of all clips)`` of rows ``(batch, samples)``.

    ``taps`` and ``width`` are those that the plan's filters were made of; ``rows`` those that its
    clips point into. The gradient by the rows is that of ``direct``, the three layers from
    ``(batch, samples, 1)`` to ``(batch, frames, channels)``, or the kernel's where that is None:
    as near to float64 by its norm, but not in each sample, since a transform's rounding errors are
    as large as its block and the gradient fades away at the ends of its reach.
    """

    @staticmethod
    def forward(
        ctx: Any,
        taps: Tensor,
        width: Tensor,
        rows: Tensor,
        plan: Plan,
        padding: str,
        direct: Direct | None,
    ) -> Tensor:
        ctx.plan, ctx.padding, ctx.direct = plan, padding, direct
        ctx.save_for_backward(taps, width, rows)  # rows: to see that nobody has changed them
        return forward(plan)

    @staticmethod
    def backward(ctx: Any, change: Tensor) -> tuple[Tensor | None, ...]:
        given: tuple[Tensor, Tensor, Tensor] = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():  # with create_graph
            made = energies_by_torch(*given, ctx.plan, ctx.padding)
            sources = [each for each, asked in zip(given, wanted, strict=True) if asked]
            found = iter(torch.autograd.grad(made, sources, change.double(), create_graph=True))
            return *(next(found) if asked else None for asked in wanted), None, None, None
        rows = given[2]
        by_rows = torch.zeros(rows.shape, **SINGLE) if wanted[2] and not ctx.direct else None
        by_taps = by_width = None
        if any(wanted[:2]) or by_rows is not None:
            by_taps, by_width = backward(ctx.plan, change, rows, by_rows)
        if wanted[2] and ctx.direct:
            by_rows = by_rows_of(ctx.direct, rows, change, ctx.plan.clips)
        return by_taps, by_width, by_rows, None, None, None


def by_rows_of(direct: Direct, rows: Tensor, change: Tensor, clips: Clips) -> Tensor:
    """Gradient by the rows, layer by layer."""
    source = rows.detach().requires_grad_()
    with torch.enable_grad(), autocast_off("cpu"):  # backward() may be called inside it
        made = by_length(direct, source.unsqueeze(-1), clips.length.tolist())
    change = change.unflatten(1, (len(rows), -1)).permute(1, 2, 0)
    return torch.autograd.grad(made, source, change)[0]


def energies_by_torch(
    taps: Tensor, width: Tensor, rows: Tensor, plan: Plan, padding: str
) -> Tensor:
    """The same in float64 and by torch's operations, for gradients of gradients."""
    shape = plan.shape
    parts = torch.view_as_real(taps).permute(0, 2, 1).reshape(-1, 1, shape.taps)
    windows = gaussian_windows(width, shape.taps)[0].unsqueeze(1)

    def pooled(some: Tensor) -> Tensor:
        padded = pad_time(some.unsqueeze(1), shape.taps)
        energies = F.conv1d(padded, parts).square().unflatten(1, (-1, 2)).sum(2)
        padded = pad_time(energies, shape.taps, shape.hop, padding=padding)
        return F.conv1d(padded, windows, stride=shape.hop, groups=len(taps)).mT

    made = by_length(pooled, rows.double(), plan.clips.length.tolist())
    return made.permute(2, 0, 1).flatten(1)


def gaussian_windows(width: Tensor, taps: int) -> tuple[Tensor, Tensor]:
    """Gaussian windows ``(channels, taps)`` of a width in half windows, and their derivatives."""
    half = 0.5 * (taps - 1)
    position = (torch.arange(taps, **DOUBLE) - half) / half
    ratio = position / width.unsqueeze(1)
    window = torch.exp(-0.5 * ratio**2)
    return window, window * ratio**2 / width.unsqueeze(1)


def is_usual(*tensors: Tensor, most: float = math.inf) -> bool:
    """Whether all numbers are finite and below ``most`` in magnitude."""
    return all(bool((each.detach().abs() < most).all()) for each in tensors)
