"""The fused operation as the frontends call it: filters kept, rows out of its range apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from leaf_port._lengths import by_length, of_one_length
from leaf_port._ops.clip import clip_by_value
from leaf_port._ops.energies import blocks, fused, library
from leaf_port._ops.energies.blocks import Clips, Shape
from leaf_port._ops.energies.by_kernel import ByKernel
from leaf_port._ops.energies.by_torch import ByTorch
from leaf_port._ops.energies.filters import Filters, prepare
from leaf_port.convolution import GaborConv1d
from leaf_port.impulse_responses import gabor_filters
from leaf_port.pooling import GaussianLowpass

Direct = Callable[[Tensor], Tensor]

# Squares of greater numbers leave the range of float32. What the official function makes of that,
# and of NaN, reaches certain frames; a transform would spread it over its block.
LARGEST_SAMPLE = 1e15


@dataclass
class Kept:
    """Filters of the last call without gradients, and what they were made of."""

    shape: Shape
    kernel: Tensor
    width: Tensor
    filters: Filters


class FusedEnergies:
    """The operation for one frontend.

    Args:
        takes_kernel: whether the kernel computes, where there is one.
    """

    def __init__(self, takes_kernel: bool = True) -> None:
        self._kept: Kept | None = None
        self._takes_kernel = takes_kernel

    def __getstate__(self) -> dict[str, Any]:
        """The filters are neither copied nor stored: made anew in no time."""
        return {**vars(self), "_kept": None}

    def __call__(
        self,
        conv: GaborConv1d,
        pool: GaussianLowpass,
        inputs: Tensor,
        lengths: list[int] | None,
        direct: Direct,
        wholly: bool,
    ) -> Tensor:
        """Energies of ``(batch, samples, 1)``; those rows that it cannot hold are ``direct``'s.

        The gradient by the rows is computed layer by layer, unless all is to be computed at once,
        ``wholly``.
        """
        rows = inputs[..., 0]
        known = [rows.shape[1]] * len(rows) if lengths is None else lengths
        least, most = rows.detach().amin(1), rows.detach().amax(1)
        usual = (least > -LARGEST_SAMPLE) & (most < LARGEST_SAMPLE)  # a NaN is not
        if not bool(usual.any()) or not fused.is_usual(conv.kernel, pool.kernel):
            return by_length(direct, inputs, known)
        if bool(usual.all()):
            return self._fused(conv, pool, rows, known, wholly)
        at, others = usual.nonzero()[:, 0], (~usual).nonzero()[:, 0]
        made = self._fused(conv, pool, rows[at], [known[i] for i in at], wholly)
        rest = by_length(direct, inputs[others], [known[i] for i in others])
        return torch.cat(of_one_length([made, rest]))[torch.cat([at, others]).argsort()]

    def _fused(
        self,
        conv: GaborConv1d,
        pool: GaussianLowpass,
        rows: Tensor,
        lengths: list[int],
        wholly: bool,
    ) -> Tensor:
        wanted = torch.is_grad_enabled() and any(
            each.requires_grad for each in (conv.kernel, pool.kernel, rows)
        )
        # The gradient by the rows is laid out as they are.
        as_it_is = rows.stride(1) == 1 and not (wanted and rows.requires_grad)
        rows = rows if as_it_is else rows.contiguous()
        shape = blocks.shape(conv.kernel_size, pool.strides)
        assert shape is not None  # noqa: S101 - see choice.obstacle
        clips = blocks.clips_of(rows, shape, pool.padding, lengths)
        if wanted:
            taps, width, filters = _filters(conv, pool, shape, slopes=True)
            engine = self._engine(shape, clips, filters)
            made = fused.Fused.apply(taps, width, rows, engine, pool.padding, wholly)
        else:
            filters = self._kept_filters(conv, pool, shape)
            made = self._engine(shape, clips, filters).forward(rows)
        made = made.unflatten(1, (len(rows), -1)).permute(1, 2, 0)
        if pool.bias is None:
            return made
        # Behind a clip's own frames there is no bias either.
        place = torch.arange(made.shape[1], device=made.device)
        own = place < torch.from_numpy(clips.frames).reshape(-1, 1).to(made.device)
        return made + pool.bias * own.unsqueeze(2)

    def _engine(self, shape: Shape, clips: Clips, filters: Filters) -> fused.Engine:
        kernel = library.opened()[0]
        if kernel is None or not self._takes_kernel:
            return ByTorch(shape, clips, filters)
        return ByKernel(kernel, shape, clips, filters, torch.get_num_threads())

    @torch.no_grad()
    def _kept_filters(self, conv: GaborConv1d, pool: GaussianLowpass, shape: Shape) -> Filters:
        kept, width = self._kept, pool.kernel
        kernel = conv.constraints["kernel"](conv.kernel)
        # By value: whoever writes through `.data` changes no version. By shape: a part may have
        # been replaced by one of the same weights.
        if (
            kept is None
            or kept.shape != shape
            or not (_same(kept.kernel, kernel) and _same(kept.width, width))
        ):
            filters = _filters(conv, pool, shape, slopes=False)[2]
            # A constrained kernel is another tensor than the weights.
            kept = self._kept = Kept(shape, kernel, width.clone(), filters)
        return kept.filters


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)


def _filters(
    conv: GaborConv1d, pool: GaussianLowpass, shape: Shape, slopes: bool
) -> tuple[Tensor, Tensor, Filters]:
    """Taps ``(channels, taps)`` and widths in float64, and what the kernel needs of them."""
    taps = gabor_filters(conv.constraints["kernel"](conv.kernel).double(), shape.taps)
    width = clip_by_value(pool.kernel[0, 0, :, 0], 2.0 / shape.taps, 0.5).double()
    window, slope = fused.gaussian_windows(width.detach(), shape.taps)
    filters = prepare(taps.detach(), window, slope if slopes else None, shape)
    return taps, width, filters
