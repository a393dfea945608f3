"""Gaussian windows."""

from __future__ import annotations

import numpy as np

from parity.oracles.exact.types import Array, clip


def lowpass(sigma: Array, size: int) -> Array:
    """``exp(-((n - (N - 1) / 2) / (s (N - 1) / 2))^2 / 2)``, ``s = clip(sigma, 2 / N, 0.5)``.

    Section 3.2 of https://arxiv.org/abs/2101.08596; impulse_responses.py, lines 104-119.

    Args:
        sigma: (1, 1, channels, 1), in half windows.
        size: N.

    Returns:
        (1, size, channels, 1).
    """
    clipped = clip(sigma.reshape(-1), 2.0 / size, 0.5)
    half = 0.5 * (size - 1)
    n = np.arange(size, dtype=np.float64)[:, None]
    return np.exp(-0.5 * ((n - half) / (clipped * half)) ** 2)[None, :, :, None]
