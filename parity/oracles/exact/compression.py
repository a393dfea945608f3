"""Compression of energies: logarithm, exponential moving average, PCEN, squared modulus."""

from __future__ import annotations

import numpy as np

from parity.oracles.exact.types import Array, Weights, below, clip


def logarithm(x: Array, offset: float) -> Array:
    """``ln(x + offset)``. Source: frontend.py, lines 43-47."""
    return np.log(x + offset)


def squared_modulus(x: Array) -> Array:
    """``re^2 + im^2`` of channels that alternate: (batch, time, channels / 2). Source: frontend.py,
    lines 50-77.
    """
    return np.asarray(x[..., 0::2] ** 2 + x[..., 1::2] ** 2)


def moving_average(x: Array, smooth: Array, state: Array) -> Array:
    """``m[t] = w x[t] + (1 - w) m[t - 1]``, ``w = clip(smooth, 0, 1)``: as ``x``.

    Source: postprocessing.py, lines 27-65. Args: x (batch, time, channels); smooth (channels,) or
    (1,); state (batch, channels).
    """
    w = clip(smooth, 0.0, 1.0)
    made = np.empty_like(x)
    for t in range(x.shape[1]):
        state = w * x[:, t] + (1.0 - w) * state
        made[:, t] = state
    return made


def fixed_average(x: Array, kernel: Array, recurrent: Array, state: Array) -> Array:
    """``m[t] = x[t] K + m[t - 1] R``: as ``x``. Keras' SimpleRNN, postprocessing.py, lines
    141-152.
    """
    made = np.empty_like(x)
    for t in range(x.shape[1]):
        state = x[:, t] @ kernel + state @ recurrent
        made[:, t] = state
    return made


def pcen(x: Array, weights: Weights, floor: float) -> Array:
    """``(x / (floor + m)^min(alpha, 1) + delta)^(1 / r) - delta^(1 / r)``, ``r = max(root, 1)``.

    ``m`` is the moving average of ``x`` from its first frame. Equation 1 of
    https://arxiv.org/abs/1607.05666; postprocessing.py, lines 68-164.

    Args:
        x: (batch, time, channels).
        weights: ``alpha, delta, root`` (channels,) and ``ema/...``.
        floor: added to the average.
    """
    ema = below(weights, "ema/")
    if "smooth" in ema:
        average = moving_average(x, ema["smooth"], x[:, 0])
    else:
        average = fixed_average(x, ema["cell/kernel"], ema["cell/recurrent_kernel"], x[:, 0])
    power, delta = 1.0 / np.maximum(weights["root"], 1.0), weights["delta"]
    gained = x / (floor + average) ** np.minimum(weights["alpha"], 1.0)
    with np.errstate(invalid="ignore"):  # a negative delta: NaN, as there
        return np.asarray((gained + delta) ** power - delta**power)
