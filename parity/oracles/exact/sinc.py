"""Sinc band-passes."""

from __future__ import annotations

import math

import numpy as np

from parity.oracles.exact import windows
from parity.oracles.exact.types import Array, clip

FILTER_RATE = 16000.0  # sinc_filters' default: SincConv1D does not hand its own rate on


def impulse_response(t: Array, frequency: Array) -> Array:
    """``sin(2 pi f t) / (2 pi f t)``: (size, filters) of (size, 1) s and (1, filters) Hz.

    Source: impulse_responses.py, lines 55-57.
    """
    phase = 2.0 * math.pi * frequency * t
    return np.asarray(np.sin(phase) / phase)


def _lowpass(cutoff: Array, n: Array, rate: float) -> Array:
    """``2 f sinc(2 f t)`` at ``t = n / rate``, 2 f at zero: (size, filters)."""
    safe = np.where(n == 0, 1.0, n) / rate
    return np.where(n == 0, 2.0 * cutoff, 2.0 * cutoff * impulse_response(safe, cutoff))


def filters(low: Array, high: Array, size: int, rate: float = FILTER_RATE) -> Array:
    """Difference of two low-passes over its greatest tap: (2 (size // 2) + 1, filters).

    Equation 5 of https://arxiv.org/abs/1808.00158; impulse_responses.py, lines 60-101.

    Args:
        low: (1, filters), lower edges in Hz.
        high: (1, filters), upper edges in Hz.
        size: taps asked for; an even number gives one more.
        rate: in Hz.
    """
    n = np.arange(-(size // 2), size // 2 + 1, dtype=np.float64)[:, None]
    band = _lowpass(high, n, rate) - _lowpass(low, n, rate)
    return np.asarray(band / band.max(axis=0, keepdims=True))


def taps(kernel: Array, size: int, rate: float = FILTER_RATE) -> Array:
    """The filters of SincConv1D under their Hamming window: (size, 1, filters).

    ``low = 50 + |k0|``, ``high = clip(low + 50 + |k1|, 50, rate / 2)``. Source: convolution.py,
    lines 288-299.

    Args:
        kernel: (filters, 2), in Hz.
        size: taps, odd.
        rate: bounds the upper edge; the filters are at 16 kHz whatever it says.
    """
    low = 50.0 + np.abs(kernel[:, 0])
    high = clip(low + 50.0 + np.abs(kernel[:, 1]), 50.0, rate / 2.0)
    band = filters(low[None], high[None], size) * windows.hamming(size)[:, None]
    return band[:, None, :]
