"""Keras' EfficientNetB0, the encoder of the paper's results; here with fewer and smaller blocks."""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from leaf_port.efficientnet import BLOCKS, EfficientNetB0
from leaf_port.normalization import BatchNormalization
from parity import spec
from parity.layers import _efficientnet_laws as own_laws
from parity.layers import _encoder_laws, _installation_laws
from parity.layers._common import autocast_half, normal, uniform
from parity.layers._models import channels_last, once
from parity.layers._signatures import FIRST
from parity.oracles.exact import efficientnet
from parity.spec.random_arrays import Source

# Every kind of block: not expanded, strided, repeated (with its sum), of either kernel.
_BLOCKS = ((3, 1, 16, 1, 1), (5, 2, 8, 2, 2), (3, 1, 8, 2, 2), (3, 1, 8, 3, 2))
_OF_ALL = "Keras hands it on to EfficientNet, which all of them are, by a keyword with this default"
_NAMES = ("kernel_size", "repeats", "filters_out", "expand_ratio", "strides")


def _port(config: spec.Config) -> EfficientNetB0:
    channels, shape = config["channels"], config["map"] if config["known"] else None
    if config.get("default"):
        return EfficientNetB0(channels, 0.0, input_shape=shape)
    return EfficientNetB0(channels, 0.0, input_shape=shape, blocks_args=_BLOCKS)


def _official(config: spec.Config) -> spec.Ref:
    shape = [*(config["map"] if config["known"] else (None, None)), config["channels"]]
    given = {"input_shape": shape, "drop_connect_rate": 0.0}
    if not config.get("default"):
        given["blocks_args"] = list(_blocks_args())
    return spec.Ref("efficientnet")(**given)


def _blocks_args() -> Iterator[dict[str, object]]:
    """The blocks as Keras is told them."""
    channels = 32
    for stage in _BLOCKS:
        told = dict(zip(_NAMES, stage, strict=True))
        yield {**told, "filters_in": channels, "id_skip": True, "se_ratio": 0.25}
        channels = stage[2]


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """One channel, which Keras repeats where the model is made for three, as large as pixels."""
    frames, filters = config["map"]
    return {"inputs": source.normal((2, frames, filters, 1), 100.0)}


def _own(layer: nn.Module) -> Iterator[tuple[str, str, spec.Weight]]:
    if isinstance(layer, BatchNormalization):
        yield "gamma", "gamma", spec.Weight("", uniform(0.5, 1.5))
        yield "beta", "beta", spec.Weight("", normal(0.3))
        yield "moving_mean", "moving_mean", spec.Weight("", normal(0.2), differentiable=False)
        variance = spec.Weight("", uniform(0.5, 1.5), differentiable=False)
        yield "moving_variance", "moving_variance", variance
    elif not isinstance(layer, nn.Conv2d):
        yield "mean", "mean", spec.Weight("", normal(0.1), differentiable=False)
        yield "variance", "variance", spec.Weight("", uniform(0.5, 1.5), differentiable=False)
    else:
        depthwise = layer.groups > 1
        draw = normal(1.0 / math.sqrt(layer.weight[0].numel()))
        name, axes = ("depthwise_kernel", (2, 3, 0, 1)) if depthwise else ("kernel", (3, 2, 0, 1))
        yield name, "weight", spec.Weight("", draw, axes)
        if layer.bias is not None:
            yield "bias", "bias", spec.Weight("", normal(0.1))


def _layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Those with weights, in the model's order."""
    for name, each in model.named_modules():
        if not any(True for _ in each.children()):
            yield name, each


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    return {
        f"{name.replace('.', '_')}/{official}": spec.Weight(
            f"{name}.{own}", weight.draw, weight.axes, differentiable=weight.differentiable
        )
        for name, layer in _layers(_port(config))
        for official, own, weight in _own(layer)
    }


def _exact(given: spec.Given) -> spec.Answer:
    numbers = efficientnet.numbered(list(given.weights))
    made, moved = efficientnet.efficientnet(
        given.inputs["inputs"],
        {numbers[path]: value for path, value in given.weights.items()},
        given.config["known"],
        given.training,
        _BLOCKS,
    )
    state = {path: moved[number] for path, number in numbers.items() if number in moved}
    if given.training:  # which does not move them
        kept = ("normalization/mean", "normalization/variance")
        state |= {path: given.weights[path] for path in kept}
    return spec.exactly(made, state=state)


# Kernel size, repeats, filters, expansion ratio and stride: one of them wrong in each.
_WRONG_ROWS = (
    *((size, 1, 16, 1, 1) for size in (0, 1, 2, 4, 3.5)),
    *((3, repeats, 16, 1, 1) for repeats in (0, 1.5)),
    *((3, 1, filters, 1, 1) for filters in (0, 12, 20)),
    *((3, 1, 16, ratio, 1) for ratio in (0, 1.5)),
    *((3, 1, 16, 1, stride) for stride in (0, 3, 4)),
)


def _wrong(argument: str, *values: Any) -> Iterator[spec.ErrorCase]:
    """What the constructor refuses."""
    for value in values:
        yield spec.ErrorCase(argument, partial(EfficientNetB0, **{argument: value}))


def _on(size: tuple[int, int], channels: int = 1, **arguments: Any) -> torch.Tensor:
    """A model's answer to silence."""
    model = EfficientNetB0(**arguments, blocks_args=_BLOCKS)
    return model(torch.zeros(2, channels, *size))


SPEC = spec.LayerSpec(
    name="efficientnet_b0",
    mirrors="keras/src/applications/efficientnet.py, lines 199-430 and 446-556",
    port=_port,
    official=_official,
    configs=spec.grid(
        map=[(19, 16), (16, 17), (33, 34)],
        channels=[1, 3, 1],
        known=[False, False, True],
    ),
    inputs=_inputs,
    weights=once(_weights),
    too_large=[{"map": (64, 64), "channels": 1, "known": False, "default": True}],
    call=channels_last,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(6.5, 4.696),
        reference=spec.Bound(6.5, 4.171),
        port_gradient=spec.Bound(7, 6.86),
        reference_gradient=spec.Bound(6, 3.977),
        double=spec.Bound(7.5, 5.951),
        measured="torch 2.13.0, TF 2.13.1",
    ),
    signatures=(
        spec.Signature(
            EfficientNetB0,
            "tensorflow.keras.applications.EfficientNetB0",
            own={
                **FIRST,
                "drop_connect_rate": spec.Own(0.2, _OF_ALL),
                "blocks_args": spec.Own(BLOCKS, _OF_ALL),
            },
            lacks={
                "include_top": "an encoder has no classifier",
                "weights": "from_pretrained loads them",
                "input_tensor": "torch has no symbolic tensors",
                "pooling": "the official classifier pools the map",
                "classes": "of the classifier at its top",
                "classifier_activation": "of the classifier at its top",
            },
        ),
    ),
    laws=(
        spec.Law("initial kernels", own_laws.initial_kernels),
        spec.Law("clips that training drops", own_laws.dropped_clips),
        spec.Law("rising rates", own_laws.rising_rates),
        spec.Law("the published stages", own_laws.as_published),
        spec.Law("maps without an axis of clips", own_laws.maps_alone),
        spec.Law("blocks of few channels", own_laws.few_channels),
        spec.Law("timm's names", _encoder_laws.names_of_timm),
        spec.Law("weights to timm and back", _encoder_laws.to_and_from_timm),
        spec.Law("encoders of timm", _encoder_laws.encoders_of_timm),
        spec.Law("how an extra is installed", _installation_laws.hints),
        spec.Law("how it is installed behind a link", _installation_laws.behind_a_link),
        spec.Law("a channel for all", own_laws.repeated_channel),
        spec.Law("inputs that do not vary", own_laws.constant_channels),
        autocast_half(EfficientNetB0, (2, 1, 32, 33)),
    ),
    errors=(
        spec.ErrorCase("in_channels", lambda: EfficientNetB0(0)),
        spec.ErrorCase("drop_connect_rate", lambda: EfficientNetB0(1, 1.5)),
        *_wrong("input_shape", (31, 40), (40, 31), (40,), (40, 40, 40), (40.0, 40), "40", 40),
        *_wrong("blocks_args", [], 7, [7], ["31161"], [(3, 1, 16)]),
        *_wrong("blocks_args", *([row] for row in _WRONG_ROWS)),
        spec.ErrorCase("inputs", lambda: _on((15, 16)), "fails in its pooling"),
        spec.ErrorCase("inputs", lambda: _on((16, 15)), "fails in its pooling"),
        spec.ErrorCase("inputs", lambda: _on((33, 40), input_shape=(32, 40))),
        spec.ErrorCase("inputs", lambda: _on((33, 40), 2, in_channels=3)),
    ),
)
