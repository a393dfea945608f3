"""The official classifiers: AudioClassifier, ConvNet, PANN and WaveGram (leaf_audio/models.py).

Layout: a map of four axes is ``(batch, channels, frames, filters)``, torch's counterpart of the
official ``(batch, frames, filters, channels)``, so that torch's image encoders fit. Models of one
dimension keep the official ``(batch, time, channels)``. The members of a Keras Sequential are the
children of an ``nn.Sequential`` in the same order, activations, dropout and pooling included.
Keras finds the number of input channels by itself; here it is an argument.

Dropout and batch normalisation follow ``module.training``. (The official ``AudioClassifier.call``
has ``training=True`` by default; a Keras Sequential called by itself has False.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from leaf_port import _checks, _registry
from leaf_port._model_layers import (
    MAP,
    Activation,
    GlobalMaxPool2d,
    MapSequential,
    MaxPool,
    Normalization,
    SameAvgPool2d,
    SameConv1d,
    channel_counts,
    conv2d,
    glorot,
    name_of,
    new_activation,
    new_normalization,
    share,
)
from leaf_port.channels_first import ChannelsFirst
from leaf_port.errors import LeafError
from leaf_port.normalization import BatchNormalization
from leaf_port.pretrained import FromPretrained


@_registry.kind
class AudioClassifier(FromPretrained, nn.Module):
    """``head(max over frames and filters of encoder(frontend(x)))``: one number per class.

    Args:
        num_outputs: number of classes.
        frontend: waveform to ``(batch, frames, filters)``, which becomes a map of one channel;
            without one, the encoder receives the input as it is.
        encoder: map to map, ``(batch, channels, frames, filters)``; without one, the frontend's
            output is pooled as it is, to one number a clip.
        num_features: channels of the map that is pooled, which is the input width of ``head``;
            needed where the encoder has no attribute ``out_channels`` that tells it.

    Shape:
        what the frontend takes, to ``(batch, num_outputs)``.

    Raises:
        LeafError: bad argument, width of ``head`` unknown or contradictory, or a frontend or an
            encoder whose output has another shape.

    Source: models.py, lines 25-59.
    """

    def __init__(
        self,
        num_outputs: int,
        frontend: nn.Module | None = None,
        encoder: nn.Module | None = None,
        *,
        num_features: int | None = None,
    ) -> None:
        super().__init__()
        outputs = _checks.at_least("AudioClassifier", "num_outputs", num_outputs)
        for argument, part in (("frontend", frontend), ("encoder", encoder)):
            if part is not None and not isinstance(part, nn.Module):
                expected, fix = "a torch.nn.Module or None", "give a layer, not its class or name"
                raise LeafError("AudioClassifier", argument, expected, repr(part), fix)
        if isinstance(frontend, ChannelsFirst):
            expected, fix = "frames before filters", "give the frontend that it wraps"
            raise LeafError("AudioClassifier", "frontend", expected, "ChannelsFirst", fix)
        width = _head_width(frontend, encoder, num_features)
        self.frontend = frontend
        self.encoder = encoder
        self.pool = GlobalMaxPool2d(width)
        self.head = glorot(nn.Linear(width, outputs))

    def _arguments(self) -> dict[str, Any]:
        """What ``save_pretrained`` writes: its parts as they are by now."""
        told: dict[str, Any] = {"frontend": self.frontend, "encoder": self.encoder}
        if self.frontend is None and self.encoder is None:  # no part tells it
            told["num_features"] = self.head.in_features
        return {"num_outputs": self.head.out_features, **told}

    def forward(self, inputs: Tensor) -> Tensor:
        """``inputs`` to logits, ``(batch, num_outputs)``."""
        output = inputs
        if self.frontend is not None:
            output = _as_map(self.frontend(output))
        if self.encoder is not None:
            output = self.encoder(output)
        logits: Tensor = self.head(self.pool(output))
        return logits


class ConvBlock(MapSequential):
    """Convolution over time, then over frequency, each with activation and normalisation.

    Children: ``Conv2d(3 x 1)``, activation, normalisation (unless None), dropout (if above 0), the
    same four with ``Conv2d(1 x 3)``, 2 x 2 max pooling (if asked for; an odd last row or column is
    dropped). Convolutions keep the size (zero padding) and have a bias.

    Args:
        num_filters: channels of the output.
        activation: Keras' name (``"relu"``), a module, a function of a tensor, or None.
        normalization_layer: called with the number of channels, once for each normalisation.
        dropout: share of the values that training sets to 0.
        max_pooling: whether to halve both axes at the end.
        in_channels: channels of the input.

    Shape:
        ``(batch, in_channels, frames, filters)`` to ``(batch, num_filters, frames', filters')``.

    Raises:
        LeafError: bad argument, another input, or a map too small to pool. (On such a map the
            official code fails inside oneDNN, or without oneDNN gives an empty map.)

    Source: models.py, lines 62-91.
    """

    def __init__(
        self,
        num_filters: int,
        activation: Activation = "relu",
        normalization_layer: Normalization = BatchNormalization,
        dropout: float = 0.0,
        max_pooling: bool = True,
        *,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.in_channels = _checks.at_least("ConvBlock", "in_channels", in_channels)
        self.out_channels = _checks.at_least("ConvBlock", "num_filters", num_filters)
        rate = share("ConvBlock", "dropout", dropout)
        for channels, kernel_size in ((in_channels, (3, 1)), (num_filters, (1, 3))):
            self.append(conv2d(channels, num_filters, kernel_size, bias=True))
            self.append(new_activation("ConvBlock", activation))
            if normalization_layer is not None:
                self.append(new_normalization("ConvBlock", normalization_layer, num_filters))
            if rate > 0.0:
                self.append(nn.Dropout(rate))
        if max_pooling:
            self.append(MaxPool("ConvBlock", (2, 2)))


@_registry.kind
class ConvNet(MapSequential):
    """A sequence of :class:`ConvBlock`, of which the first, second, fourth, sixth... pool.

    Args:
        filters: channels of each block's output.
        activation, normalization_layer, dropout: of every block.
        in_channels: channels of the input.

    Shape:
        ``(batch, in_channels, frames, filters)`` to ``(batch, filters[-1], frames', filters')``.

    Raises:
        LeafError: bad argument, another input, or a map too small to pool.

    Source: models.py, lines 94-101.
    """

    def __init__(
        self,
        filters: Sequence[int],
        activation: Activation = "relu",
        normalization_layer: Normalization = BatchNormalization,
        dropout: float = 0.0,
        *,
        in_channels: int = 1,
    ) -> None:
        super().__init__()
        channels = self.in_channels = _checks.at_least("ConvNet", "in_channels", in_channels)
        for i, depth in enumerate(channel_counts("ConvNet", "filters", filters)):
            pools = i == 0 or i % 2 == 1
            layer, drop = normalization_layer, dropout
            self.append(ConvBlock(depth, activation, layer, drop, pools, in_channels=channels))
            channels = depth
        self.out_channels = channels

    def _arguments(self) -> dict[str, Any]:
        """What ``save_pretrained`` writes, as the first block has it."""
        blocks = [block for block in self if isinstance(block, ConvBlock)]
        layers = list(blocks[0])
        second = next(i for i, each in enumerate(layers[1:], 1) if isinstance(each, nn.Conv2d))
        drops = [each.p for each in layers[:second] if isinstance(each, nn.Dropout)]
        norms = [each for each in layers[2:second] if not isinstance(each, nn.Dropout)]
        made: dict[str, Any] = {"filters": [block.out_channels for block in blocks]}
        made |= {"activation": name_of(layers[1]), "dropout": drops[0] if drops else 0.0}
        if not norms or type(norms[0]) is not BatchNormalization:
            made["normalization_layer"] = norms[0] if norms else None
        return {**made, "in_channels": self.in_channels}


class PANNWavBlock(nn.Sequential):
    """Two dilated convolutions of 3 taps (dilation 1, then 2), then max pooling over time.

    Children: ``Conv1d`` without bias, :class:`BatchNormalization`, ``ReLU``, the same three, max
    pooling (the last samples are dropped where they do not fill a window).

    Args:
        filters: channels of the output.
        pool_size: window and hop of the pooling, in samples.
        in_channels: channels of the input.

    Shape:
        ``(batch, time, in_channels)`` to ``(batch, time // pool_size, filters)``.

    Raises:
        LeafError: bad argument, another input, or one too short to pool.

    Source: models.py, lines 104-129.
    """

    def __init__(self, filters: int, pool_size: int, *, in_channels: int) -> None:
        super().__init__()
        owner = "PANNWavBlock"
        self.in_channels = _checks.at_least(owner, "in_channels", in_channels)
        self.out_channels = _checks.at_least(owner, "filters", filters)
        window = _checks.at_least(owner, "pool_size", pool_size)
        for channels, dilation in ((in_channels, 1), (filters, 2)):
            self.append(SameConv1d(channels, filters, 3, dilation=dilation))
            self.append(BatchNormalization(filters))
            self.append(nn.ReLU())
        self.append(MaxPool(owner, (window,)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Applies the children in order, with the channels on axis 1 in between."""
        owner = "PANNWavBlock"
        _checks.shaped(owner, inputs, (None, None, self.in_channels), "(batch, time, channels)")
        _checks.same_dtype(owner, inputs, next(self.parameters()))
        output = inputs.mT
        for layer in self:
            output = layer(output)
        return output.mT


class PANNConvBlock(MapSequential):
    """Two 3 x 3 convolutions, then average pooling.

    Children: ``Conv2d`` without bias, :class:`BatchNormalization`, ``ReLU``, the same three,
    average pooling with TensorFlow's SAME padding, which the averages leave out. Convolutions keep
    the size.

    Args:
        filters: channels of the output.
        pool_size: window and hop of the pooling over ``(frames, filters)``.
        in_channels: channels of the input.

    Shape:
        ``(batch, in_channels, frames, filters)`` to ``(batch, filters, ceil(frames / pool_size[0]),
        ceil(filters / pool_size[1]))``.

    Raises:
        LeafError: bad argument or another input.

    Source: models.py, lines 132-158.
    """

    def __init__(self, filters: int, pool_size: tuple[int, int], *, in_channels: int) -> None:
        super().__init__()
        owner = "PANNConvBlock"
        self.in_channels = _checks.at_least(owner, "in_channels", in_channels)
        self.out_channels = _checks.at_least(owner, "filters", filters)
        for channels in (in_channels, filters):
            self.append(conv2d(channels, filters, (3, 3), bias=False))
            self.append(BatchNormalization(filters))
            self.append(nn.ReLU())
        self.append(SameAvgPool2d(owner, pool_size))


@_registry.kind
class WaveGram(nn.Module):
    """PANN's learned map of a waveform (https://arxiv.org/abs/1912.10211).

    ``pre_conv0`` (64 filters of 11 taps every 5 samples, SAME padding), ``pre_bn0``, ReLU, three
    :class:`PANNWavBlock` and a :class:`PANNConvBlock` that halves the frames.

    The output is a map already, so ``WaveGram`` is an *encoder* of :class:`AudioClassifier`, with
    no frontend, as in the official code.

    Shape:
        ``(batch, samples)`` or ``(batch, samples, 1)``, of at least 316 samples, to
        ``(batch, 1, frames, 64)`` with ``frames = ceil(ceil(samples / 5) // 64 / 2)``; the official
        one is ``(batch, frames, 64, 1)``.

    Raises:
        LeafError: another input, or one too short to pool.

    Source: models.py, lines 161-188.
    """

    out_channels = 1

    def __init__(self) -> None:
        super().__init__()
        self.pre_conv0 = SameConv1d(1, 64, 11, stride=5)
        self.pre_bn0 = BatchNormalization(64)
        widths = ((64, 64), (64, 128), (128, 128))
        self.pre_blocks = nn.Sequential(*(PANNWavBlock(n, 4, in_channels=m) for m, n in widths))
        self.last_block = PANNConvBlock(64, (2, 1), in_channels=128)

    def _arguments(self) -> dict[str, Any]:
        return {}

    def forward(self, inputs: Tensor) -> Tensor:
        """``inputs`` to a map of one channel."""
        x = _checks.waveform("WaveGram", inputs)
        _checks.same_dtype("WaveGram", x, self.pre_conv0.weight)
        x = F.relu(self.pre_bn0(self.pre_conv0(x.mT)))
        # (batch, channels, time, 1), channels last in memory (vmap knows no memory format).
        x = self.pre_blocks(x.mT).contiguous().unsqueeze(2).permute(0, 3, 1, 2)
        # Not a view: torch 2.13 cannot compile the training of one of dynamic length.
        output: Tensor = self.last_block(x.clone())
        return output.permute(0, 3, 2, 1)


@_registry.kind
class PANN(MapSequential):
    """CNN14 of PANN (https://arxiv.org/abs/1912.10211), by default.

    Children: :class:`BatchNormalization` over the filters, then ``depth`` times a
    :class:`PANNConvBlock` (64 channels, doubling up to 2048; 2 x 2 pooling in the first five, none
    after) and a dropout.

    Args:
        depth: number of blocks.
        dropout_rate: share of the values that training sets to 0 after each block.
        num_features: filters of the input map.
        in_channels: channels of the input map.

    Shape:
        ``(batch, in_channels, frames, num_features)`` to ``(batch, channels, frames', filters')``.

    Raises:
        LeafError: bad argument or another input.

    Source: models.py, lines 191-214.
    """

    def __init__(
        self, depth: int = 6, dropout_rate: float = 0.2, *, num_features: int, in_channels: int = 1
    ) -> None:
        super().__init__(BatchNormalization(num_features, axis=3))
        channels = self.in_channels = _checks.at_least("PANN", "in_channels", in_channels)
        rate = share("PANN", "dropout_rate", dropout_rate)
        for i in range(_checks.at_least("PANN", "depth", depth)):
            filters = min(64 * 2**i, 2048)
            pool_size = (2, 2) if i < 5 else (1, 1)
            self.append(PANNConvBlock(filters, pool_size, in_channels=channels))
            self.append(nn.Dropout(rate))
            channels = filters
        self.out_channels = channels

    def _arguments(self) -> dict[str, Any]:
        """What ``save_pretrained`` writes."""
        told = {"depth": (len(self) - 1) // 2, "dropout_rate": self[2].p}
        return {**told, "num_features": self[0].size, "in_channels": self.in_channels}


def _as_map(features: Tensor) -> Tensor:
    """``(batch, frames, filters)`` as a map of one channel."""
    if not isinstance(features, Tensor) or features.ndim != 3:
        got = str(tuple(features.shape)) if isinstance(features, Tensor) else repr(type(features))
        fix = "a model that gives a map, as WaveGram does, is an encoder, with frontend=None"
        expected = "an output of shape (batch, frames, filters)"
        raise LeafError("AudioClassifier", "frontend", expected, got, fix)
    return features.unsqueeze(1)


def _head_width(
    frontend: nn.Module | None, encoder: nn.Module | None, num_features: int | None
) -> int:
    """The number of channels that are pooled: as the encoder tells it, or as given."""
    told = getattr(encoder, "out_channels", None)
    if encoder is None and frontend is not None:
        told = 1
    if num_features is None:
        if not isinstance(told, int):
            expected = f"the channels of the pooled map, {MAP}"
            fix = "give num_features, or an encoder that has the attribute out_channels"
            raise LeafError("AudioClassifier", "num_features", expected, "neither", fix)
        return told
    given = _checks.at_least("AudioClassifier", "num_features", num_features)
    if isinstance(told, int) and told != given:
        fix = "leave num_features out"
        raise LeafError("AudioClassifier", "num_features", f"{told}, as pooled", given, fix)
    return given
