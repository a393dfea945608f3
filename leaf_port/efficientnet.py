"""Keras' EfficientNet-B0, the encoder of the LEAF paper (example/external_configurables.py).

Layout: a map is ``(batch, channels, frames, filters)``, Keras' ``(batch, frames, filters,
channels)``. Layers have Keras' names: its ``block2a_expand_conv`` is ``block2a.expand_conv`` here.

Source: keras/src/applications/efficientnet.py and imagenet_utils.py of Keras 2.13, without the
classifier at the top (``include_top=False``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leaf_port import _checks, _registry
from leaf_port._model_layers import MAP, share, silu
from leaf_port._ops.precision import full_precision
from leaf_port.errors import LeafError
from leaf_port.normalization import BatchNormalization
from leaf_port.padding import same_padding

OWNER = "EfficientNetB0"
STEM, TOP = 32, 1280
BLOCKS = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
"""``DEFAULT_BLOCKS_ARGS``: kernel size, repeats, filters, expansion ratio and stride of a stage."""

_RESCALING = 1.0 / 255.0
_EPSILON = 1e-7  # keras.backend.epsilon(), the least deviation that the input is divided by
_SQUEEZED = 0.25
_LEAST = 32  # of either axis of an input shape, in Keras
# The deviation of a normal distribution of deviation 1 that is cut off at 2.
_CUT_OFF = 0.87962566103423978


class InputNormalization(nn.Module):
    """``(x / 255 - mean) / max(sqrt(variance), 1e-7)``: Keras' Rescaling and Normalization.

    The statistics are 0 and 1 unless a model brings others; training does not change them. One
    channel becomes as many as there are statistics, as in Keras.

    Args:
        channels: number of channels that have statistics.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        dtype = _checks.parameter_dtype()
        self.register_buffer("mean", torch.zeros(channels, dtype=dtype))
        self.register_buffer("variance", torch.ones(channels, dtype=dtype))

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalises axis 1."""
        deviation = torch.clamp(torch.sqrt(self.variance), min=_EPSILON)
        centred = inputs * _RESCALING - self.mean.view(-1, 1, 1)
        return centred / deviation.view(-1, 1, 1)


class Convolution(nn.Conv2d):
    """A convolution, full or depthwise, under Keras' padding, with Keras' initial values.

    A stride of 1 keeps the size. A stride of 2 pads as ``correct_pad`` does: a size that Keras
    knows when it builds the model as TensorFlow's SAME (an even one by ``kernel_size // 2 - 1``
    before and ``kernel_size // 2`` after, an odd one by ``kernel_size // 2`` on both sides); one
    that it does not know as an even one, whatever it is.

    Kernels are normal with a variance of ``2 / fan_out``, cut off at two deviations; biases are 0.

    Args:
        in_channels: channels of the input.
        filters: channels of the output.
        size: of the kernel along both axes; odd.
        stride: hop along both axes, 1 or 2.
        depthwise: whether each channel has a kernel of its own.
        bias: whether there is one.
        known: whether Keras knows the size of the map.
    """

    def __init__(
        self,
        in_channels: int,
        filters: int,
        size: int = 1,
        stride: int = 1,
        *,
        depthwise: bool = False,
        bias: bool = False,
        known: bool = False,
    ) -> None:
        groups = in_channels if depthwise else 1
        padding = size // 2 if stride == 1 else 0
        super().__init__(
            in_channels, filters, size, stride, padding=padding, groups=groups, bias=bias
        )
        self.to(_checks.parameter_dtype())
        self.known = known
        fan_out = size * size * (1 if depthwise else filters)
        deviation = math.sqrt(2.0 / fan_out) / _CUT_OFF
        nn.init.trunc_normal_(self.weight, std=deviation, a=-2.0 * deviation, b=2.0 * deviation)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Pads where there is a stride, then convolves."""
        if self.stride[0] == 1:
            return super().forward(inputs)
        size, stride = self.kernel_size[0], self.stride[0]
        even = (size // 2 - 1, size // 2)
        frames, filters = (
            same_padding(length, size, stride) if self.known else even
            for length in inputs.shape[-2:]
        )
        return super().forward(F.pad(inputs, (*filters, *frames)))


class Block(nn.Module):
    """An inverted residual block with squeeze and excitation.

    ``expand_conv``, ``expand_bn``, swish (unless the expansion ratio is 1); ``dwconv``, ``bn``,
    swish; a factor for each channel, ``sigmoid(se_expand(swish(se_reduce(mean of the map))))``;
    ``project_conv``, ``project_bn``. Where input and output have one shape, the input is added; in
    training the rest is dropped for a share of the clips, and scaled for the others.

    Args:
        in_channels: channels of the input.
        size: of the depthwise kernel.
        filters: channels of the output.
        expand_ratio: channels in the block, by those of the input.
        stride: of the depthwise convolution.
        drop_rate: share of the clips of which training drops the block.
        known: whether Keras knows the size of the map.

    Source: efficientnet.py, ``block``.
    """

    def __init__(
        self,
        in_channels: int,
        size: int,
        filters: int,
        expand_ratio: int,
        stride: int,
        *,
        drop_rate: float,
        known: bool,
    ) -> None:
        super().__init__()
        inner = in_channels * expand_ratio
        squeezed = max(1, int(in_channels * _SQUEEZED))
        self.skips = stride == 1 and in_channels == filters
        self.drop_rate = drop_rate
        self.expands = expand_ratio != 1
        if self.expands:
            self.expand_conv = Convolution(in_channels, inner)
            self.expand_bn = BatchNormalization(inner)
        self.dwconv = Convolution(inner, inner, size, stride, depthwise=True, known=known)
        self.bn = BatchNormalization(inner)
        self.se_reduce = Convolution(inner, squeezed, bias=True)
        self.se_expand = Convolution(squeezed, inner, bias=True)
        self.project_conv = Convolution(inner, filters)
        self.project_bn = BatchNormalization(filters)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, in_channels, frames, filters)`` to a map of the block's channels."""
        x = inputs
        if self.expands:
            x = silu(self.expand_bn(self.expand_conv(x)))
        x = silu(self.bn(self.dwconv(x)))
        factors = torch.sigmoid(self.se_expand(silu(self.se_reduce(x.mean((2, 3), keepdim=True)))))
        x = self.project_bn(self.project_conv(x * factors))
        return self._dropped(x) + inputs if self.skips else x

    def _dropped(self, x: Tensor) -> Tensor:
        """Keras' Dropout with a noise of one number a clip."""
        if not self.training or self.drop_rate == 0.0:
            return x
        return x * F.dropout(torch.ones_like(x[:, :1, :1, :1]), self.drop_rate)


@_registry.kind
class EfficientNetB0(nn.Module):
    """``tf.keras.applications.EfficientNetB0(include_top=False, weights=None)``.

    The input is divided by 255 and normalised by constants (0 and 1 at first). A convolution of
    stride 2 with 32 filters, 16 :class:`Block` in seven stages and a convolution to 1280 channels
    follow, each with :class:`BatchNormalization` and swish.

    Keras pads by what it knows of the input's shape when it builds the model. ``input_shape=None``
    is the official default, a model for maps of any size. With an ``input_shape`` it is a model
    for that size alone, and at odd sizes another function.

    Args:
        in_channels: channels that the first convolution takes. A map of one channel is repeated:
            Keras' default model, which is made for 3, takes it so.
        drop_connect_rate: share of the clips of which training drops the last block; it grows
            linearly from 0 at the first.
        input_shape: ``(frames, filters)`` of every input, each at least 32; None for any.
        blocks_args: the stages, rows of (kernel size, repeats, filters, expansion ratio, stride),
            filters in multiples of 8; B0's by default.

    Shape:
        ``(batch, in_channels, frames, filters)`` or one channel, to ``(batch, 1280, frames // 32,
        filters // 32)``; with an ``input_shape`` both are rounded up.

    Raises:
        LeafError: bad argument, another input, or a map of less than 32 frames or filters. (On
            such a map the official classifier fails in its pooling.)

    Example:
        >>> from leaf_port import AudioClassifier, Leaf
        >>> model = AudioClassifier(10, Leaf(), EfficientNetB0())
        >>> print(sum(each.numel() for each in model.encoder.parameters()))
        4006972

    Source: efficientnet.py, ``EfficientNet`` and ``EfficientNetB0``; imagenet_utils.py,
    ``correct_pad``.
    """

    out_channels = TOP

    def __init__(
        self,
        in_channels: int = 1,
        drop_connect_rate: float = 0.2,
        *,
        input_shape: Sequence[int] | None = None,
        blocks_args: Sequence[Sequence[int]] = BLOCKS,
    ) -> None:
        super().__init__()
        self.in_channels = _checks.at_least(OWNER, "in_channels", in_channels)
        self.drop_connect_rate = share(OWNER, "drop_connect_rate", drop_connect_rate)
        self.input_shape = None if input_shape is None else _shape(input_shape)
        self.blocks_args = _stages(blocks_args)
        known = self.input_shape is not None
        self.least = 2 ** (1 + sum(stage[-1] == 2 for stage in self.blocks_args))
        self.normalization = InputNormalization(self.in_channels)
        self.stem_conv = Convolution(self.in_channels, STEM, 3, 2, known=known)
        self.stem_bn = BatchNormalization(STEM)
        for name, arguments in _blocks(self.blocks_args, self.drop_connect_rate):
            self.add_module(name, Block(**arguments, known=known))
        self.top_conv = Convolution(self.blocks_args[-1][2], TOP)
        self.top_bn = BatchNormalization(TOP)

    def _arguments(self) -> dict[str, Any]:
        """What ``save_pretrained`` writes."""
        made: dict[str, Any] = {"in_channels": self.in_channels}
        made["drop_connect_rate"] = self.drop_connect_rate
        made["input_shape"] = None if self.input_shape is None else list(self.input_shape)
        if self.blocks_args != BLOCKS:
            made["blocks_args"] = [list(stage) for stage in self.blocks_args]
        return made

    def forward(self, inputs: Tensor) -> Tensor:
        """``inputs`` to a map of 1280 channels."""
        inputs = full_precision(inputs)
        self._check(inputs)
        x = silu(self.stem_bn(self.stem_conv(self.normalization(inputs))))
        for block in self.blocks():
            x = block(x)
        output: Tensor = silu(self.top_bn(self.top_conv(x)))
        return output

    def blocks(self) -> Iterator[Block]:
        """The blocks in order."""
        return (each for each in self.children() if isinstance(each, Block))

    def _check(self, inputs: Tensor) -> None:
        one = isinstance(inputs, Tensor) and inputs.ndim == 4 and inputs.shape[1] == 1
        sizes = (None, None) if self.input_shape is None else self.input_shape
        _checks.shaped(OWNER, inputs, (None, 1 if one else self.in_channels, *sizes), MAP)
        _checks.same_dtype(OWNER, inputs, self.stem_conv.weight)
        if self.input_shape is None and any(size < self.least for size in inputs.shape[2:]):
            expected = f"a map of at least {self.least} frames and {self.least} filters"
            fix = "give longer clips or more filters"
            raise LeafError(OWNER, "inputs", expected, str(tuple(inputs.shape)), fix)


def _shape(given: Sequence[int]) -> tuple[int, int]:
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2:
        fix = "give them, or None for maps of any size"
        raise LeafError(OWNER, "input_shape", "(frames, filters)", repr(given), fix)
    frames, filters = (_checks.at_least(OWNER, "input_shape", size, _LEAST) for size in given)
    return frames, filters


def _stages(given: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    expected = (
        "rows of (odd kernel size, repeats, filters in multiples of 8, expansion ratio, stride 1 "
        "or 2)"
    )
    if not isinstance(given, Sequence) or not given:
        raise LeafError(OWNER, "blocks_args", expected, repr(given), "leave it out for B0's")
    for row in given:
        if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != 5:
            raise LeafError(OWNER, "blocks_args", expected, repr(row), "leave it out for B0's")
        size, _, filters, _, stride = (_checks.at_least(OWNER, "blocks_args", n) for n in row)
        if size % 2 == 0 or size < 3 or filters % 8 or stride > 2:
            raise LeafError(OWNER, "blocks_args", expected, repr(row), "leave it out for B0's")
    return tuple(tuple(row) for row in given)


def _blocks(
    stages: Sequence[Sequence[int]], drop_connect_rate: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keras' name of each block, and its arguments."""
    total = float(sum(stage[1] for stage in stages))
    number, channels = 0, STEM
    for i, (size, repeats, filters, ratio, stride) in enumerate(stages, 1):
        for j in range(repeats):
            made: dict[str, Any] = {"in_channels": channels, "size": size, "filters": filters}
            made |= {"expand_ratio": ratio, "stride": stride if j == 0 else 1}
            yield _name(i, j), {**made, "drop_rate": drop_connect_rate * number / total}
            number, channels = number + 1, filters


def _name(stage: int, repeat: int) -> str:
    return f"block{stage}{chr(ord('a') + repeat)}"


_NORMALIZED = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_DEPTHWISE_FIRST = {"dwconv": "conv_dw", "bn": "bn1", "project_conv": "conv_pw"} | {
    "project_bn": "bn2"
}
_EXPANDED = {"expand_conv": "conv_pw", "expand_bn": "bn1", "dwconv": "conv_dw", "bn": "bn2"} | {
    **{"project_conv": "conv_pwl", "project_bn": "bn3"}
}
_SQUEEZE = {"se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand"}
_ENDS = {"stem_conv": "conv_stem", "stem_bn": "bn1", "top_conv": "conv_head", "top_bn": "bn2"}


def timm_names(encoder: EfficientNetB0) -> dict[str, str]:
    """The name of each weight in timm's ``tf_efficientnet_b0``, by the encoder's own name.

    timm's model has the same layers but for the input's normalisation, which it leaves to its
    caller, and pads as an encoder with an ``input_shape`` does.

    Example:
        >>> timm_names(EfficientNetB0())["block2a.dwconv.weight"]
        'blocks.1.0.conv_dw.weight'
    """
    layers = dict(_ENDS)
    for i, stage in enumerate(encoder.blocks_args):
        for j in range(stage[1]):
            own = (_DEPTHWISE_FIRST if stage[3] == 1 else _EXPANDED) | _SQUEEZE
            name = _name(i + 1, j)
            layers |= {f"{name}.{ours}": f"blocks.{i}.{j}.{timm}" for ours, timm in own.items()}
    found = {}
    for key in encoder.state_dict():
        layer, _, name = key.rpartition(".")
        if layer in layers:
            found[key] = f"{layers[layer]}.{_NORMALIZED.get(name, name)}"
    return found


def to_timm(encoder: EfficientNetB0) -> dict[str, Tensor]:
    """The weights under timm's names, for ``load_state_dict`` of ``tf_efficientnet_b0``.

    That model answers ``encoder.normalization(x)`` as the encoder answers ``x``, where both pad the
    same: with an ``input_shape``, or where every halved size is even. The counters of batches that
    torch's batch normalisation keeps are 0.
    """
    state = encoder.state_dict()
    made = {timm: state[ours] for ours, timm in timm_names(encoder).items()}
    counters = {
        name.replace("running_mean", "num_batches_tracked"): torch.tensor(0)
        for name in made
        if name.endswith("running_mean")
    }
    return made | counters


def load_timm(encoder: EfficientNetB0, state: Mapping[str, Tensor]) -> None:
    """Loads the weights of timm's ``tf_efficientnet_b0`` (without its classifier).

    The encoder's ``normalization`` is left as it is.

    Args:
        encoder: of as many channels as timm's model (``in_chans``).
        state: its ``state_dict()``.

    Raises:
        LeafError: a weight that is missing or has another shape, or one that there is no place for.
    """
    names = timm_names(encoder)
    own = encoder.state_dict()
    given = {
        name: each
        for name, each in state.items()
        if not name.endswith("num_batches_tracked") and not name.startswith("classifier.")
    }
    wrong = sorted(set(names.values()) ^ given.keys())
    wrong += [
        name for key, name in names.items() if name in given and given[name].shape != own[key].shape
    ]
    if wrong:
        expected, fix = "the weights of tf_efficientnet_b0", "give in_channels as in_chans"
        got = f"missing, of another shape or without a place: {', '.join(wrong[:5])}"
        raise LeafError(OWNER, "state", expected, got, fix)
    with torch.no_grad():
        for key, name in names.items():
            own[key].copy_(given[name])
