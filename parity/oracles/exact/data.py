"""Preparation of clips. Source: example/data.py."""

from __future__ import annotations

import numpy as np

from parity.oracles.exact.types import Array, mean


def from_int16(x: Array) -> Array:
    """``x / 32767``. Source: line 65."""
    return np.asarray(x / 32767.0)


def decibels(value: float) -> float:
    """``10^(dB / 20)``. Source: lines 29-30."""
    return float(10.0 ** (value / 20.0))


def loudness(x: Array, target: float, greatest: float = 30.0) -> Array:
    """``min(10^(greatest / 20), 10^(target / 20) / (std + 1e-9)) x``: (samples,). Source: lines
    33-40.
    """
    deviation = np.sqrt(mean((x - mean(x, 0)) ** 2, 0)) + 1e-9
    return np.asarray(np.minimum(decibels(greatest), decibels(target) / deviation) * x)


def align(x: Array, length: int, draw: int) -> Array:
    """Zeros after a short clip; of a long one the crop at ``draw`` modulo the places: (length,).

    Source: lines 43-46; tensorflow/python/ops/random_crop_ops.py.
    """
    padded = np.pad(x, (0, max(length - len(x), 0)))
    start = draw % (len(padded) - length + 1)
    return padded[start : start + length]
