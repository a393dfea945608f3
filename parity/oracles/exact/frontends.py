"""The frontends. Source: leaf_audio/frontend.py."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.fft

from parity.oracles.exact import compression, gabor, mel, normalisation, pooling, sinc, windows
from parity.oracles.exact.convolution import conv1d, frames, with_bias
from parity.oracles.exact.last_kept import last_kept
from parity.oracles.exact.types import Array, Weights, below

Stage = Callable[[Array], Array]

SMALLEST_ENERGY = 1e-5


def samples(rate: float, milliseconds: float) -> int:
    """``int(rate ms // 1000)``. Source: lines 141-142."""
    return int(rate * milliseconds // 1000)


_filtered = last_kept(conv1d)


def _with_channel(x: Array) -> Array:
    return x if x.ndim == 3 else x[:, :, None]


def leaky_relu(x: Array) -> Array:
    """``max(x, 0.2 x)``. Source: line 278."""
    return np.maximum(x, 0.2 * x)


def frontend(
    x: Array, weights: Weights, taps: Array, activation: Stage, pool: Stage, compress: Stage
) -> Array:
    """Convolution, activation, pooling, at least 1e-5, compression: (batch, frames, filters).

    Pre-emphasis and instance normalisation are there if their weights are. Source: lines 187-219.
    Args: x (batch, samples[, 1]); taps (size, 1, channels).
    """
    x = _with_channel(x)
    if "_preemp_conv/kernel" in weights:
        x = conv1d(x, weights["_preemp_conv/kernel"])
    energies = pool(activation(_filtered(x, taps)))
    outputs = compress(np.maximum(energies, SMALLEST_ENERGY))
    norm = below(weights, "_instance_norm/")
    return normalisation.instance(outputs, norm) if norm else outputs


def gaussian_pooling(weights: Weights, size: int, stride: int, padding: str = "SAME") -> Stage:
    """The pooling of LEAF and SincNet+; with the bias of other ports if there is such a weight."""
    sigma, bias = weights["_pooling/kernel"], weights.get("_pooling/bias")
    return lambda y: with_bias(pooling.gaussian_lowpass(y, sigma, size, stride, padding), bias)


def leaf_compression(weights: Weights, log_offset: float | None, floor: float) -> Stage:
    """PCEN where there are its weights, a logarithm where there is an offset."""
    own = below(weights, "_compress_fn/")
    if own:
        return lambda y: compression.pcen(y, own, floor)
    if log_offset is not None:
        return lambda y: compression.logarithm(y, log_offset)
    return lambda y: y


def leaf(
    x: Array,
    weights: Weights,
    *,
    rate: float = 16000,
    window: float = 25.0,
    stride: float = 10.0,
    normalized: bool = False,
    channel_wise: bool = False,
    log_offset: float | None = None,
    pooling_padding: str = "SAME",
    pcen_floor: float = 1e-12,
) -> Array:
    """LEAF, by the weights it has: (batch, frames, filters). Source: lines 80-219.

    Args:
        x: (batch, samples) or (batch, samples, 1).
        weights: by official path.
        rate: in Hz.
        window: in ms.
        stride: in ms.
        normalized: whether the filters are NormalizedConv1D's taps; else they are Gabor's
            parameters (filters, 2), or plain taps (size, 1, 2 filters).
        channel_wise: whether the pooling is ChannelWiseLearnablePooling1D.
        log_offset: of a logarithm in the place of PCEN.
        pooling_padding: "SYMMETRIC" in other ports.
        pcen_floor: added to PCEN's average.
    """
    size, hop = samples(rate, window) + 1, samples(rate, stride)
    kernel = weights["_complex_conv/kernel"]
    taps = gabor.taps(kernel, size) if kernel.ndim == 2 else kernel
    if normalized:
        taps = normalisation.unit_norm(kernel)
    pool = gaussian_pooling(weights, size, hop, pooling_padding)
    if channel_wise:
        kernels = weights["_pooling/kernel"]

        def pool(y: Array) -> Array:
            return pooling.channel_wise(y, kernels, hop, "SAME")

    compress = leaf_compression(weights, log_offset, pcen_floor)
    return frontend(x, weights, taps, compression.squared_modulus, pool, compress)


def time_domain_filterbanks(x: Array, weights: Weights, stride: float = 10.0) -> Array:
    """Free taps, one VALID window at 16 kHz, logarithm: (batch, frames, filters). Source: lines
    222-256.
    """
    kernel = weights["_pooling/pool/kernel"]
    return frontend(
        x,
        weights,
        weights["_complex_conv/kernel"],
        compression.squared_modulus,
        lambda y: pooling.learnable(y, kernel, samples(16000, stride)),
        lambda y: compression.logarithm(y, 1e-5),
    )


def sincnet(
    x: Array, weights: Weights, rate: float, window: float = 25.0, stride: float = 10.0
) -> Array:
    """Sinc filters at 16 kHz, LeakyReLU, maximum, layer normalisation. Source: lines 259-282."""
    size, hop = samples(rate, window) + 1, samples(rate, stride)
    return frontend(
        x,
        weights,
        sinc.taps(weights["_complex_conv/kernel"], size),
        leaky_relu,
        lambda y: pooling.maximum(y, size, hop, "SAME"),
        lambda y: normalisation.layer(y, below(weights, "_compress_fn/")),
    )


def sincnet_plus(
    x: Array, weights: Weights, rate: float, window: float = 25.0, stride: float = 10.0
) -> Array:
    """Sinc filters at 16 kHz, LeakyReLU, Gaussian lowpass, PCEN(floor 1e-6). Source: lines
    285-312.
    """
    size, hop = samples(rate, window) + 1, samples(rate, stride)
    return frontend(
        x,
        weights,
        sinc.taps(weights["_complex_conv/kernel"], size),
        leaky_relu,
        gaussian_pooling(weights, size, hop),
        lambda y: compression.pcen(y, below(weights, "_compress_fn/"), 1e-6),
    )


def mel_filterbanks(
    x: Array,
    *,
    n_filters: int,
    sample_rate: float,
    n_fft: int,
    window_len: float,
    window_stride: float,
    min_freq: float,
    max_freq: float,
    log_offset: float | None = 1e-5,
) -> Array:
    """Hann window, power spectrum, mel triangles, logarithm: (batch, ceil(T / hop), filters).

    Frames start at every hop; the end is filled with zeros; a window longer than the transform is
    cut to it. ``max_freq`` 0 is Nyquist; without a ``log_offset`` there is no logarithm.
    Source: lines 315-364; tf.signal.stft.
    """
    size, hop = samples(sample_rate, window_len) + 1, samples(sample_rate, window_stride)
    clip = x if x.ndim == 2 else x[:, :, 0]
    count = math.ceil(clip.shape[1] / hop)
    clip = np.pad(clip, [(0, 0), (0, max((count - 1) * hop + size - clip.shape[1], 0))])
    framed = frames(clip, size, hop)[:, :count] * windows.periodic_hann(size)
    power = np.abs(scipy.fft.rfft(framed, n_fft)) ** 2
    high = max_freq or sample_rate / 2.0
    matrix = mel.weight_matrix(n_filters, n_fft // 2 + 1, sample_rate, min_freq, high)
    energies = np.asarray(power @ matrix)
    return energies if log_offset is None else compression.logarithm(energies, log_offset)
