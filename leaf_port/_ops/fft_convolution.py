"""Convolutions by FFT, with the wrap-around of the official ones (leaf_audio/convolution.py).

Neither equals the direct convolution at the edges: :func:`fft_conv1d` is circular over the next
power of two, :func:`overlap_add_conv1d` rolls what its last segment leaves over into the first
samples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port import _checks
from leaf_port._ops import fourier
from leaf_port._ops.arithmetic import Arithmetic, check_arithmetic, uses_complex
from leaf_port._ops.devices import lacks
from leaf_port.errors import LeafError


def upper_power_of_2(length: int) -> int:
    """The smallest power of two that is not below ``length``.

    The official code rounds ``2^ceil(ln(length) / ln(2))`` in float32. That is the same for all
    lengths up to 2^21; just above 2^21, 2^22 … it gives a transform too short, and fails.
    Source: convolution.py, lines 27-30.
    """
    _checks.not_traced("upper_power_of_2", "the length decides the size of the transform")
    return 1 << (length - 1).bit_length()


def _check(owner: str, inputs: Tensor, filters: Tensor) -> None:
    _checks.shaped(owner, inputs, (None, None, 1), "(batch, time, 1)")
    _checks.floating(owner, filters, "filters")
    if filters.ndim != 3 or filters.shape[1] != 1 or filters.numel() < 1:
        expected = "shape (filter_length, 1, channels), none empty"
        raise LeafError(owner, "filters", expected, tuple(filters.shape), "reshape the filters")
    _checks.same_dtype(owner, inputs, filters)


def check_has_spectrum(owner: str, inputs: Tensor) -> None:
    """Refuses a single sample, whose spectrum has no inverse."""
    if inputs.shape[1] < 2:
        got = tuple(inputs.shape)
        raise LeafError(owner, "inputs", "at least 2 samples", got, "give a longer clip")


def fft_conv1d(
    inputs: Tensor, filters: Tensor, arithmetic: Arithmetic = "auto"
) -> tuple[Tensor, Tensor]:
    """Circular correlation by FFT over the next power of two, and the L1 norm of the filters' FFT.

    ``y = roll(irfft(rfft(x, N) conj(rfft(h, N))), K // 2 - 1)[:T]`` with ``N =
    upper_power_of_2(T)``. Equal to a SAME convolution away from the edges.

    Args:
        inputs: ``(batch, time, 1)``.
        filters: ``(filter_length, 1, channels)``; taps beyond ``N`` are dropped.
        arithmetic: of the transforms: ``"complex"``, ``"real"`` or ``"auto"``.

    Returns:
        ``(batch, time, channels)`` and a scalar ``sum |rfft(h, N)|``.

    Raises:
        LeafError: shapes or dtypes that do not fit, or a single sample (which has no spectrum to
            invert; the official code fails there too).

    Source: convolution.py, lines 33-66.
    """
    _check("fft_conv1d", inputs, filters)
    check_arithmetic("fft_conv1d", arithmetic)
    check_has_spectrum("fft_conv1d", inputs)
    length, taps = inputs.shape[1], filters.shape[0]
    size = upper_power_of_2(length)
    x, h = inputs.transpose(1, 2), filters.permute(1, 2, 0)
    if uses_complex(arithmetic, inputs.device) and x.shape[0] > 0:  # MKL fails on no clips
        spectrum = torch.fft.rfft(x, n=size)
        response = torch.fft.rfft(h, n=size)
        result, norm = (
            torch.fft.irfft(spectrum * response.conj()),
            fourier.absolute(response).sum(),
        )
    else:
        result, norm = _circular(x, h, size)
    result = result.transpose(1, 2)
    return torch.roll(result, taps // 2 - 1, dims=1)[:, :length], norm


def _circular(x: Tensor, h: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """``irfft(rfft(x) conj(rfft(h)))`` and ``sum |rfft(h)|`` in real arithmetic."""
    response = fourier.rfft(h, size)
    product = fourier.times_conjugate(fourier.rfft(x, size), response)
    return fourier.irfft(product), fourier.magnitude(response).sum()


def spectrum_norm(filters: Tensor, size: int, arithmetic: Arithmetic) -> Tensor:
    """``sum |rfft(h, N)|`` of filters ``(filter_length, ...)``."""
    if uses_complex(arithmetic, filters.device):
        return fourier.absolute(torch.fft.rfft(filters, n=size, dim=0)).sum()
    return fourier.magnitude(fourier.rfft(filters.movedim(0, -1), size)).sum()


def overlap_add_conv1d(
    inputs: Tensor, filters: Tensor, fft_length: int = 4096, arithmetic: Arithmetic = "auto"
) -> Tensor:
    """Correlation by FFT over segments that are overlapped and added.

    Args:
        inputs: ``(batch, time, 1)``.
        filters: ``(filter_length, 1, channels)``, no longer than ``fft_length``.
        fft_length: size of the transform, in samples. An odd one loses the last sample of every
            segment before they are added, as in the official code: its inverse is not told the
            size.
        arithmetic: of the transforms: ``"complex"``, ``"real"`` or ``"auto"``.

    Returns:
        ``(batch, time, channels)``.

    Raises:
        LeafError: shapes or dtypes that do not fit, filters of more than ``fft_length`` taps, or a
            clip of whole segments of an odd ``fft_length`` and one tap (the official code fails).

    Source: convolution.py, lines 69-106.
    """
    owner = "overlap_add_conv1d"
    _check(owner, inputs, filters)
    check_arithmetic(owner, arithmetic)
    length, taps = inputs.shape[1], filters.shape[0]
    overlap = taps - 1
    segment = fft_length - overlap
    if segment < 1 or fft_length < 2:
        expected = f"at least {max(taps, 2)}, the taps of the filters"
        raise LeafError(owner, "fft_length", expected, fft_length, "give a longer transform")
    if taps == 1 and fft_length % 2 and length % fft_length == 0:
        expected = "an even number, or more than one tap: the last sample is lost"
        raise LeafError(owner, "fft_length", expected, fft_length, "give an even transform")
    segments = (length + segment - 1) // segment  # ONNX divides negative numbers towards zero
    padded = F.pad(inputs.transpose(1, 2), (0, segments * segment - length))
    framed = F.pad(padded.unflatten(-1, (segments, segment)), (overlap // 2, overlap // 2))
    h = filters.permute(1, 2, 0)
    if uses_complex(arithmetic, inputs.device) and framed.shape[0] > 0:  # as above
        response = torch.fft.rfft(h, n=fft_length).unsqueeze(2)
        product = torch.fft.rfft(framed, n=fft_length) * response.conj()
        result = torch.fft.irfft(product)
    else:
        result, _ = _circular(framed, h.unsqueeze(2), fft_length)
    result = torch.roll(result, taps // 2 - 1, dims=-1)
    joined = _overlap_and_add(result, segment).transpose(1, 2)[:, :length]
    return torch.roll(joined, 1 - taps // 2, dims=1)


def _overlap_and_add(frames: Tensor, step: int) -> Tensor:
    """``tf.signal.overlap_and_add``: ``(..., n, size)`` to ``(..., (n - 1) step + size)``."""
    *outer, count, size = frames.shape
    length = (count - 1) * step + size
    if lacks(frames.device, "frames"):
        at = positions(count, size, step, frames.device).flatten()
        return frames.new_zeros(*outer, length).index_add(-1, at, frames.flatten(-2))
    columns = frames.reshape(-1, count, size).mT
    folded = F.fold(columns, output_size=(1, length), kernel_size=(1, size), stride=(1, step))
    return folded.reshape(*outer, length)


def positions(count: int, size: int, step: int, device: torch.device) -> Tensor:
    """Where the samples of overlapping frames stand in the signal: ``(count, size)``."""
    starts = torch.arange(count, device=device) * step
    return starts.unsqueeze(1) + torch.arange(size, device=device)
