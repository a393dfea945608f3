"""Convolution layers of the frontends (leaf_audio/convolution.py).

All take and give the official layout, ``(batch, time, channels)``. Inside, time is last, as
torch's kernels want it; the transposes are views.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leaf_port import _checks, _registry, impulse_responses, padding, utils
from leaf_port._ops import arithmetic as _arithmetic
from leaf_port._ops.arithmetic import Arithmetic
from leaf_port._ops.clip import clip_by_value
from leaf_port._ops.fft_convolution import check_has_spectrum, spectrum_norm
from leaf_port._ops.fft_convolution import fft_conv1d as fft_conv1d
from leaf_port._ops.fft_convolution import overlap_add_conv1d as overlap_add_conv1d
from leaf_port._ops.fft_convolution import upper_power_of_2 as upper_power_of_2
from leaf_port.constraints import Constraint, GaborConstraint, UnitNorm
from leaf_port.errors import LeafError
from leaf_port.initializers import Constant, GlorotUniform, Initializer, parameter
from leaf_port.regularizers import Regularizer

_LONG = 8
"""Taps from which oneDNN is faster on a padded copy: 1.5 to 2.2 times with the frontends' 401."""


def conv1d(
    inputs: Tensor, kernel: Tensor, stride: int = 1, padding_: str = padding.SAME, dilation: int = 1
) -> Tensor:
    """``tf.nn.conv1d`` on NWC data: ``y[b, n, f] = sum_k,c x[b, n s + k d - left, c] h[f, c, k]``.

    Args:
        inputs: ``(batch, time, in_channels)``.
        kernel: ``(filters, in_channels, taps)``.
        stride: hop, in samples.
        padding_: ``"SAME"`` or ``"VALID"``.
        dilation: distance between two taps, in samples.

    Returns:
        ``(batch, frames, filters)``.
    """
    x, taps = inputs.transpose(1, 2), kernel.shape[-1]
    if stride == 1 and padding_ == padding.SAME and taps % 2 and taps < _LONG:
        both = (taps - 1) // 2 * dilation  # symmetric: no padded copy
        return F.conv1d(x, kernel, padding=both, dilation=dilation).transpose(1, 2)
    x = padding.pad_time(x, taps, stride, dilation, padding_)
    return F.conv1d(x, kernel, stride=stride, dilation=dilation).transpose(1, 2)


def check_long_enough(owner: str, inputs: Tensor, extent: int, padding_: str) -> None:
    """Refuses an input that a VALID window does not fit into."""
    if padding_ == padding.VALID and inputs.shape[1] < extent:
        expected = f"at least {extent} samples, as the window is not padded"
        fix = "give a longer clip or a shorter window"
        raise LeafError(owner, "inputs", expected, tuple(inputs.shape), fix)


class _Conv1d(nn.Module):
    """What the convolution layers share: geometry, bias, regulariser."""

    in_channels = 1
    bias: nn.Parameter | None

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int,
        padding_: str,
        kernel_regularizer: Regularizer | None,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.filters = _checks.at_least(owner, "filters", filters)
        self.kernel_size = _checks.at_least(owner, "kernel_size", kernel_size)
        self.strides = _checks.at_least(owner, "strides", strides)
        self.padding = padding.check_padding(owner, padding_)
        _checks.fits_memory(owner, "kernel_size", kernel_size, filters * kernel_size)
        self.regularizers = {} if kernel_regularizer is None else {"kernel": kernel_regularizer}
        self.constraints: dict[str, Constraint] = {}

    def _bias(self, use_bias: bool, channels: int, initializer: Initializer) -> nn.Parameter | None:
        if not use_bias:
            return None
        return parameter(type(self).__name__, initializer, (channels,))

    def _check_inputs(self, inputs: Tensor, weight: Tensor) -> None:
        owner = type(self).__name__
        names = f"(batch, time, {self.in_channels})"
        _checks.shaped(owner, inputs, (None, None, self.in_channels), names)
        _checks.same_dtype(owner, inputs, weight)
        check_long_enough(owner, inputs, self.kernel_size, self.padding)

    def _convolve(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        outputs = conv1d(inputs, kernel, self.strides, self.padding)
        return outputs if self.bias is None else outputs + self.bias

    def extra_repr(self) -> str:
        return (
            f"filters={self.filters}, kernel_size={self.kernel_size}, strides={self.strides}, "
            f"padding={self.padding!r}, use_bias={self.bias is not None}"
        )


@_registry.part
class Conv1d(_Conv1d):
    """``tf.keras.layers.Conv1D`` with the official kernel layout.

    Args:
        filters: number of output channels.
        kernel_size: taps.
        strides: hop, in samples.
        padding: ``"SAME"`` or ``"VALID"``.
        use_bias: whether to add a bias, zero at first.
        kernel_initializer: gives the kernel, ``(kernel_size, in_channels, filters)``.
        kernel_regularizer: see :mod:`leaf_port.regularizers`.
        trainable: whether the weights are trained.
        in_channels: number of input channels.

    Raises:
        LeafError: a size below 1, an unknown padding, an input of another shape or dtype.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "VALID",
        use_bias: bool = True,
        kernel_initializer: Initializer | None = None,
        kernel_regularizer: Regularizer | None = None,
        trainable: bool = True,
        in_channels: int = 1,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, kernel_regularizer)
        owner = type(self).__name__
        self.in_channels = _checks.at_least(owner, "in_channels", in_channels)
        shape = (kernel_size, in_channels, filters)
        self.kernel = parameter(owner, kernel_initializer or GlorotUniform(), shape, trainable)
        self.bias = self._bias(use_bias, filters, Constant(0.0))
        if self.bias is not None:
            self.bias.requires_grad_(trainable)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, in_channels)`` to ``(batch, frames, filters)``."""
        self._check_inputs(inputs, self.kernel)
        return self._convolve(inputs, self.kernel.permute(2, 1, 0))

    def extra_repr(self) -> str:
        """What ``print`` shows of it."""
        several = f", in_channels={self.in_channels}" if self.in_channels != 1 else ""
        return super().extra_repr() + several


@_registry.part
class GaborConv1d(_Conv1d):
    """Convolution with complex Gabor wavelets of learnable frequency and bandwidth.

    Equation 2 of https://arxiv.org/abs/2101.08596; leaf_audio/convolution.py, lines 153-204.
    The kernel is constrained (:class:`~leaf_port.constraints.GaborConstraint`) in the forward pass.

    Args:
        filters: number of output channels, two for each wavelet: real part, imaginary part.
        kernel_size: taps.
        strides: hop, in samples.
        padding: ``"SAME"`` or ``"VALID"``.
        use_bias: whether to add a bias, drawn by Glorot's rule as the official one.
        kernel_initializer: gives the kernel, ``(filters // 2, 2)``: centre frequency in radians
            per sample, standard deviation in samples.
        kernel_regularizer: see :mod:`leaf_port.regularizers`.
        trainable: whether the kernel is trained.
        sort_filters: whether to order the wavelets by their centre frequency.
        arithmetic: ``"complex"`` (complex64, as the official), ``"real"`` (cosine and sine, for
            accelerators without complex types), or ``"auto"``: complex where the device has it.

    Raises:
        LeafError: a size below 1, an unknown padding, an input of another shape or dtype.

    Example:
        >>> import torch
        >>> conv = GaborConv1d(filters=8, kernel_size=401)
        >>> conv(torch.zeros(2, 1600, 1)).shape  # (batch, time, filters)
        torch.Size([2, 1600, 8])
        >>> conv.kernel.shape  # centre frequency and standard deviation of each wavelet
        torch.Size([4, 2])
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "SAME",
        use_bias: bool = False,
        kernel_initializer: Initializer | None = None,
        kernel_regularizer: Regularizer | None = None,
        trainable: bool = True,
        sort_filters: bool = False,
        arithmetic: Arithmetic = "auto",
    ) -> None:
        owner = type(self).__name__
        super().__init__(
            _checks.at_least(owner, "filters", filters, 2),
            kernel_size,
            strides,
            padding,
            kernel_regularizer,
        )
        initializer = kernel_initializer or GlorotUniform()
        self.kernel = parameter(owner, initializer, (filters // 2, 2), trainable)
        self.constraints["kernel"] = GaborConstraint(kernel_size)
        self.bias = self._bias(use_bias, filters // 2 * 2, GlorotUniform())
        self.sort_filters = sort_filters
        self.arithmetic = _arithmetic.check_arithmetic(owner, arithmetic)

    def impulse_responses(self) -> Tensor:
        """The wavelets as they are convolved: ``(filters // 2, kernel_size, 2)``."""
        kernel = self.constraints["kernel"](self.kernel)
        if self.sort_filters:
            kernel = kernel[torch.argsort(kernel[:, 0], stable=True)]
        if _arithmetic.uses_complex(self.arithmetic, kernel.device):
            taps = impulse_responses.gabor_filters(kernel, self.kernel_size)
            # Not view_as_real: torch_xla 2.9 aborts the process where its result is transposed.
            return torch.stack([taps.real, taps.imag], dim=-1)
        return impulse_responses.gabor_filters_real(kernel, self.kernel_size)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, 1)`` to ``(batch, frames, filters)``: real, imaginary, real …."""
        self._check_inputs(inputs, self.kernel)
        filters = self.impulse_responses().transpose(1, 2)  # (n, 2, taps)
        return self._convolve(inputs, filters.reshape(-1, 1, self.kernel_size))


@_registry.part
class NormalizedConv1d(_Conv1d):
    """Convolution whose filters have an L2 norm of 1 (leaf_audio/convolution.py, lines 207-243).

    The kernel is constrained (:class:`~leaf_port.constraints.UnitNorm`) in the forward pass.
    Arguments and errors as in :class:`Conv1d`, but for one input channel and a bias drawn by
    Glorot's rule, as the official one.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "SAME",
        use_bias: bool = False,
        kernel_initializer: Initializer | None = None,
        kernel_regularizer: Regularizer | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(filters, kernel_size, strides, padding, kernel_regularizer)
        owner = type(self).__name__
        shape = (kernel_size, 1, filters)
        self.kernel = parameter(owner, kernel_initializer or GlorotUniform(), shape, trainable)
        self.constraints["kernel"] = UnitNorm(axis=0)
        self.bias = self._bias(use_bias, filters, GlorotUniform())

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, 1)`` to ``(batch, frames, filters)``."""
        self._check_inputs(inputs, self.kernel)
        return self._convolve(inputs, self.constraints["kernel"](self.kernel).permute(2, 1, 0))


class SincConv1d(_Conv1d):
    """Convolution with windowed band-passes of learnable edges.

    ``low = min_low_hz + |k0|``, ``high = clip(low + min_band_hz + |k1|, min_low_hz, rate / 2)``.
    Section 2 of https://arxiv.org/abs/1808.00158; leaf_audio/convolution.py, lines 246-304. As in
    the official code the filters are sampled at 16 kHz whatever ``sample_rate`` says; it bounds
    the upper edge only.

    Args:
        filters: twice the number of output channels (the frontends ask for ``2 * n_filters``).
        kernel_size: taps; odd, as the window and the filters differ in length otherwise.
        strides: hop, in samples.
        padding: ``"SAME"`` or ``"VALID"``.
        use_bias: whether to add a bias, drawn by Glorot's rule as the official one.
        kernel_initializer: gives the kernel, ``(filters // 2, 2)``: edge and bandwidth, in Hz.
        kernel_regularizer: see :mod:`leaf_port.regularizers`.
        trainable: whether the kernel is trained.
        sample_rate: in Hz.
        min_low_hz: smallest lower edge, in Hz.
        min_band_hz: smallest bandwidth, in Hz.

    Raises:
        LeafError: a size below 1, an even window, an unknown padding, an input of another shape.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "SAME",
        use_bias: bool = False,
        kernel_initializer: Initializer | None = None,
        kernel_regularizer: Regularizer | None = None,
        trainable: bool = True,
        sample_rate: float = 16000,
        min_low_hz: float = 50.0,
        min_band_hz: float = 50.0,
    ) -> None:
        owner = type(self).__name__
        super().__init__(
            _checks.at_least(owner, "filters", filters, 2),
            kernel_size,
            strides,
            padding,
            kernel_regularizer,
        )
        if kernel_size % 2 == 0:
            fix = "change window_len or sample_rate so that the window has an odd number of samples"
            raise LeafError(owner, "kernel_size", "an odd number of taps", kernel_size, fix)
        _checks.at_least(owner, "kernel_size", kernel_size, 2)
        initializer = kernel_initializer or GlorotUniform()
        self.kernel = parameter(owner, initializer, (filters // 2, 2), trainable)
        self.bias = self._bias(use_bias, filters // 2, GlorotUniform())
        self.sample_rate = _checks.positive(owner, "sample_rate", sample_rate)
        self.min_low_hz = _checks.finite(owner, "min_low_hz", min_low_hz)
        self.min_band_hz = _checks.finite(owner, "min_band_hz", min_band_hz)
        self.window: Tensor
        self._make_window()
        # A state dict loaded with assign=True may bring another dtype or device.
        self.register_load_state_dict_post_hook(_remake_window)

    def _make_window(self) -> None:
        """The Hamming window in the kernel's dtype; from the arguments, so no part of the state."""
        if self.kernel.is_meta:
            window = self.kernel.new_empty(self.kernel_size)
        else:
            window = torch.from_numpy(utils.window(utils.WindowType.HAMMING, self.kernel_size))
        self.register_buffer("window", window.to(self.kernel), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SincConv1d:
        super()._apply(fn, recurse)
        self._make_window()  # a cast float32 window would not be the float64 one
        return self

    def edges(self) -> tuple[Tensor, Tensor]:
        """Lower and upper edges of the bands, in Hz: two of ``(filters // 2,)``."""
        low = self.min_low_hz + torch.abs(self.kernel[:, 0])
        high = low + self.min_band_hz + torch.abs(self.kernel[:, 1])
        return low, clip_by_value(high, self.min_low_hz, self.sample_rate / 2)

    def impulse_responses(self) -> Tensor:
        """The filters as they are convolved: ``(kernel_size, filters // 2)``."""
        low, high = self.edges()
        filters = impulse_responses.sinc_filters(low[None], high[None], self.kernel_size)
        return filters * self.window[:, None]

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, 1)`` to ``(batch, frames, filters // 2)``."""
        self._check_inputs(inputs, self.kernel)
        return self._convolve(inputs, self.impulse_responses().T.unsqueeze(1))


def _remake_window(layer: nn.Module, _keys: Any) -> None:
    assert isinstance(layer, SincConv1d)  # noqa: S101
    layer._make_window()


class FFTConv1d(Conv1d):
    """:class:`Conv1d` computed by :func:`fft_conv1d` (leaf_audio/convolution.py, lines 109-130).

    Circular at the edges; ``strides`` and ``padding`` change nothing, as in the official code
    (whose causal padding calls a Keras function that takes other arguments by now, and fails), but
    that VALID refuses a clip shorter than the kernel.
    With a regulariser that has an ``l1``, :meth:`frequency_penalty` is part of
    :func:`~leaf_port.regularizers.regularization_loss`, beside the penalty of the kernel itself.

    Args:
        filters, kernel_size, strides, padding, use_bias, kernel_initializer, kernel_regularizer,
        trainable: as in :class:`Conv1d`.
        activation: applied to the output, or None.
        arithmetic: of the transforms: ``"complex"``, ``"real"`` or ``"auto"``.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "VALID",
        use_bias: bool = True,
        kernel_initializer: Initializer | None = None,
        kernel_regularizer: Regularizer | None = None,
        trainable: bool = True,
        activation: Callable[[Tensor], Tensor] | None = None,
        arithmetic: Arithmetic = "auto",
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            use_bias,
            kernel_initializer,
            kernel_regularizer,
            trainable,
        )
        _checks.function(type(self).__name__, "activation", activation)
        self.activation = activation
        self.arithmetic = _arithmetic.check_arithmetic(type(self).__name__, arithmetic)

    def frequency_penalty(self, num_samples: int | None) -> Tensor:
        """``l1 sum |rfft(kernel, N)|`` for an input of ``num_samples``."""
        l1 = float(getattr(self.regularizers.get("kernel"), "l1", 0.0))
        if num_samples is None:
            fix = "call regularization_loss(module, num_samples)"
            expected = "the length of the input, which the transform's size follows"
            raise LeafError(type(self).__name__, "num_samples", expected, None, fix)
        size = upper_power_of_2(num_samples)
        return l1 * spectrum_norm(self.kernel, size, self.arithmetic)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, 1)`` to ``(batch, time, filters)``."""
        self._check_inputs(inputs, self.kernel)
        check_has_spectrum(type(self).__name__, inputs)
        outputs, _ = fft_conv1d(inputs, self.kernel, self.arithmetic)
        outputs = outputs if self.bias is None else outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


ConvFactory = Callable[..., nn.Module]


def build(conv1d_cls: ConvFactory, arithmetic: Arithmetic, **arguments: Any) -> nn.Module:
    """``conv1d_cls(**arguments)``, with ``arithmetic`` where it is a Gabor or FFT convolution.

    A ``functools.partial`` of one may set it itself.
    """
    innermost, given = conv1d_cls, False
    while isinstance(innermost, functools.partial):
        given |= "arithmetic" in innermost.keywords
        innermost = innermost.func
    chooses = isinstance(innermost, type) and issubclass(innermost, (GaborConv1d, FFTConv1d))
    if chooses and not given:
        arguments["arithmetic"] = arithmetic
    return conv1d_cls(**arguments)


__all__: Sequence[str] = [
    "Conv1d",
    "FFTConv1d",
    "GaborConv1d",
    "NormalizedConv1d",
    "SincConv1d",
    "conv1d",
    "fft_conv1d",
    "overlap_add_conv1d",
]
