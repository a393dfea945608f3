"""Initialisers: callables that take a shape and give the values of a parameter.

As in Keras they are handed the shape of the parameter and a dtype, so a layer takes any of them,
or any function of the user's with the same two arguments (leaf_audio/initializers.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port import _checks, melfilters, utils
from leaf_port.errors import InitialFilterWarning, LeafError

Initializer: TypeAlias = Callable[[Sequence[int], torch.dtype], Tensor]


def parameter(
    owner: str,
    initializer: Initializer,
    shape: Sequence[int],
    trainable: bool = True,
    argument: str = "kernel_initializer",
) -> nn.Parameter:
    """A parameter of ``shape`` with the initialiser's values, on the default device.

    In the default dtype, or float32 where that is half precision.

    Raises:
        LeafError: the initialiser gave another shape, or values that are not finite.
    """
    dtype = _checks.parameter_dtype()
    if torch.get_default_device().type == "meta":  # no values there, and none are computed
        values = torch.empty(tuple(shape), dtype=dtype, device="meta")
        return nn.Parameter(values, requires_grad=trainable)
    values = torch.as_tensor(initializer(tuple(shape), dtype)).to(dtype)
    if tuple(values.shape) != tuple(shape):
        fix = "make the initialiser's window or filter count the layer's"
        raise LeafError(owner, argument, f"shape {tuple(shape)}", tuple(values.shape), fix)
    values = values.to(device=torch.get_default_device(), copy=True)
    return nn.Parameter(_checks.finite_tensor(owner, argument, values), requires_grad=trainable)


class Constant:
    """All values equal ``value`` (``tf.keras.initializers.Constant``)."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = _checks.finite("Constant", "value", value)

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The value, in every place."""
        return torch.full(tuple(shape), self.value, dtype=dtype)


class Identity:
    """``gain`` on the diagonal of a matrix (``tf.keras.initializers.Identity``)."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = _checks.finite("Identity", "gain", gain)

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The matrix of ``shape``."""
        return self.gain * torch.eye(*shape, dtype=dtype)


class GlorotUniform:
    """Uniform in ``+-sqrt(6 / (fan_in + fan_out))`` (``'glorot_uniform'``), Keras' default.

    As in Keras the last two axes are input and output channels and the others the receptive field.
    Draws from torch's global generator.
    """

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A fresh draw."""
        field = math.prod(shape[:-2])
        fans = 2 * shape[0] if len(shape) == 1 else field * (shape[-2] + shape[-1])
        limit = math.sqrt(6.0 / fans)
        return torch.empty(tuple(shape), dtype=dtype).uniform_(-limit, limit)


class PreempInit:
    """Pre-emphasis ``y[n] = x[n + 1] - alpha x[n]``: taps ``(-alpha, 1)``.

    Source: initializers.py, lines 27-52. (SAME padding puts the one padded sample on the right, so
    the filter looks one sample ahead.)

    Args:
        alpha: how much the high frequencies are emphasised.

    Raises:
        LeafError: a shape other than ``(2, 1, 1)``.
    """

    def __init__(self, alpha: float = 0.97) -> None:
        self.alpha = _checks.finite("PreempInit", "alpha", alpha)

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The two taps."""
        if tuple(shape) != (2, 1, 1):
            fix = "use it for a pre-emphasis layer of one filter with two taps"
            raise LeafError("PreempInit", "shape", "(2, 1, 1)", tuple(shape), fix)
        return torch.tensor([-self.alpha, 1.0], dtype=dtype).reshape(2, 1, 1)


class GaborInit:
    """Gabor filters, or their parameters, that match mel filters.

    For a shape ``(filters, 2)`` the parameters of :class:`~leaf_port.convolution.GaborConv1d`; for
    a shape ``(taps, 1, 2 filters)`` the taps themselves, real and imaginary parts alternating.
    The number of filters and taps is the shape's. Source: initializers.py, lines 55-92.

    Args:
        sample_rate: in Hz.
        min_freq: where the lowest mel filter starts, in Hz.
        max_freq: where the highest mel filter ends, in Hz.
        n_fft: see :class:`~leaf_port.melfilters.Gabor`.
        normalize_energy: likewise.

    Raises:
        LeafError: an empty band, or one beyond Nyquist.

    Warns:
        FilterWarning: two filters have the same centre, or one is empty, as where ``n_fft`` is
            short for the sample rate or for many filters.
    """

    def __init__(
        self,
        sample_rate: float = 16000,
        min_freq: float = 0.0,
        max_freq: float = 8000.0,
        n_fft: int = 512,
        normalize_energy: bool = False,
    ) -> None:
        _checks.frequency_range("GaborInit", min_freq, max_freq, sample_rate)
        _checks.at_least("GaborInit", "n_fft", n_fft, 2)
        self.sample_rate = sample_rate
        self.min_freq = min_freq
        self.max_freq = max_freq
        self.n_fft = n_fft
        self.normalize_energy = normalize_energy

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Parameters or taps, by the rank of ``shape``."""
        if len(shape) == 2:
            params = self._gabor(shape[0], 401).gabor_params_from_mels
            return torch.from_numpy(params).to(dtype)
        taps, _, channels = shape
        if channels % 2:
            fix = "give an even number of output channels"
            raise LeafError(
                "GaborInit", "shape", "pairs of real and imaginary taps", tuple(shape), fix
            )
        filters = torch.view_as_real(self._gabor(channels // 2, taps).gabor_filters)
        return filters.permute(1, 0, 2).reshape(taps, 1, channels).to(dtype)

    def _gabor(self, n_filters: int, window_len: int) -> melfilters.Gabor:
        gabor = melfilters.Gabor(
            n_filters=n_filters,
            min_freq=self.min_freq,
            max_freq=self.max_freq,
            sample_rate=self.sample_rate,
            window_len=window_len,
            n_fft=self.n_fft,
            normalize_energy=self.normalize_energy,
        )
        fix = (
            "give complex_conv_init=GaborInit(..., n_fft=...) a longer transform, or fewer filters"
        )
        filters = gabor.mel_filters
        rate, category = self.sample_rate, InitialFilterWarning
        melfilters.warn_of_poor_filters("GaborInit", filters, rate, category, fix)
        return gabor


class SincInit:
    """Band-pass edges that are equally spaced in mel: lower edge and bandwidth, in Hz.

    Source: initializers.py, lines 95-127.

    Args:
        sample_rate: in Hz.
        min_low_hz: smallest lower cutoff, in Hz.
        min_band_hz: smallest bandwidth, in Hz.
    """

    def __init__(
        self, sample_rate: float = 16000, min_low_hz: float = 50.0, min_band_hz: float = 50.0
    ) -> None:
        self.sample_rate = _checks.positive("SincInit", "sample_rate", sample_rate)
        self.min_low_hz = _checks.finite("SincInit", "min_low_hz", min_low_hz)
        self.min_band_hz = _checks.finite("SincInit", "min_band_hz", min_band_hz)

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """``(filters, 2)``."""
        highest = 0.5 * self.sample_rate - (self.min_low_hz + self.min_band_hz)
        mels = np.linspace(utils.hz2mel(self.min_low_hz), utils.hz2mel(highest), shape[0] + 1)
        edges = utils.mel2hz(mels)
        return torch.from_numpy(np.stack([edges[:-1], edges[1:] - edges[:-1]], axis=1)).to(dtype)


class LowpassInit:
    """The same window for every channel of a pooling layer.

    For a shape ``(taps, 1, channels)`` or ``(1, taps, channels, 1)``. Source: initializers.py,
    lines 130-157.

    Args:
        sample_rate: in Hz.
        window_len: in milliseconds; ``int(sample_rate * window_len // 1000 + 1)`` taps.
        window_type: which window.
    """

    def __init__(
        self,
        sample_rate: float = 16000,
        window_len: float = 25.0,
        window_type: utils.WindowType = utils.WindowType.SQUARED_HANNING,
    ) -> None:
        self.sample_rate = _checks.positive("LowpassInit", "sample_rate", sample_rate)
        self.window_len = _checks.positive("LowpassInit", "window_len", window_len)
        self.window_type = window_type

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The window, repeated over the channels."""
        size = int(self.sample_rate * self.window_len // 1000 + 1)
        taps_axis = 0 if len(shape) == 3 else 1
        if len(shape) not in (3, 4) or shape[taps_axis] != size:
            expected = f"(taps, 1, channels) or (1, taps, channels, 1) with {size} taps"
            fix = "give LowpassInit the sample rate and window of the layer"
            raise LeafError("LowpassInit", "shape", expected, tuple(shape), fix)
        taps = torch.from_numpy(utils.window(self.window_type, size)).to(dtype)
        lined_up = taps.reshape([size if axis == taps_axis else 1 for axis in range(len(shape))])
        return lined_up.expand(tuple(shape)).contiguous()
