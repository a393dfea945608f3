"""The official classifiers. Source: leaf_audio/models.py.

Every function takes the weights by the path below its model and gives, beside its output, the
moving statistics after the call by the same paths. Dropout is 0 in all that is declared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from parity.oracles.exact import activations, normalisation, pooling
from parity.oracles.exact.convolution import conv1d, conv2d
from parity.oracles.exact.types import Array, Weights, below

Map = tuple[Array, dict[str, Array]]
Layer = Callable[[Array, Weights], Map]


def relu(x: Array) -> Array:
    """``max(x, 0)``."""
    return np.maximum(x, 0.0)


def _chain(x: Array, weights: Weights, layers: Sequence[tuple[str, Layer]]) -> Map:
    """Layers one after the other, each with the weights below its path."""
    state: dict[str, Array] = {}
    for path, layer in layers:
        x, moved = layer(x, below(weights, path))
        state |= {path + name: value for name, value in moved.items()}
    return x, state


def _batch(training: bool, axis: int = -1) -> Layer:
    return lambda x, weights: normalisation.batch(x, weights, axis, training)


def _plain(function: Callable[[Array], Array]) -> Layer:
    return lambda x, _weights: (function(x), {})


def _map_convolution(x: Array, weights: Weights) -> Map:
    return conv2d(x, weights["kernel"]) + weights.get("bias", 0.0), {}


def _time_convolution(stride: int = 1, dilation: int = 1) -> Layer:
    return lambda x, weights: (conv1d(x, weights["kernel"], stride, "SAME", dilation), {})


def conv_block(
    x: Array, weights: Weights, activation: str | None, pools: bool, training: bool
) -> Map:
    """Twice convolution, activation and normalisation (if its weights are there); 2 x 2 maximum: a
    map. Source: lines 62-91.
    """
    act = _plain(lambda y: activations.activation(activation or "linear", y))
    half: list[tuple[str, Layer]] = []
    step = 2 if "layer_with_weights-1/gamma" in weights else 1
    for index in (0, step):
        half += [(f"layer_with_weights-{index}/", _map_convolution), ("", act)]
        if step == 2:
            half.append((f"layer_with_weights-{index + 1}/", _batch(training)))
    made, state = _chain(x, weights, half)
    return (pooling.maximum_2d(made) if pools else made), state


def conv_net(
    x: Array, weights: Weights, depth: int, training: bool, activation: str | None = "relu"
) -> Map:
    """Blocks of which the first, second, fourth ... pool: a map. Source: lines 94-102."""

    def block(index: int) -> Layer:
        pools = index == 0 or index % 2 == 1
        return lambda y, own: conv_block(y, own, activation, pools, training)

    blocks = [(f"layer_with_weights-{index}/", block(index)) for index in range(depth)]
    return _chain(x, weights, blocks)


def pann_wav_block(x: Array, weights: Weights, pool: int, training: bool) -> Map:
    """Two dilated convolutions, maximum over time: (batch, time, filters). Source: lines
    105-127.
    """
    layers: list[tuple[str, Layer]] = []
    for index, dilation in ((0, 1), (2, 2)):
        layers.append((f"layer_with_weights-{index}/", _time_convolution(1, dilation)))
        layers.append((f"layer_with_weights-{index + 1}/", _batch(training)))
        layers.append(("", _plain(relu)))
    layers.append(("", _plain(lambda y: pooling.maximum(y, pool, pool, "VALID"))))
    return _chain(x, weights, layers)


def pann_conv_block(x: Array, weights: Weights, pool: tuple[int, int], training: bool) -> Map:
    """Two 3 x 3 convolutions, mean: a map. Source: lines 130-158."""
    layers: list[tuple[str, Layer]] = []
    for index in (0, 2):
        layers.append((f"layer_with_weights-{index}/", _map_convolution))
        layers.append((f"layer_with_weights-{index + 1}/", _batch(training)))
        layers.append(("", _plain(relu)))
    layers.append(("", _plain(lambda y: pooling.average_2d(y, pool))))
    return _chain(x, weights, layers)


def pann(x: Array, weights: Weights, depth: int, training: bool) -> Map:
    """Normalisation over the filters, then blocks: a map. Source: lines 196-214."""

    def block(index: int) -> Layer:
        pool = (2, 2) if index < 5 else (1, 1)
        return lambda y, own: pann_conv_block(y, own, pool, training)

    layers: list[tuple[str, Layer]] = [("layer_with_weights-0/", _batch(training, axis=2))]
    layers += [(f"layer_with_weights-{index + 1}/", block(index)) for index in range(depth)]
    return _chain(x, weights, layers)


def wavegram(x: Array, weights: Weights, training: bool) -> Map:
    """A waveform (batch, samples) to (batch, frames, 64, 1). Source: lines 161-193."""

    def wav_block(y: Array, own: Weights) -> Map:
        return pann_wav_block(y, own, 4, training)

    layers: list[tuple[str, Layer]] = [
        ("pre_conv0/", _time_convolution(stride=5)),
        ("pre_bn0/", _batch(training)),
        ("", _plain(relu)),
        *((f"pre_blocks/layer_with_weights-{index}/", wav_block) for index in range(3)),
        ("", _plain(lambda y: y[:, :, None, :])),
        ("last_block/", lambda y, own: pann_conv_block(y, own, (2, 1), training)),
        ("", _plain(lambda y: y.transpose(0, 1, 3, 2))),
    ]
    return _chain(x if x.ndim == 3 else x[:, :, None], weights, layers)


def head(x: Array, weights: Weights) -> Array:
    """Maximum over frames and filters of a map, then a dense layer: (batch, classes).

    Source: lines 44-49.
    """
    return np.asarray(x.max(axis=(1, 2)) @ weights["kernel"] + weights["bias"])
