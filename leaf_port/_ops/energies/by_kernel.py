"""The fused operation by the kernel, shared among as many threads as torch has."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leaf_port._ops.energies import blocks
from leaf_port._ops.energies.blocks import Clips, Shape
from leaf_port._ops.energies.filters import STEEPNESS, Filters
from leaf_port._ops.energies.library import Job, Kernel

# Said each time: users set other defaults, and the kernel writes where it is told to.
SINGLE: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
DOUBLE: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}

# The spectra of so many groups are kept at once: few enough for the cache, and memory is constant.
GROUPS_AT_ONCE = 8
# An estimate, not a derivation; tests hold its result.
# A block with a frame whose mean energy is less of the block's power than this is computed in
# double precision. The rounding errors of a transform are even over its whole block, also over
# what no frame hears: about 6e-8 sqrt(log2(points)) of its root mean square. A frame with a quarter
# of that root mean square, which sums dozens of independent samples, keeps them below the rounding
# of its own sum.
EVENNESS = 1 / 16


class ByKernel:
    """One call for rows ``(batch, samples)``, float32, that the clips point into.

    Args:
        kernel: the library.
        shape: of the blocks.
        clips: where they lie.
        filters: what the kernel needs of them.
        threads: among which the work is shared.
    """

    def __init__(
        self, kernel: Kernel, shape: Shape, clips: Clips, filters: Filters, threads: int
    ) -> None:
        self.kernel, self.shape, self.clips = kernel, shape, clips
        self.filters, self.threads = filters, threads
        self.lanes, self.masked = blocks.lanes(clips, shape, kernel.lanes)
        self.groups = len(self.lanes) // kernel.lanes
        self.channels = len(filters.channel)
        # What was computed in double precision, and what of it at full rate.
        self.chosen = np.zeros((self.channels, self.groups), np.uint32)

    def forward(self, _rows: Tensor) -> Tensor:
        """Energies ``(channels, frames of all clips)``."""
        output = torch.zeros(self.channels, self.clips.total, **SINGLE)
        job = self.job()
        job.output = output.data_ptr()
        self.run("forward", job)
        return output

    def backward(
        self,
        change: Tensor,
        rows: Tensor,
        by_spectrum: Tensor,
        by_width: Tensor,
        by_rows: Tensor | None,
    ) -> None:
        """Adds the gradients by the filters' spectra (half of it), the widths and the rows."""
        slopes = self.filters.slopes
        assert slopes is not None  # noqa: S101
        change = change.contiguous()
        job = self.job()
        job.slope, job.slope_f = slopes.full.data_ptr(), slopes.full_f.data_ptr()
        job.slope_table, job.slope_table_f = slopes.table.data_ptr(), slopes.table_f.data_ptr()
        job.output_gradient = change.data_ptr()
        job.spectrum_gradient = by_spectrum.data_ptr()
        job.width_gradient = by_width.data_ptr()
        if by_rows is not None:
            job.clips, job.clips_gradient = rows.data_ptr(), by_rows.data_ptr()
        self.run("backward", job)

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
            steepness=STEEPNESS,
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
            chosen=self.chosen.ctypes.data,
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
        self._executor = _executor(threads) if threads > 1 else None

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


def _executor(threads: int) -> ThreadPoolExecutor | None:
    """Nothing where no thread begins any more: Python is about to end (atexit).

    Asked before there is any work: what adds energies up may not be done twice.
    """
    made = ThreadPoolExecutor(threads)
    try:
        made.submit(int)
    except RuntimeError:
        return None
    return made
