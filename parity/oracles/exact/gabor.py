"""Gabor wavelets, their bounds, and the ones that match mel filters."""

from __future__ import annotations

import math

import numpy as np

from parity.oracles.exact import mel
from parity.oracles.exact.types import Array, clip

N_FFT = 512  # melfilters.Gabor's default, which nobody changes


def impulse_response(t: Array, center: Array, fwhm: Array) -> Array:
    """``exp(i center t) exp(-t^2 / (2 fwhm^2)) / (sqrt(2 pi) fwhm)``: (filters, size), complex.

    Equation 2 of https://arxiv.org/abs/2101.08596; impulse_responses.py, lines 26-37.

    Args:
        t: (size,), in samples.
        center: (filters,), radians a sample.
        fwhm: (filters,), the deviation of the envelope in samples, whatever its name says.
    """
    envelope = np.exp(-0.5 * (t / fwhm[:, None]) ** 2) / (math.sqrt(2.0 * math.pi) * fwhm[:, None])
    phase = np.outer(center, t)
    return np.asarray(envelope * (np.cos(phase) + 1j * np.sin(phase)))


def time(size: int) -> Array:
    """``-(size // 2) .. (size + 1) // 2 - 1``: (size,). Source: impulse_responses.py, line 51."""
    return np.arange(-(size // 2), (size + 1) // 2, dtype=np.float64)


def filters(kernel: Array, size: int) -> Array:
    """The wavelets of a kernel (filters, 2): (filters, size), complex. Source: lines 40-52."""
    return impulse_response(time(size), kernel[:, 0], kernel[:, 1])


def amplitude(kernel: Array, size: int, index: int) -> Array:
    """``|fft|`` of one wavelet, 0 Hz in the middle: (size,). Source: lines 22-23."""
    return np.asarray(np.abs(np.fft.fftshift(np.fft.fft(filters(kernel, size)[index]))))


def constrain(kernel: Array, size: int) -> Array:
    """Centre in [0, pi], deviation in [4, size] times ``sqrt(2 ln 2) / pi``: (filters, 2).

    Source: convolution.py, lines 133-150.
    """
    unit = math.sqrt(2.0 * math.log(2.0)) / math.pi
    center = clip(kernel[:, 0], 0.0, math.pi)
    return np.stack([center, clip(kernel[:, 1], 4.0 * unit, size * unit)], axis=1)


def taps(kernel: Array, size: int, sort: bool = False) -> Array:
    """The real filters of GaborConv1D, real and imaginary parts in turn: (size, 1, 2 filters).

    Source: convolution.py, lines 187-199.
    """
    kernel = constrain(kernel, size)
    if sort:
        kernel = kernel[np.argsort(kernel[:, 0], kind="stable")]
    return alternate(filters(kernel, size))


def alternate(wavelets: Array) -> Array:
    """(filters, size), complex, as (size, 1, 2 filters): real, imaginary, real, ..."""
    parts = np.stack([wavelets.real, wavelets.imag], axis=1)
    return parts.reshape(-1, wavelets.shape[1]).T[:, None, :]


def mel_filters(count: int, low: float, high: float, rate: float, normalize: bool) -> Array:
    """The mel triangles over 257 bins: (count, 257). Source: melfilters.py, lines 85-99."""
    triangles = mel.weight_matrix(count, N_FFT // 2 + 1, rate, low, high).T
    if not normalize:
        return triangles
    with np.errstate(invalid="ignore"):  # a triangle between two bins: 0 / 0, as there
        return np.asarray(triangles / areas(triangles))


def areas(triangles: Array) -> Array:
    """``peak (bins above 0 + 2) pi / 512``: (count, 1). Source: melfilters.py, lines 78-83."""
    bins = np.sum(triangles > 0, axis=1, keepdims=True)
    return np.asarray(triangles.max(axis=1, keepdims=True) * (bins + 2) * math.pi / N_FFT)


def parameters(count: int, low: float, high: float, rate: float, normalize: bool = False) -> Array:
    """Centres and deviations of the wavelets that match mel filters: (count, 2).

    ``2 pi argmax / 512`` and ``sqrt(2 ln 2) 512 / (pi w)`` with ``w`` the number of bins where the
    root of the triangle is at least half of its peak. A triangle of zeros has its peak at bin 0 and
    is as wide as all bins; one of NaN (zeros divided by their area) is as wide as none.
    Source: melfilters.py, lines 62-76.

    Which bin is the peak, and how many are above half of it, is decided here in float64. The
    official code decides in float32; nothing declared lies so close to a tie that they differ
    (``tests/parity/test_exact_oracle.py``).
    """
    roots = np.sqrt(mel_filters(count, low, high, rate, normalize))
    centers = np.argmax(roots, axis=1)
    widths = np.sum(roots >= roots.max(axis=1, keepdims=True) / 2.0, axis=1)
    coefficient = math.sqrt(2.0 * math.log(2.0)) * N_FFT / math.pi
    with np.errstate(divide="ignore"):
        return np.stack([centers * (2.0 * math.pi / N_FFT), coefficient / widths], axis=1)


def initial_taps(
    count: int, size: int, low: float, high: float, rate: float, normalize: bool = False
) -> Array:
    """The wavelets with the energy of the mel filters: (size, 1, 2 count).

    ``sqrt(2 sqrt(pi) area deviation)`` times the wavelet. Source: melfilters.py, lines 101-109;
    initializers.py, lines 80-89.
    """
    kernel = parameters(count, low, high, rate, normalize)
    area = areas(mel_filters(count, low, high, rate, normalize))
    gain = np.sqrt(area * 2.0 * math.sqrt(math.pi) * kernel[:, 1:])
    return alternate(filters(kernel, size) * gain)
