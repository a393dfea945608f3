"""Pooling layers of the frontends (leaf_audio/pooling.py).

All take ``(batch, time, channels)`` and give ``(batch, frames, channels)``. All take the same
arguments, so a frontend can be built with any of them; what a layer does not use it says.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leaf_port import _checks, _registry, impulse_responses, padding
from leaf_port._ops.clip import max_pool2d
from leaf_port.convolution import check_long_enough
from leaf_port.errors import LeafError
from leaf_port.initializers import Constant, GlorotUniform, Initializer, parameter
from leaf_port.regularizers import Regularizer


class _Pooling1d(nn.Module):
    """What the poolings share.

    Args:
        num_channels: number of input channels.
        kernel_size: window, in samples.
        strides: hop, in samples.
        padding: ``"SAME"`` or ``"VALID"``.
        use_bias: taken and not used, as in the official code: no pooling has a bias.
        kernel_initializer: gives the kernel; Glorot's uniform draw by default, as Keras.
        kernel_regularizer: see :mod:`leaf_port.regularizers`.
        trainable: whether the kernel is trained.

    Raises:
        LeafError: a size below 1, an unknown padding, an input of another shape or dtype.
    """

    def __init__(
        self,
        num_channels: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "SAME",
        use_bias: bool = True,
        kernel_initializer: Initializer | None = None,
        kernel_regularizer: Regularizer | None = None,
        trainable: bool = False,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.num_channels = _checks.at_least(owner, "num_channels", num_channels)
        self.kernel_size = _checks.at_least(owner, "kernel_size", kernel_size)
        self.strides = _checks.at_least(owner, "strides", strides)
        self.padding = self._resolve_padding(padding)
        _checks.fits_memory(owner, "kernel_size", kernel_size, num_channels * kernel_size)
        shape = self._kernel_shape()
        self.regularizers: dict[str, Regularizer] = {}
        if shape is not None:
            initializer = kernel_initializer or GlorotUniform()
            self.kernel = parameter(owner, initializer, shape, trainable)
            if kernel_regularizer is not None:
                self.regularizers["kernel"] = kernel_regularizer

    def _resolve_padding(self, padding_: str) -> str:
        return padding.check_padding(type(self).__name__, padding_)

    def _kernel_shape(self) -> tuple[int, ...] | None:
        """Shape of the kernel, or None where there is none."""
        return None

    def _time_last(self, inputs: Tensor, value: float = 0.0) -> Tensor:
        """The checked and padded input as ``(batch, channels, time)``."""
        owner = type(self).__name__
        names = "(batch, time, channels)"
        _checks.shaped(owner, inputs, (None, None, self.num_channels), names)
        check_long_enough(owner, inputs, self.kernel_size, self.padding)
        x = inputs.transpose(1, 2)
        return padding.pad_time(x, self.kernel_size, self.strides, 1, self.padding, value)

    def _depthwise(self, inputs: Tensor, taps: Tensor, bias: Tensor | None = None) -> Tensor:
        """Convolves each channel with its own taps, ``(channels, kernel_size)``; adds a bias."""
        x = self._time_last(inputs)
        _checks.same_dtype(type(self).__name__, inputs, taps)
        y = F.conv1d(x, taps.unsqueeze(1), bias, self.strides, groups=self.num_channels)
        return y.transpose(1, 2)

    def extra_repr(self) -> str:
        return (
            f"num_channels={self.num_channels}, kernel_size={self.kernel_size}, "
            f"strides={self.strides}, padding={self.padding!r}"
        )


@_registry.part
class GaussianLowpass(_Pooling1d):
    """Weighs each channel with its own Gaussian window of learnable width.

    ``y[b, n, c] = sum_k g_c[k] x[b, n s + k - left, c]`` with ``g`` of
    :func:`~leaf_port.impulse_responses.gaussian_lowpass`. Kernel ``(1, 1, channels, 1)``: standard
    deviations in half windows. Section 3.2 of https://arxiv.org/abs/2101.08596; pooling.py, lines
    109-155. Arguments and errors: those of all poolings, and:

    Args:
        padding: also ``"SYMMETRIC"``: ``left = (kernel_size - 1) // 2`` whatever stride and length.
        additive_bias: whether a learnable bias ``(channels,)``, 1 at first, is added to ``y``.

    Neither is the official function. leaf-pytorch and SpeechBrain have both, and what was trained
    there needs them.
    """

    def __init__(
        self,
        num_channels: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "SAME",
        use_bias: bool = True,
        kernel_initializer: Initializer | None = None,
        kernel_regularizer: Regularizer | None = None,
        trainable: bool = False,
        additive_bias: bool = False,
    ) -> None:
        if kernel_size == 1:
            expected = "at least 2: a Gaussian of one sample is 0 / 0, as in the official code"
            fix = "give a longer window (window_len of a frontend)"
            raise LeafError(type(self).__name__, "kernel_size", expected, kernel_size, fix)
        super().__init__(
            num_channels,
            kernel_size,
            strides,
            padding,
            use_bias,
            kernel_initializer,
            kernel_regularizer,
            trainable,
        )
        self.bias: nn.Parameter | None = None
        if additive_bias:
            self.bias = parameter(type(self).__name__, Constant(1.0), (num_channels,), trainable)

    def _resolve_padding(self, padding_: str) -> str:
        known = (padding.SAME, padding.VALID, padding.SYMMETRIC)
        return padding.check_padding(type(self).__name__, padding_, known)

    def _kernel_shape(self) -> tuple[int, ...]:
        return (1, 1, self.num_channels, 1)

    def impulse_responses(self) -> Tensor:
        """The windows: ``(channels, kernel_size)``."""
        taps = impulse_responses.gaussian_lowpass(self.kernel, self.kernel_size)
        return taps[0, :, :, 0].T

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, channels)`` to ``(batch, frames, channels)``."""
        return self._depthwise(inputs, self.impulse_responses(), self.bias)

    def extra_repr(self) -> str:
        """What ``print`` shows of it."""
        return f"{super().extra_repr()}, additive_bias={self.bias is not None}"


class LearnablePooling1d(_Pooling1d):
    """One learnable window for all channels (pooling.py, lines 24-64).

    Kernel ``(1, kernel_size, 1, 1)``. ``padding`` is taken and not used: as in the official code
    the window is never padded (VALID).
    """

    def _resolve_padding(self, padding_: str) -> str:
        super()._resolve_padding(padding_)
        return padding.VALID

    def _kernel_shape(self) -> tuple[int, ...]:
        return (1, self.kernel_size, 1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, channels)`` to ``(batch, frames, channels)``."""
        return self._depthwise(inputs, self.kernel.reshape(1, -1).expand(self.num_channels, -1))


@_registry.part
class ChannelWiseLearnablePooling1d(_Pooling1d):
    """Each channel has its own learnable window (pooling.py, lines 67-106).

    Kernel ``(kernel_size, 1, channels)``. The official layer hands it to ``tf.nn.conv1d``, which
    takes the input's channels as groups of the one channel that the kernel has.
    """

    def _kernel_shape(self) -> tuple[int, ...]:
        return (self.kernel_size, 1, self.num_channels)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, channels)`` to ``(batch, frames, channels)``."""
        return self._depthwise(inputs, self.kernel[:, 0, :].T)


class MaxPooling1d(_Pooling1d):
    """Maximum over a window, padding left out (pooling.py, lines 158-172).

    It has no kernel; arguments about one are taken and not used.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, time, channels)`` to ``(batch, frames, channels)``."""
        x = self._time_last(inputs, value=-torch.inf)
        # In two dimensions: torch.export fixes the length that max_pool1d sees.
        window, hop = (1, self.kernel_size), (1, self.strides)
        return max_pool2d(x.unsqueeze(2), window, hop).squeeze(2).transpose(1, 2)
