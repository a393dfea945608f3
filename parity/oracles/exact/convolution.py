"""Convolutions and windows under TensorFlow's SAME and VALID padding, as plain dot products.

Never by FFT: its error follows the loudest sample of the clip, and would drown a quiet one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from parity.oracles.exact.types import Array

AT_ONCE = 256  # windows


def same_padding(length: int, taps: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Samples before and after: ``max((ceil(T / s) - 1) s + (K - 1) d + 1 - T, 0)``, less of it
    first.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2.
    """
    frames = -(-length // stride)
    total = max((frames - 1) * stride + (taps - 1) * dilation + 1 - length, 0)
    return total // 2, total - total // 2


def padded(x: Array, around: Sequence[tuple[int, int]], value: float = 0.0) -> Array:
    """``np.pad`` with a constant, which takes ten times as long for small arrays."""
    axes = list(zip(around, x.shape, strict=True))
    made = np.full([before + length + after for (before, after), length in axes], value, x.dtype)
    made[tuple(slice(before, before + length) for (before, _), length in axes)] = x
    return made


def frames(
    x: Array,
    taps: int,
    stride: int = 1,
    padding: str = "VALID",
    dilation: int = 1,
    value: float = 0.0,
) -> Array:
    """Windows over axis 1 of (batch, time, ...): (batch, frames, ..., taps).

    ``"SYMMETRIC"`` is no official padding: ``(taps - 1) // 2`` before and ``taps // 2`` after.
    """
    if padding.upper() != "VALID":
        around = same_padding(x.shape[1], taps, stride, dilation)
        if padding.upper() == "SYMMETRIC":
            around = (taps - 1) // 2, taps // 2
        rest = [(0, 0)] * (x.ndim - 2)
        x = padded(x, [(0, 0), around, *rest], value)
    extent = (taps - 1) * dilation + 1
    return sliding_window_view(x, extent, axis=1)[:, ::stride, ..., ::dilation]


def conv1d(
    x: Array, kernel: Array, stride: int = 1, padding: str = "SAME", dilation: int = 1
) -> Array:
    """``y[b, n, f] = sum_k,c x[b, n s + k d - left, c] h[k, c, f]``: (batch, frames, filters).

    ``tf.nn.conv1d``. Args: x (batch, time, channels); kernel (taps, channels, filters).
    """
    taps, channels, count = kernel.shape
    windows = frames(x, taps, stride, padding, dilation)
    flat = kernel.transpose(1, 0, 2).reshape(channels * taps, count)
    out = np.empty((*windows.shape[:2], count), np.result_type(x, kernel))
    for clip, answers in zip(windows, out, strict=True):
        for at in range(0, len(clip), AT_ONCE):  # written out, these stay in the cache
            some = clip[at : at + AT_ONCE]
            answers[at : at + AT_ONCE] = some.reshape(len(some), -1) @ flat
    return out


def depthwise(x: Array, windows: Array, stride: int, padding: str) -> Array:
    """Each channel with its own taps: (batch, frames, channels).

    Args: x (batch, time, channels); windows (taps, channels).
    """
    framed = frames(x, len(windows), stride, padding)
    return np.einsum("bnck,kc->bnc", framed, windows)


def conv2d(x: Array, kernel: Array) -> Array:
    """``tf.nn.conv2d`` with stride 1 and SAME padding: (batch, height, width, filters).

    Args: x (batch, height, width, channels); kernel (rows, columns, channels, filters).
    """
    rows, columns, channels, count = kernel.shape
    pads = [same_padding(x.shape[1], rows), same_padding(x.shape[2], columns)]
    around = padded(x, [(0, 0), *pads, (0, 0)])
    windows = sliding_window_view(around, (rows, columns), axis=(1, 2))
    flat = windows.reshape(-1, channels * rows * columns)
    out = flat @ kernel.transpose(2, 0, 1, 3).reshape(-1, count)
    return np.asarray(out.reshape(*x.shape[:3], count))


def with_bias(outputs: Array, bias: Array | None) -> Array:
    """``outputs + bias``, over the last axis."""
    return outputs if bias is None else outputs + bias
