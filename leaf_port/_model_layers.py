"""The parts that the models share: convolutions, activations and poolings as Keras has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leaf_port import _checks
from leaf_port._ops.clip import amax, clip_by_value, max_pool2d
from leaf_port._ops.devices import lacks
from leaf_port._same import difference
from leaf_port.errors import LeafError
from leaf_port.padding import pad_time, same_padding

Activation = str | Callable[[Tensor], Tensor] | None
Normalization = Callable[[int], nn.Module] | None
Convolution = TypeVar("Convolution", nn.Conv1d, nn.Conv2d, nn.Linear)

MAP = "(batch, channels, frames, filters)"


def glorot(layer: Convolution) -> Convolution:
    """``layer`` as Keras starts it: kernel uniform in +-sqrt(6 / (fan_in + fan_out)), bias 0.

    In float32 where torch would make it of half precision.
    """
    layer.to(_checks.parameter_dtype())
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def conv2d(in_channels: int, filters: int, kernel_size: tuple[int, int], bias: bool) -> nn.Conv2d:
    """A convolution of stride 1 and odd kernel that keeps the size, as TensorFlow's SAME does."""
    height, width = kernel_size
    padding = (height // 2, width // 2)
    return glorot(nn.Conv2d(in_channels, filters, kernel_size, padding=padding, bias=bias))


class SameConv1d(nn.Conv1d):
    """``(batch, channels, time)`` convolved without bias under TensorFlow's SAME padding."""

    def __init__(
        self, in_channels: int, filters: int, taps: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__(in_channels, filters, taps, stride, dilation=dilation, bias=False)
        glorot(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Pads, then convolves."""
        taps, stride, dilation = self.kernel_size[0], self.stride[0], self.dilation[0]
        return super().forward(pad_time(inputs, taps, stride, dilation))


class MaxPool(nn.Module):
    """Maximum over windows laid end to end; what does not fill the last window is dropped.

    Keras' MaxPool1D and MaxPool2D with their default padding, VALID. On a tie the gradient goes to
    the first of the window, in TensorFlow and in torch.

    Args:
        owner: the model that pools, for the error.
        window: its size along each of the last one or two axes.
    """

    def __init__(self, owner: str, window: tuple[int, ...]) -> None:
        super().__init__()
        self.owner = owner
        self.window = window

    def forward(self, inputs: Tensor) -> Tensor:
        """Pools the last axes."""
        sizes = inputs.shape[-len(self.window) :]
        if any(size < taps for size, taps in zip(sizes, self.window, strict=True)):
            expected = f"a map of at least {self.window} where it is pooled"
            fix = "give longer clips, more filters or fewer blocks"
            raise LeafError(self.owner, "inputs", expected, str(tuple(sizes)), fix)
        if len(self.window) == 1:  # F.max_pool1d would fix the length in an exported graph
            return max_pool2d(inputs.unsqueeze(-2), (1, *self.window)).squeeze(-2)
        return max_pool2d(inputs, self.window)

    def extra_repr(self) -> str:
        """The arguments, for ``print(layer)``."""
        return f"{self.owner!r}, {self.window}"


class SameAvgPool2d(nn.Module):
    """Mean over windows laid end to end under TensorFlow's SAME padding, which the means leave out.

    Args:
        owner: the model that pools, for the error.
        window: its size along frames and filters.
    """

    def __init__(self, owner: str, window: tuple[int, int]) -> None:
        super().__init__()
        if not isinstance(window, (tuple, list)) or len(window) != 2:
            fix = "give its size along frames and filters"
            raise LeafError(owner, "pool_size", "two integers", repr(window), fix)
        height, width = (_checks.at_least(owner, "pool_size", size) for size in window)
        self.owner = owner
        self.window = (height, width)

    def forward(self, inputs: Tensor) -> Tensor:
        """Pools the last two axes."""
        if self.window == (1, 1):
            return inputs
        return self._sums(inputs) / self._sums(inputs.new_ones(1, 1, *inputs.shape[-2:]))

    def extra_repr(self) -> str:
        """The arguments, for ``print(layer)``."""
        return f"{self.owner!r}, {self.window}"

    def _sums(self, x: Tensor) -> Tensor:
        """Sums over the windows; of ones, the number of values in each that are not padding."""
        (height, width), (frames, filters) = self.window, x.shape[-2:]
        pads = same_padding(filters, width, width) + same_padding(frames, height, height)
        padded = F.pad(x, pads)
        if lacks(x.device, "average pooling"):
            return padded.unflatten(-1, (-1, width)).unflatten(-3, (-1, height)).sum((-3, -1))
        return F.avg_pool2d(padded, self.window, divisor_override=1)


class GlobalMaxPool2d(nn.Module):
    """Maximum over frames and filters: ``(batch, channels, frames, filters)`` to two axes.

    A tie shares the gradient equally, as ``tf.reduce_max`` does (models.py, lines 45-48).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, inputs: Tensor) -> Tensor:
        """Pools the last two axes."""
        _checks.shaped("AudioClassifier.pool", inputs, (None, self.channels, None, None), MAP)
        return amax(inputs, (2, 3))


class MapSequential(nn.Sequential):
    """A Sequential that takes a map of ``in_channels`` channels and gives ``out_channels``."""

    in_channels: int
    out_channels: int

    def forward(self, inputs: Tensor) -> Tensor:
        """Checks the map and applies the children in order."""
        owner = type(self).__name__
        _checks.shaped(owner, inputs, (None, self.in_channels, None, None), MAP)
        _checks.same_dtype(owner, inputs, next(self.parameters()))
        output = inputs
        for layer in self:
            output = layer(output)
        return output


class Function(nn.Module):
    """A function of a tensor as a layer."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, inputs: Tensor) -> Tensor:
        """The function's value."""
        return self.function(inputs)


def exponential(x: Tensor) -> Tensor:
    """``exp(x)``, Keras' activation of that name."""
    return torch.exp(x)


def hard_sigmoid(x: Tensor) -> Tensor:
    """``min(max(0.2 x + 0.5, 0), 1)``, as Keras 2 has it (torch's has a slope of 1/6)."""
    return clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


def _exp_minus_1(x: Tensor) -> Tensor:
    """``exp(x) - 1`` of what is below 0; what is not is given back and has no gradient here."""
    zero = torch.zeros_like(x)
    return torch.expm1(torch.where(x < zero, x, zero))


def silu(x: Tensor) -> Tensor:
    """``x sigmoid(x)``; the gradient of torch's own has no derivative in forward mode."""
    return x * torch.sigmoid(x)


def mish(x: Tensor) -> Tensor:
    """``x tanh(softplus(x))``; the gradient of torch's own has none in forward mode."""
    return x * torch.tanh(F.softplus(x))


def elu(x: Tensor) -> Tensor:
    """``x`` above 0, ``exp(x) - 1`` below. At 0 either side has a gradient of 1."""
    if not lacks(x.device, "activations"):
        return F.elu(x)
    return torch.where(x < torch.zeros_like(x), _exp_minus_1(x), x)


def relu6(x: Tensor) -> Tensor:
    """``min(max(x, 0), 6)``; no gradient at either end."""
    if not lacks(x.device, "activations"):
        return F.relu6(x)
    low, high = torch.zeros_like(x), torch.full_like(x, 6.0)
    outside = (x <= low) | (x >= high)
    return torch.where(outside, torch.minimum(torch.maximum(x, low), high).detach(), x)


def selu(x: Tensor) -> Tensor:
    """SELU with TensorFlow's gradient at 0, that of the positive side (torch: the negative's)."""
    if not lacks(x.device, "activations"):
        return torch.where(x < 0, F.selu(x), _SELU_SCALE * x)
    below = (_SELU_SCALE * _SELU_ALPHA) * _exp_minus_1(x)
    return torch.where(x < torch.zeros_like(x), below, _SELU_SCALE * x)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "relu6": lambda: Function(relu6),
    "elu": lambda: Function(elu),
    "selu": lambda: Function(selu),
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "gelu": nn.GELU,
    "mish": lambda: Function(mish),
    "silu": lambda: Function(silu),
    "swish": lambda: Function(silu),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softsign": nn.Softsign,
    "softplus": lambda: nn.Softplus(threshold=40),  # torch's 20 is linear too soon for float64
    "softmax": lambda: nn.Softmax(dim=1),  # over the channels, Keras' last axis
    "log_softmax": lambda: nn.LogSoftmax(dim=1),
    "exponential": lambda: Function(exponential),
    "hard_sigmoid": lambda: Function(hard_sigmoid),
}


def new_activation(owner: str, activation: Activation) -> nn.Module:
    """The layer that Keras' name, a module or a function of a tensor stands for; None is linear."""
    if activation is None:
        return nn.Identity()
    if isinstance(activation, str) and activation in ACTIVATIONS:
        return ACTIVATIONS[activation]()
    if isinstance(activation, nn.Module):
        return activation
    if isinstance(activation, (str, type)) or not callable(activation):
        expected = f"one of {', '.join(sorted(ACTIVATIONS))}, a module or a function of a tensor"
        fix = "check the name, or give an instance: nn.ReLU(), not nn.ReLU"
        raise LeafError(owner, "activation", expected, repr(activation), fix)
    return Function(activation)


def name_of(activation: nn.Module) -> str | nn.Module:
    """Keras' name of an activation of :func:`new_activation`; itself where it has none."""
    for name, make in ACTIVATIONS.items():
        if not difference(activation, make()):
            return name
    return activation


def new_normalization(owner: str, layer: Callable[[int], nn.Module], channels: int) -> nn.Module:
    """A new normalisation of so many channels."""
    expected = "a class or function that makes a module from a number of channels, or None"
    fix = "give BatchNormalization or torch.nn.BatchNorm2d, not one of their layers"
    if isinstance(layer, nn.Module) or not callable(layer):
        raise LeafError(owner, "normalization_layer", expected, repr(layer), fix)
    made = layer(channels)
    if not isinstance(made, nn.Module):
        got = f"{layer!r}, which makes a {type(made).__name__}"
        raise LeafError(owner, "normalization_layer", expected, got, fix)
    return made


def share(owner: str, argument: str, rate: float) -> float:
    """``rate``, if it is a share from 0 to 1."""
    if not 0 <= _checks.finite(owner, argument, rate) <= 1:
        raise LeafError(owner, argument, "a share from 0 to 1", rate, "0.2 drops one value in five")
    return rate


def channel_counts(owner: str, argument: str, channels: Sequence[int]) -> list[int]:
    """``channels`` as a list, if there is at least one and each is at least 1."""
    if isinstance(channels, str) or not isinstance(channels, Sequence) or not channels:
        fix = "give one for each block"
        raise LeafError(owner, argument, "a sequence of numbers of channels", repr(channels), fix)
    return [_checks.at_least(owner, argument, count) for count in channels]
