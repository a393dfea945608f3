"""Layers in the arithmetic of the package noisefloat, which rounds each result at random.

The operations are the port's, one by one and in its order. noisefloat alone decides how they round.
It knows no sum of many terms, so a convolution is added up term by term.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import noisefloat
import numpy as np
from noisefloat import NFloat

from parity.spec import Array, Question


@dataclasses.dataclass(frozen=True)
class Made:
    """What a layer's formula gives.

    Attributes:
        result: the stochastic numbers, first axis: the samples.
        least: how many times the magnitudes of one operation exceed its result, at most: our unit
            may be as many times wider than theirs.
        terms: of a sum, its roundings term by term, relative to the one that our unit counts.
    """

    result: Any
    least: Array
    terms: Array


def exactly(value: Any, samples: int) -> Any:
    """A number of float32 without a rounding of its own."""
    array = np.asarray(value, np.float64)
    return NFloat(None, _samples=np.broadcast_to(array, (samples, *array.shape)).copy())


def _view(x: Any, change: Callable[[Array], Array]) -> Any:
    """What moves or chooses and rounds nothing, applied to each sample."""
    return NFloat(None, _samples=np.stack([change(sample) for sample in x.samples]))


def squared_modulus(question: Question, samples: int) -> Made:
    """``a^2 + b^2``."""
    x = question.inputs["inputs"]
    a, b = (exactly(x[..., part::2], samples) for part in (0, 1))
    return _plain(a**2.0 + b**2.0)


def log_compression(question: Question, samples: int) -> Made:
    """``ln(x + offset)``; both terms are positive."""
    x = exactly(question.inputs["inputs"], samples)
    return _plain(noisefloat.log(x + question.case.config["offset"]))


def gaussian_lowpass(question: Question, samples: int) -> Made:
    """``exp(-((t - c) / (sigma c))^2 / 2)``."""
    taps = question.case.config["taps"]
    centre = 0.5 * (taps - 1)
    sigma = exactly(np.clip(question.inputs["sigma"].astype(float), 2.0 / taps, 0.5), samples)
    t = np.arange(taps, dtype=float).reshape(1, taps, 1, 1)
    z = (exactly(t, samples) - centre) / (sigma * 0.5 * (taps - 1))
    result = noisefloat.exp(z**2.0 * -0.5)
    with np.errstate(divide="ignore"):
        far = (t + centre) / np.abs(t - centre)
    dropped = 1.0 + 1e-27 * 2.0**24 / np.abs(result.mean)  # taps that the port drops
    least = np.maximum(far, dropped)
    return Made(result, least, np.ones(result.mean.shape))


def conv1d(question: Question, samples: int) -> Made:
    """One channel in, VALID, no bias: products, added up one after the other."""
    kernel = question.weights["kernel"].astype(float)  # (taps, 1, filters)
    x = question.inputs["inputs"].astype(float)
    taps, frames = len(kernel), x.shape[1] - len(kernel) + 1
    total, exact, squares = None, 0.0, 0.0
    magnitudes: Any = 0.0
    for k in range(taps):
        part = x[:, k : k + frames, :1]
        product = exactly(part, samples) * exactly(kernel[k], samples)
        total = product if total is None else total + product
        term = part * kernel[k]
        exact, magnitudes = exact + term, magnitudes + np.abs(term)
        squares = squares + term**2 + (exact**2 if k else 0.0)
    ours = np.sqrt(magnitudes**2 + exact**2 * taps / 3)  # parity/checks/summation.py
    return Made(total, np.ones(ours.shape), np.sqrt(squares) / ours)


def pcen(question: Question, samples: int) -> Made:
    """``(x / (floor + m)^alpha + delta)^(1 / r) - delta^(1 / r)``, ``m`` the smoothed ``x``."""
    weights = {name: value.astype(float) for name, value in question.weights.items()}
    x = exactly(question.inputs["inputs"], samples)
    alpha = exactly(np.minimum(weights["alpha"], 1.0), samples)
    delta = exactly(weights["delta"], samples)
    inverse = (1.0 / exactly(np.maximum(weights["root"], 1.0), samples)) * 1.0  # as torch does
    w = exactly(np.clip(weights["ema/smooth"], 0.0, 1.0), samples)
    smooth = _smoothed(x, w)
    gained = x / (smooth + question.case.config["floor"]) ** alpha
    first, second = (gained + delta) ** inverse, delta**inverse
    result = first - second
    with np.errstate(divide="ignore"):
        cancelled = (first.mean + second.mean) / np.abs(first.mean - second.mean)
    decay = (1.0 + w.mean) / (1.0 - w.mean)
    return Made(result, np.maximum(cancelled, decay), np.ones(result.mean.shape))


def _smoothed(x: Any, w: Any) -> Any:
    """The port's recurrence: copies shifted by 1, 2, 4 …, the decay squared each time."""
    b, power = w * x, 1.0 - w
    first = _view(b, lambda s: s[:, :1]) + power * _view(x, lambda s: s[:, :1])
    b = NFloat(None, _samples=np.concatenate([first.samples, b.samples[:, :, 1:]], axis=2))
    shift, frames = 1, x.shape[1]
    while shift < frames:
        later = _view(b, lambda s: s[:, shift:]) + _view(b, lambda s: s[:, :-shift]) * power  # noqa: B023
        b = NFloat(None, _samples=np.concatenate([b.samples[:, :, :shift], later.samples], axis=2))
        shift *= 2
        if shift < frames:
            power = power * power
    return b


def _plain(result: Any) -> Made:
    ones = np.ones(result.mean.shape)
    return Made(result, ones, ones)


LAYERS: dict[str, Callable[[Question, int], Made]] = {
    made.__name__: made
    for made in (squared_modulus, log_compression, gaussian_lowpass, conv1d, pcen)
}
