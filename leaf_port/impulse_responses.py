"""Impulse responses of the filters, as pure functions (leaf_audio/impulse_responses.py).

The operations stand in the order of the official code: at a phase of 600 radians another order of
the same float32 products moves a tap by 3e-5 of its envelope.

Taps below ``1e-30`` are zero. Float32 has its denormals below ``1.2e-38``, and they slow a
convolution three- to tenfold; nothing that small reaches an output.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from leaf_port import _checks
from leaf_port._ops import fourier
from leaf_port._ops.clip import clip_by_value
from leaf_port.errors import LeafError

# A tap below this is zero: above the denormals of its dtype, below anything that reaches an output.
_SMALLEST_TAP = {torch.float32: 1e-30, torch.float64: 1e-300}


def amplitude(filters: Tensor, i: int) -> Tensor:
    """Magnitude of the spectrum of one filter, 0 Hz in the middle: ``|fftshift(fft(h_i))|``.

    Args:
        filters: ``(size, filters)``, complex; or ``(size, filters, 2)``, real: without complex
            numbers, as :func:`gabor_filters_real` gives them (with the first two axes swapped).
        i: which filter.

    Returns:
        ``(size,)``, real.

    Source: impulse_responses.py, lines 22-23.
    """
    is_tensor = isinstance(filters, Tensor)
    if not is_tensor or filters.ndim != 3 - filters.is_complex() or filters.shape[2:] not in _PAIRS:
        got = tuple(filters.shape) if is_tensor else type(filters).__name__
        fix = "transpose gabor_filters: filters.T"
        raise LeafError("amplitude", "filters", "a complex tensor (size, filters)", got, fix)
    whole = isinstance(i, (int, np.integer)) and not isinstance(i, bool)
    if not whole or not 0 <= i < filters.shape[1]:
        expected = f"0 to {filters.shape[1] - 1}"
        raise LeafError("amplitude", "i", expected, i, "give the index of a filter")
    if filters.is_complex():
        return fourier.absolute(torch.fft.fftshift(torch.fft.fft(filters[:, i])))
    real, imaginary = filters[:, i].unbind(-1)
    return torch.roll(fourier.magnitude(fourier.fft((real, imaginary))), filters.shape[0] // 2)


_PAIRS = ((), (2,))  # the axes behind (size, filters): none, or real and imaginary part


def _check_gabor(t: Tensor, center: Tensor, fwhm: Tensor) -> None:
    owner = "gabor_impulse_response"
    _checks.shaped(owner, t, (None,), "(size,)", "t")
    _checks.shaped(owner, center, (None,), "(filters,)", "center")
    _checks.shaped(owner, fwhm, (center.shape[0],), "(filters,)", "fwhm")


def _without_denormals(taps: Tensor) -> Tensor:
    """The taps, zero below the smallest; their gradient passes.

    It must: at a centre frequency of 0 all imaginary taps are zero, and their gradient is not.
    """
    smallest = taps.new_full((), _SMALLEST_TAP[taps.dtype])  # see leaf_port/_ops/clip.py, _like
    tiny = taps.abs() < smallest
    return torch.where(tiny, taps - taps.detach(), taps)


def _gabor_envelope(t: Tensor, fwhm: Tensor) -> tuple[Tensor, Tensor]:
    """``1 / (sqrt(2 pi) fwhm)``: (filters, 1); ``exp(-t^2 / (2 fwhm^2))``: (filters, size)."""
    two_pi = torch.full((), 2.0 * math.pi, dtype=fwhm.dtype, device=fwhm.device)
    scale = (1.0 / (torch.sqrt(two_pi) * fwhm))[:, None]
    gaussian = torch.exp((1.0 / (2.0 * fwhm**2))[:, None] * -(t**2))
    return scale, gaussian


def gabor_impulse_response(t: Tensor, center: Tensor, fwhm: Tensor) -> Tensor:
    """Gabor wavelets in complex arithmetic.

    ``h(t) = exp(i center t) exp(-t^2 / (2 fwhm^2)) / (sqrt(2 pi) fwhm)``; equation 2 of
    https://arxiv.org/abs/2101.08596. The official name ``fwhm`` is kept; what it holds is the
    standard deviation of the envelope.

    Args:
        t: ``(size,)``, time in samples.
        center: ``(filters,)``, centre frequencies in radians per sample.
        fwhm: ``(filters,)``, standard deviations of the envelope in samples.

    Returns:
        ``(filters, size)``, complex64 for float32 arguments, complex128 for float64.

    Source: impulse_responses.py, lines 26-37.
    """
    _check_gabor(t, center, fwhm)
    complex_dtype = torch.complex64 if t.dtype == torch.float32 else torch.complex128
    phase = center.to(complex_dtype)[:, None] * t.to(complex_dtype)
    scale, gaussian = _gabor_envelope(t, fwhm)
    taps = scale * torch.exp(1j * phase) * gaussian
    return torch.view_as_complex(_without_denormals(torch.view_as_real(taps)))


def gabor_impulse_response_real(t: Tensor, center: Tensor, fwhm: Tensor) -> Tensor:
    """:func:`gabor_impulse_response` without complex numbers.

    For accelerators without complex types. ``exp(i phase) = cos(phase) + i sin(phase)``.

    Returns:
        ``(filters, size, 2)``: real part, imaginary part, as ``torch.view_as_real`` lays them out.
    """
    _check_gabor(t, center, fwhm)
    phase = center[:, None] * t
    sinusoid = torch.stack([torch.cos(phase), torch.sin(phase)], dim=-1)
    scale, gaussian = _gabor_envelope(t, fwhm)
    return _without_denormals(scale[..., None] * sinusoid * gaussian[..., None])


def _gabor_time(kernel: Tensor, size: int) -> Tensor:
    _checks.shaped("gabor_filters", kernel, (None, 2), "(filters, 2)", "kernel")
    _checks.at_least("gabor_filters", "size", size)
    return torch.arange(-(size // 2), (size + 1) // 2, dtype=kernel.dtype, device=kernel.device)


def gabor_filters(kernel: Tensor, size: int = 401) -> Tensor:
    """Gabor filters of ``size`` taps, in complex arithmetic.

    Args:
        kernel: ``(filters, 2)``: centre frequency in radians per sample, standard deviation in
            samples.
        size: number of taps, centred on tap ``size // 2``.

    Returns:
        ``(filters, size)``, complex.

    Source: impulse_responses.py, lines 40-52.
    """
    return gabor_impulse_response(_gabor_time(kernel, size), kernel[:, 0], kernel[:, 1])


def gabor_filters_real(kernel: Tensor, size: int = 401) -> Tensor:
    """:func:`gabor_filters` without complex numbers: ``(filters, size, 2)``."""
    return gabor_impulse_response_real(_gabor_time(kernel, size), kernel[:, 0], kernel[:, 1])


def sinc_impulse_response(t: Tensor, frequency: Tensor) -> Tensor:
    """``sin(2 pi f t) / (2 pi f t)``, undefined where ``f t`` is zero.

    Args:
        t: ``(size, 1)``, time in seconds.
        frequency: ``(1, filters)``, in Hz.

    Returns:
        ``(size, filters)``.

    Source: impulse_responses.py, lines 55-57.
    """
    _checks.shaped("sinc_impulse_response", t, (None, 1), "(size, 1)", "t")
    _checks.shaped("sinc_impulse_response", frequency, (1, None), "(1, filters)", "frequency")
    phase = 2 * math.pi * frequency * t
    return torch.sin(phase) / phase


def _ideal_lowpass(cutoff: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """``2 f sinc(2 f t)`` left of zero, at zero and right of zero: ``(size, filters)``."""
    at_left = 2 * cutoff * sinc_impulse_response(left, cutoff)
    at_right = 2 * cutoff * sinc_impulse_response(right, cutoff)
    return torch.cat([at_left, 2 * cutoff, at_right], dim=0)


def sinc_filters(
    cutoff_freq_low: Tensor, cutoff_freq_high: Tensor, size: int = 401, sample_rate: int = 16000
) -> Tensor:
    """Band-passes as differences of two ideal low-passes, each divided by its greatest tap.

    ``h(t) = 2 high sinc(2 high t) - 2 low sinc(2 low t)``; equation 5 of
    https://arxiv.org/abs/1808.00158.

    Args:
        cutoff_freq_low: ``(1, filters)``, lower cutoff frequencies in Hz.
        cutoff_freq_high: ``(1, filters)``, upper cutoff frequencies in Hz.
        size: number of taps asked for. As in the official code an even one gives ``size + 1`` taps.
        sample_rate: in Hz.

    Returns:
        ``(2 * (size // 2) + 1, filters)``.

    Source: impulse_responses.py, lines 60-101.
    """
    _checks.shaped("sinc_filters", cutoff_freq_low, (1, None), "(1, filters)", "cutoff_freq_low")
    shape = (1, cutoff_freq_low.shape[1])
    _checks.shaped("sinc_filters", cutoff_freq_high, shape, "(1, filters)", "cutoff_freq_high")
    _checks.at_least("sinc_filters", "size", size, 2)
    dtype, device = cutoff_freq_low.dtype, cutoff_freq_low.device
    half = size // 2
    left = torch.arange(-half, 0, dtype=dtype, device=device)[:, None] / sample_rate
    right = torch.arange(1, half + 1, dtype=dtype, device=device)[:, None] / sample_rate
    high_pass = _ideal_lowpass(cutoff_freq_high, left, right)
    low_pass = _ideal_lowpass(cutoff_freq_low, left, right)
    band_pass = high_pass - low_pass
    return band_pass / torch.amax(band_pass, dim=0, keepdim=True)


def gaussian_lowpass(sigma: Tensor, filter_size: int) -> Tensor:
    """Gaussian windows, centred and not normalised.

    ``g(n) = exp(-((n - (N - 1) / 2) / (sigma (N - 1) / 2))^2 / 2)`` with ``sigma`` clipped to
    ``[2 / N, 0.5]``; section 3.2 of https://arxiv.org/abs/2101.08596.

    Args:
        sigma: ``(1, 1, channels, 1)``, standard deviations in half windows.
        filter_size: ``N``, in samples.

    Returns:
        ``(1, filter_size, channels, 1)``.

    Source: impulse_responses.py, lines 104-119.
    """
    _checks.shaped("gaussian_lowpass", sigma, (1, 1, None, 1), "(1, 1, channels, 1)", "sigma")
    _checks.at_least("gaussian_lowpass", "filter_size", filter_size, 2)  # of 1 it would be 0 / 0
    sigma = clip_by_value(sigma, 2.0 / filter_size, 0.5)
    t = torch.arange(0, filter_size, dtype=sigma.dtype, device=sigma.device)
    numerator = t.reshape(1, filter_size, 1, 1) - 0.5 * (filter_size - 1)
    denominator = sigma * 0.5 * (filter_size - 1)
    taps = torch.exp(-0.5 * (numerator / denominator) ** 2)
    return _without_denormals(taps)
