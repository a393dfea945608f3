"""Poolings over time and over maps."""

from __future__ import annotations

import numpy as np

from parity.oracles.exact import gaussian
from parity.oracles.exact.convolution import depthwise, frames, padded, same_padding
from parity.oracles.exact.types import Array


def gaussian_lowpass(x: Array, sigma: Array, taps: int, stride: int, padding: str) -> Array:
    """A Gaussian window for each channel of (batch, time, channels). Source: pooling.py, lines
    109-155.
    """
    return depthwise(x, gaussian.lowpass(sigma, taps)[0, :, :, 0], stride, padding)


def learnable(x: Array, kernel: Array, stride: int) -> Array:
    """One window, (1, taps, 1, 1), for all channels, never padded. Source: pooling.py, lines
    24-64.
    """
    windows = np.repeat(kernel[0, :, :, 0], x.shape[2], axis=1)
    return depthwise(x, windows, stride, "VALID")


def channel_wise(x: Array, kernel: Array, stride: int, padding: str) -> Array:
    """A window for each channel, (taps, 1, channels). Source: pooling.py, lines 67-106."""
    return depthwise(x, kernel[:, 0, :], stride, padding)


def maximum(x: Array, taps: int, stride: int, padding: str) -> Array:
    """Greatest value of a window of (batch, time, channels). Source: pooling.py, lines 158-172."""
    return np.asarray(frames(x, taps, stride, padding, value=-np.inf).max(axis=-1))


def maximum_2d(x: Array) -> Array:
    """Greatest of 2 x 2, what does not fill a window dropped. Source: models.py, line 90."""
    batch, height, width, channels = x.shape
    cut = x[:, : height // 2 * 2, : width // 2 * 2]
    shape = (batch, height // 2, 2, width // 2, 2, channels)
    return np.asarray(cut.reshape(shape).max(axis=(2, 4)))


def average_2d(x: Array, window: tuple[int, int]) -> Array:
    """Mean of windows laid end to end under SAME padding, of what is not padding: a map.

    Source: models.py, lines 156-158 (tf.keras.layers.AvgPool2D).
    """
    pads = [same_padding(n, w, w) for n, w in zip(x.shape[1:3], window, strict=True)]
    (rows, columns) = window

    def sums(values: Array) -> Array:
        around = padded(values, [(0, 0), *pads, (0, 0)])
        batch, height, width, channels = around.shape
        shape = (batch, height // rows, rows, width // columns, columns, channels)
        return np.asarray(around.reshape(shape).sum(axis=(2, 4)))

    return np.asarray(sums(x) / sums(np.ones_like(x)))
