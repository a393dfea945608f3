"""The official convolutional encoder."""

from typing import Any

import torch
from torch import nn

from leaf_port._description import described
from leaf_port._model_layers import MaxPool
from leaf_port.models import ConvNet
from parity import spec
from parity.layers._models import channels_last, maps, overflowing, weights_of
from parity.layers._reasons import (
    CONSTANT_MAPS,
    FUSED_BATCH_NORMALISATION,
    WEIGHT_GRADIENT,
)
from parity.layers._signatures import FIRST
from parity.oracles.exact import models


def _port(config: spec.Config) -> ConvNet:
    return ConvNet(config["filters"])


def _pools() -> str:
    """The first block pools, and of those behind it every other one from the second."""
    blocks = [*ConvNet([2] * 9).children()]
    pools = [i for i, block in enumerate(blocks) if isinstance([*block.children()][-1], MaxPool)]
    return "" if pools == [0, 1, 3, 5, 7] else f"blocks {pools} pool"


def _described(**arguments: Any) -> object:
    """What a folder would tell of a model."""
    return described(ConvNet([2], **arguments), "model")


def _hooked() -> nn.Module:
    """An activation that is another one by its hook."""
    activation = nn.ReLU()
    activation.register_forward_hook(lambda _layer, _inputs, output: 2.0 * output)
    return activation


def _exact(given: spec.Given) -> spec.Answer:
    depth = len(given.config["filters"])
    made, state = models.conv_net(given.inputs["inputs"], given.weights, depth, given.training)
    return spec.exactly(made, state=state)


_DRAWN = "not recorded: map=33x9,filters=3x4,training,draw=2751; TensorFlow 2.21"
_CLICK = (
    "not recorded: TensorFlow 2.21 without oneDNN, map=25x16,filters=4x6x5,training,click,draw=4528"
)

SPEC = spec.LayerSpec(
    name="conv_net",
    mirrors="models.py, lines 94-102",
    port=_port,
    official=lambda config: spec.Ref("leaf_audio.models.ConvNet")(filters=list(config["filters"])),
    configs=spec.grid(map=[(25, 16), (33, 9)], filters=[(4, 6, 5), (3, 4)]),
    inputs=maps,
    weights=weights_of(_port),
    call=channels_last,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    exceptions=spec.Exceptions(
        divergences=("nan_in_max_pooling",),
        adverse=spec.Budget(
            port=spec.Bound(5, 2.501),
            reference=spec.Bound(77, 38.3, CONSTANT_MAPS, at=_CLICK),
            port_gradient=spec.Bound(
                51,
                29.057,
                WEIGHT_GRADIENT,
                at="map=25x16,filters=4x6x5,training,click,draw=1173635",
            ),
            reference_gradient=spec.Bound(96, 47.7, CONSTANT_MAPS, at=_CLICK),
            relative=3e-6,
            norm=63,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
            reason=CONSTANT_MAPS,
        ),
    ),
    sampling=spec.Sampling(
        explicit=(
            spec.Case("conv_net", {"map": [25, 16], "filters": [4, 6, 5]}, signal="nan", draw=1),
        ),
        unanswered=overflowing,
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 3.754),
        reference=spec.Bound(22, 11.45, FUSED_BATCH_NORMALISATION, at=_DRAWN),
        port_gradient=spec.Bound(5, 3.225),
        reference_gradient=spec.Bound(24, 12.33, FUSED_BATCH_NORMALISATION, at=_DRAWN),
        double=spec.Bound(5.6, 3.029),
        relative=3e-6,
        norm=11,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=FUSED_BATCH_NORMALISATION,
    ),
    signatures=(
        spec.Signature(
            ConvNet,
            "leaf_audio.models.ConvNet, leaf_audio.models.ConvBlock",
            own=FIRST,
            told_by={"dropout": "ConvBlock", "activation": "ConvBlock"},
            lacks={
                "num_filters": "the filters are those of each block",
                "max_pooling": "each block has its own",
            },
        ),
    ),
    laws=(spec.Law("the blocks that pool", _pools),),
    errors=(
        spec.ErrorCase(
            "normalization_layer",
            lambda: _described(normalization_layer=nn.BatchNorm2d),
            "has no folders",
        ),
        spec.ErrorCase("activation", lambda: _described(activation=_hooked()), "has no folders"),
        spec.ErrorCase("filters", lambda: ConvNet([])),
        spec.ErrorCase("inputs", lambda: ConvNet([3, 3])(torch.ones(1, 1, 2, 2))),
    ),
)
