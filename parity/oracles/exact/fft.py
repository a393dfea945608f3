"""Convolutions by FFT, with the wrap-around of the official ones."""

from __future__ import annotations

import numpy as np
import scipy.fft

from parity.oracles.exact.types import Array


def power_of_2(length: int) -> int:
    """The smallest power of two that is at least ``length``. Source: convolution.py, lines
    27-30.
    """
    size = 1
    while size < length:
        size *= 2
    return size


def spectrum_norm(kernel: Array, length: int) -> Array:
    """``sum |rfft(h, N)|`` over taps and filters, a scalar. Source: convolution.py, line 58."""
    return np.asarray(np.abs(scipy.fft.rfft(kernel, power_of_2(length), axis=0)).sum())


def circular(x: Array, kernel: Array) -> Array:
    """``roll(irfft(rfft(x, N) conj(rfft(h, N))), K // 2 - 1)[:T]``: (batch, time, filters).

    Source: convolution.py, lines 33-66. Args: x (batch, time, 1); kernel (taps, 1, filters).
    """
    length, size = x.shape[1], power_of_2(x.shape[1])
    product = scipy.fft.rfft(x, size, axis=1) * scipy.fft.rfft(kernel, size, axis=0)[:, 0].conj()
    result = scipy.fft.irfft(product, size, axis=1)
    return np.roll(result, len(kernel) // 2 - 1, axis=1)[:, :length]


def overlap_add(x: Array, kernel: Array, size: int) -> Array:
    """Segments correlated one by one, laid over each other and added: (batch, time, filters).

    The inverse is not told the size, so that of an odd one is one sample shorter. Source:
    convolution.py, lines 69-106. Args: x (batch, time, 1); kernel (taps, 1, filters).
    """
    batch, length, _ = x.shape
    even = size - size % 2
    taps, shift = len(kernel), len(kernel) // 2 - 1
    step, room = size - (taps - 1), (taps - 1) // 2
    response = scipy.fft.rfft(kernel[:, 0], size, axis=0).conj()
    count = -(-length // step)
    padded = np.pad(x, [(0, 0), (0, count * step - length), (0, 0)])
    total = np.zeros((batch, (count - 1) * step + even, kernel.shape[2]))
    for start in range(0, count * step, step):
        segment = np.pad(padded[:, start : start + step], [(0, 0), (room, room), (0, 0)])
        product = scipy.fft.rfft(segment, size, axis=1) * response
        piece = np.roll(scipy.fft.irfft(product, even, axis=1), shift, axis=1)
        total[:, start : start + even] += piece
    return np.roll(total[:, :length], -shift, axis=1)


def penalty(kernel: Array, length: int, l1: float, l2: float) -> Array:
    """What a regularised FFTConv1D adds to the loss: (1,).

    ``l1 sum |rfft(h, N)| + l1 sum |h| + l2 sum h^2``. Source: convolution.py, lines 121-122, and
    tf.keras.regularizers.L1L2.
    """
    own = l1 * np.abs(kernel).sum() + l2 * np.square(kernel).sum()
    return np.asarray(l1 * spectrum_norm(kernel, length) + own).reshape(1)
