"""The two mel scales of the official code, and the triangles of tf.signal."""

from __future__ import annotations

import mpmath
import numpy as np

from parity.oracles.exact.types import Array
from parity.oracles.exact.windows import DIGITS


def hz2mel(hertz: float) -> float:
    """``2595 log10(1 + f / 700)``, correctly rounded. Source: utils.py, lines 24-35."""
    with mpmath.workdps(DIGITS):
        return float(2595 * mpmath.log10(1 + mpmath.mpf(hertz) / 700))


def mel2hz(mel: float) -> float:
    """``700 (10^(m / 2595) - 1)``, correctly rounded. Source: utils.py, lines 38-49."""
    with mpmath.workdps(DIGITS):
        return float(700 * (mpmath.power(10, mpmath.mpf(mel) / 2595) - 1))


def tensorflow_mel(hertz: Array) -> Array:
    """``1127 ln(1 + f / 700)``, any shape. Source: tensorflow/python/ops/signal/mel_ops.py."""
    return np.asarray(1127.0 * np.log1p(hertz / 700.0))


def weight_matrix(mels: int, bins: int, rate: float, low: float, high: float) -> Array:
    """Triangles that are linear in mel, none at bin 0: (bins, mels).

    With the edges ``e`` equally spaced in mel from ``low`` to ``high``, triangle ``j`` is
    ``max(0, min((m - e[j]) / (e[j+1] - e[j]), (e[j+2] - m) / (e[j+2] - e[j+1])))`` at the mel
    ``m`` of a bin. Source: mel_ops.py, ``linear_to_mel_weight_matrix``.
    """
    bottom, top = tensorflow_mel(np.array([low, high], np.float64))
    step = (top - bottom) / (mels + 1)
    edges = bottom + step * np.arange(mels + 2)
    edges[-1] = top
    mel = tensorflow_mel(np.arange(bins) * (rate / 2.0 / (bins - 1)))[:, None]
    rising = (mel - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - mel) / np.diff(edges)[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    triangles[0] = 0.0
    return triangles
