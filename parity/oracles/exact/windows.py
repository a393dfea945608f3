"""Windows, each value correctly rounded from 30 digits.

``1 - cos`` loses half the digits of float64 near a window's ends, and the functions of
leaf_audio/utils.py answer in float64: float64 itself is the question, so mpmath answers it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import mpmath
import numpy as np

from parity.oracles.exact.types import Array

DIGITS = 30


def _window(formula: Callable[[int], mpmath.mpf], size: int) -> Array:
    with mpmath.workdps(DIGITS):
        return np.array([float(formula(n)) for n in range(size)], np.float64)


@lru_cache(maxsize=64)
def hamming(tmax: int) -> Array:
    """``0.54 - 0.46 cos(2 pi n / tmax)``: (tmax,). Source: utils.py, lines 77-78."""
    first, second = mpmath.mpf(54) / 100, mpmath.mpf(46) / 100
    return _window(lambda n: first - second * mpmath.cospi(mpmath.mpf(2 * n) / tmax), tmax)


def _hanning(n: int, tmax: int) -> mpmath.mpf:
    """``sin(pi (n - 1) / (tmax - 1))^2``, which is ``(1 - cos(2 pi (n - 1) / (tmax - 1))) / 2``."""
    return mpmath.sinpi(mpmath.mpf(n - 1) / (tmax - 1)) ** 2


@lru_cache(maxsize=64)
def hanning(tmax: int) -> Array:
    """``(1 - cos(2 pi (n - 1) / (tmax - 1))) / 2``: (tmax,). Source: utils.py, lines 74-75."""
    return _window(lambda n: _hanning(n, tmax), tmax)


@lru_cache(maxsize=64)
def squared_hanning(tmax: int) -> Array:
    """The square of :func:`hanning`: (tmax,). Source: utils.py, lines 82-83."""
    return _window(lambda n: _hanning(n, tmax) ** 2, tmax)


@lru_cache(maxsize=64)
def periodic_hann(size: int) -> Array:
    """``tf.signal.hann_window(size)``: ``(1 - cos(2 pi n / N)) / 2`` with N the even of size, size
    - 1: (size,).

    Source: tensorflow/python/ops/signal/window_ops.py, ``_raised_cosine_window``.
    """
    if size == 1:
        return np.ones(1)
    period = size - size % 2
    return _window(lambda n: mpmath.sinpi(mpmath.mpf(n) / period) ** 2, size)


BY_NAME = {"HAMMING": hamming, "HANNING": hanning, "SQUARED_HANNING": squared_hanning}
