"""Keras' EfficientNet. Source: keras/src/applications/efficientnet.py, without its top.

Weights are numbered as Keras numbers the layers of the model that have some.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from parity.oracles.exact import normalisation
from parity.oracles.exact.activations import activation
from parity.oracles.exact.convolution import conv2d, padded, same_padding
from parity.oracles.exact.models import Map
from parity.oracles.exact.types import Array, Weights

Stage = Sequence[int]

B0: Sequence[Stage] = (
    *((3, 1, 16, 1, 1), (3, 2, 24, 6, 2), (5, 2, 40, 6, 2), (3, 3, 80, 6, 2)),
    *((5, 3, 112, 6, 1), (5, 4, 192, 6, 2), (3, 1, 320, 6, 1)),
)
"""Kernel size, repeats, filters, expansion ratio and stride."""


class _Layers:
    """Gives the layers their weights in order, and keeps the moving statistics."""

    def __init__(self, weights: Weights, training: bool) -> None:
        self._training = training
        self._of = defaultdict[str, dict[str, Array]](dict)
        for path, value in weights.items():
            layer, _, name = path.partition("/")
            self._of[layer][name] = value
        self._next = (f"layer_with_weights-{number}" for number in itertools.count())
        self.state: dict[str, Array] = {}

    def own(self) -> Weights:
        """Of the next layer."""
        return self._of[next(self._next)]

    def convolved(self, x: Array) -> Array:
        """A convolution of stride 1 that keeps the size."""
        weights = self.own()
        return conv2d(x, weights["kernel"]) + weights.get("bias", 0.0)

    def normalised(self, x: Array) -> Array:
        """Batch normalisation over the channels."""
        layer = next(self._next)
        made, moved = normalisation.batch(x, self._of[layer], -1, self._training)
        self.state |= {f"{layer}/{name}": value for name, value in moved.items()}
        return made


def _pads(x: Array, size: int, known: bool) -> Sequence[tuple[int, int]]:
    """``correct_pad`` of both axes, for a stride of 2."""
    if known:
        return [same_padding(length, size, 2) for length in x.shape[1:3]]
    return [(size // 2 - 1, size // 2)] * 2


def _windows(x: Array, size: int, stride: int, known: bool) -> Array:
    """(batch, height, width, channels, rows, columns), padded."""
    half = (size // 2, size // 2)
    pads = [half, half] if stride == 1 else _pads(x, size, known)
    around = padded(x, [(0, 0), *pads, (0, 0)])
    return sliding_window_view(around, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def _swish(x: Array) -> Array:
    return activation("swish", x)


def _block(x: Array, layers: _Layers, stage: Stage, stride: int, known: bool) -> Array:
    size, _, filters, ratio, _ = stage
    inputs = x
    if ratio != 1:
        x = _swish(layers.normalised(layers.convolved(x)))
    kernel = layers.own()["depthwise_kernel"][..., 0]
    x = np.einsum("bhwcij,ijc->bhwc", _windows(x, size, stride, known), kernel)
    x = _swish(layers.normalised(x))
    squeezed = _swish(layers.convolved(x.mean(axis=(1, 2), keepdims=True)))
    x = x * activation("sigmoid", layers.convolved(squeezed))
    x = layers.normalised(layers.convolved(x))
    return x + inputs if stride == 1 and inputs.shape[-1] == filters else x


def efficientnet(
    x: Array, weights: Weights, known: bool, training: bool, stages: Sequence[Stage] = B0
) -> Map:
    """A map (batch, frames, filters, channels) to one of 1280 channels; no block is dropped.

    Args: known: whether Keras knew the sizes of the map when it built the model.
    """
    layers = _Layers(weights, training)
    constants = layers.own()
    deviation = np.maximum(np.sqrt(constants["variance"]), normalisation.KERAS_EPSILON)
    x = (x / 255.0 - constants["mean"]) / deviation
    kernel = layers.own()["kernel"]
    x = np.einsum("bhwcij,ijcf->bhwf", _windows(x, len(kernel), 2, known), kernel)
    x = _swish(layers.normalised(x))
    for stage in stages:
        for repeat in range(stage[1]):
            x = _block(x, layers, stage, 1 if repeat else stage[4], known)
    x = _swish(layers.normalised(layers.convolved(x)))
    return x, layers.state


def numbered(paths: Sequence[str]) -> dict[str, str]:
    """``layer/name`` of the weights, by the model's order, to the same with the layer's number."""
    order = list(dict.fromkeys(path.partition("/")[0] for path in paths))
    numbers = {name: f"layer_with_weights-{i}" for i, name in enumerate(order)}
    return {path: f"{numbers[path.partition('/')[0]]}/{path.partition('/')[2]}" for path in paths}
