"""Activations by Keras' names. Source: keras/src/activations.py, tf.nn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import scipy.special as special

from parity.oracles.exact.types import Array, clip

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def _elu(x: Array, alpha: float = 1.0) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _softplus(x: Array) -> Array:
    """``ln(1 + e^x)``."""
    return np.asarray(np.logaddexp(0.0, x))


def _silu(x: Array) -> Array:
    """``x / (1 + e^-x)``."""
    return np.asarray(x * special.expit(x))


_FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: clip(x, 0.0, 6.0),
    "elu": _elu,
    "selu": lambda x: np.asarray(_SELU_SCALE * _elu(x, _SELU_ALPHA)),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "gelu": lambda x: np.asarray(x * special.ndtr(x)),
    "mish": lambda x: np.asarray(x * np.tanh(_softplus(x))),
    "silu": _silu,
    "swish": _silu,
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softsign": lambda x: np.asarray(x / (1.0 + np.abs(x))),
    "softplus": _softplus,
    "softmax": lambda x: special.softmax(x, axis=-1),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
    "exponential": np.exp,
    "hard_sigmoid": lambda x: clip(0.2 * x + 0.5, 0.0, 1.0),
}


def activation(name: str, x: Array) -> Array:
    """The function of that name of ``x`` (..., channels): as ``x``."""
    return np.asarray(_FUNCTIONS[name](x))
