"""The fused operation and its gradients: filters, squared modulus and pooling of float32 clips."""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port._lengths import by_length
from leaf_port._ops.energies.blocks import Clips, Shape
from leaf_port._ops.energies.by_rows import Layers
from leaf_port._ops.energies.by_rows import by_rows as layer_by_layer
from leaf_port._ops.energies.filters import Filters
from leaf_port._ops.energies.reach import is_everything, reach
from leaf_port._ops.precision import autocast_off
from leaf_port.padding import pad_time

# Said each time: users set other defaults.
DOUBLE: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
COMPLEX: dict[str, Any] = {"dtype": torch.complex128, "device": "cpu"}


class Engine(Protocol):
    """What computes one call: ``ByKernel`` or ``ByTorch``."""

    shape: Shape
    clips: Clips
    filters: Filters

    def forward(self, rows: Tensor) -> Tensor:
        """Energies ``(channels, frames of all clips)`` of rows ``(batch, samples)``."""
        ...

    def backward(
        self,
        change: Tensor,
        rows: Tensor,
        by_spectrum: Tensor,
        by_width: Tensor,
        by_rows: Tensor | None,
    ) -> None:
        """Adds the gradients by the filters' spectra (half of it), the widths and the rows."""
        ...


def backward(
    engine: Engine, change: Tensor, rows: Tensor, by_rows: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Gradients by the taps ``(channels, taps)`` and the widths ``(channels,)``.

    That by the rows is added to ``by_rows``, if given.
    """
    shape, channels = engine.shape, len(engine.filters.channel)
    by_spectrum = torch.zeros(channels, shape.size, **COMPLEX)
    by_width = torch.zeros(channels, **DOUBLE)
    engine.backward(change, rows, by_spectrum, by_width, by_rows)
    by_taps = torch.fft.fft(by_spectrum * (2.0 / shape.size))[:, : shape.taps]
    if is_everything(change, rows, engine.clips, shape) or not bool(change.isfinite().all()):
        return by_taps, by_width  # what is not finite makes NaN where it meets a silent clip
    reached = reach(change, rows, engine.clips, shape)
    if by_rows is not None:
        by_rows *= reached.samples()
    return by_taps.masked_fill(~reached.taps(), 0.0), by_width


class Fused(torch.autograd.Function):
    """Energies ``(channels, frames of all clips)`` of rows ``(batch, samples)``.

    ``taps`` and ``width`` are those that the engine's filters were made of; ``rows`` those that its
    clips point into. The gradient by the rows is computed layer by layer, or by the engine where
    that is asked for, ``wholly``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        taps: Tensor,
        width: Tensor,
        rows: Tensor,
        engine: Engine,
        padding: str,
        wholly: bool,
    ) -> Tensor:
        ctx.engine, ctx.padding, ctx.wholly = engine, padding, wholly
        ctx.save_for_backward(taps, width, rows)  # rows: to see that nobody has changed them
        return engine.forward(rows)

    @staticmethod
    def backward(ctx: Any, change: Tensor) -> tuple[Tensor | None, ...]:
        given: tuple[Tensor, Tensor, Tensor] = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled() or not _in_memory(change):  # the former with create_graph
            with torch.enable_grad():
                made = energies_by_torch(*given, ctx.engine, ctx.padding)
            sources = [each for each, asked in zip(given, wanted, strict=True) if asked]
            graph = torch.is_grad_enabled()
            found = iter(torch.autograd.grad(made, sources, change.double(), create_graph=graph))
            return *(next(found) if asked else None for asked in wanted), None, None, None
        taps, width, rows = given
        by_rows = torch.zeros_like(rows) if wanted[2] and ctx.wholly else None
        by_taps = by_width = None
        if any(wanted[:2]) or by_rows is not None:
            by_taps, by_width = backward(ctx.engine, change, rows, by_rows)
        if wanted[2] and not ctx.wholly:
            shape = ctx.engine.shape
            windows = gaussian_windows(width, shape.taps)[0].unsqueeze(1)
            layers = Layers(parts_of(taps).float(), windows.float(), shape)
            with autocast_off("cpu"):  # backward() may be called inside it
                by_rows = layer_by_layer(layers, rows, change, ctx.engine.clips)
        return by_taps, by_width, by_rows, None, None, None


def _in_memory(change: Tensor) -> bool:
    """Whether an engine can read its numbers: those of a fake tensor (compiled autograd) or of
    several gradients at once (``is_grads_batched``) lie nowhere.
    """
    functorch = torch._C._functorch
    several = functorch.is_legacy_batchedtensor(change) or functorch.is_batchedtensor(change)
    return type(change) is Tensor and not several


def energies_by_torch(
    taps: Tensor, width: Tensor, rows: Tensor, engine: Engine, padding: str
) -> Tensor:
    """The same in float64 and by torch's operations, for gradients of gradients."""
    shape = engine.shape
    parts = parts_of(taps)
    windows = gaussian_windows(width, shape.taps)[0].unsqueeze(1)

    def pooled(some: Tensor) -> Tensor:
        padded = pad_time(some.unsqueeze(1), shape.taps)
        energies = F.conv1d(padded, parts).square().unflatten(1, (-1, 2)).sum(2)
        padded = pad_time(energies, shape.taps, shape.hop, padding=padding)
        return F.conv1d(padded, windows, stride=shape.hop, groups=len(taps)).mT

    made = by_length(pooled, rows.double(), engine.clips.length.tolist())
    return made.permute(2, 0, 1).flatten(1)


def parts_of(taps: Tensor) -> Tensor:
    """Complex filters ``(channels, taps)`` as ``(2 channels, 1, taps)``."""
    return torch.view_as_real(taps).permute(0, 2, 1).reshape(-1, 1, taps.shape[1])


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
