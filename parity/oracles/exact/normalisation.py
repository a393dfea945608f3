"""Normalisations, as Keras and TensorFlow Addons define them."""

from __future__ import annotations

import numpy as np

from parity.oracles.exact.types import Array, Weights, mean

KERAS_EPSILON = 1e-7
MOMENTUM = 0.99  # the float64 next to it, whose complement is exact


def moments(x: Array, axis: int | tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and biased variance, with the axes kept."""
    center = mean(x, axis, keepdims=True)
    return center, mean((x - center) ** 2, axis, keepdims=True)


def _normalise(
    x: Array, center: Array, variance: Array, weights: Weights, epsilon: float, axis: int
) -> Array:
    """``(x - mean) / sqrt(variance + epsilon) gamma + beta``, scale and offset along ``axis``."""
    shape = [1] * x.ndim
    shape[axis] = -1
    gamma, beta = (weights[name].reshape(shape) for name in ("gamma", "beta"))
    return np.asarray((x - center) / np.sqrt(variance + epsilon) * gamma + beta)


def layer(x: Array, weights: Weights) -> Array:
    """Over the last axis, epsilon 1e-3. Source: keras, LayerNormalization."""
    center, variance = moments(x, -1)
    return _normalise(x, center, variance, weights, 1e-3, -1)


def instance(x: Array, weights: Weights) -> Array:
    """Over all axes between batch and channels, the last one, epsilon 1e-6. Source: tfa,
    InstanceNormalization; frontend.py, lines 187-196.
    """
    center, variance = moments(x, tuple(range(1, x.ndim - 1)))
    return _normalise(x, center, variance, weights, 1e-6, -1)


def batch(x: Array, weights: Weights, axis: int, training: bool) -> tuple[Array, dict[str, Array]]:
    """Over all axes but ``axis``, epsilon 1e-3; and the moving statistics after the call.

    ``moving = 0.99 moving + 0.01 batch``. TensorFlow's fused kernel, which takes maps of four axes
    normalised over axis 3 or 1, hands back the variance with Bessel's correction; elsewhere Keras
    keeps the biased one. Source: keras, BatchNormalization.
    """
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    shape = [1] * x.ndim
    shape[axis] = -1
    center, variance = weights["moving_mean"], weights["moving_variance"]
    state: dict[str, Array] = {}
    if training:
        center, variance = (each.reshape(-1) for each in moments(x, others))
        count = x.size // x.shape[axis]
        fused = x.ndim == 4 and axis % 4 in (1, 3)
        kept = variance * (count / max(count - 1, 1)) if fused else variance
        state["moving_mean"] = MOMENTUM * weights["moving_mean"] + (1.0 - MOMENTUM) * center
        state["moving_variance"] = MOMENTUM * weights["moving_variance"] + (1.0 - MOMENTUM) * kept
    center, variance = center.reshape(shape), variance.reshape(shape)
    return _normalise(x, center, variance, weights, 1e-3, axis), state


def unit_norm(kernel: Array) -> Array:
    """``w / (1e-7 + sqrt(sum w^2))`` over axis 0. Source: tf.keras.constraints.UnitNorm;
    convolution.py, line 231.
    """
    norm = np.sqrt(len(kernel) * mean(kernel**2, 0, keepdims=True))
    return np.asarray(kernel / (KERAS_EPSILON + norm))
