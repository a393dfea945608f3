"""The official convolutional encoder."""

import torch

from leaf_port.models import ConvNet
from parity.layers._models import channels_last, maps, overflowing, weights_of
from parity.layers._reasons import CONSTANT_MAPS, FUSED_BATCH_NORMALISATION
from parity.oracles.exact import models
from parity.spec import (
    Answer,
    Bound,
    Budget,
    Case,
    Config,
    ErrorCase,
    Given,
    LayerSpec,
    Ref,
    exactly,
    grid,
)


def _port(config: Config) -> ConvNet:
    return ConvNet(config["filters"])


def _exact(given: Given) -> Answer:
    depth = len(given.config["filters"])
    made, state = models.conv_net(given.inputs["inputs"], given.weights, depth, given.training)
    return exactly(made, state=state)


_OFFICIAL = "TensorFlow's fused batch normalisation adds up the variance in plain float32"

SPEC = LayerSpec(
    name="conv_net",
    mirrors="models.py, lines 94-102",
    port=_port,
    official=lambda config: Ref("leaf_audio.models.ConvNet")(filters=list(config["filters"])),
    configs=grid(map=[(25, 16), (33, 9)], filters=[(4, 6, 5), (3, 4)]),
    inputs=maps,
    weights=weights_of(_port),
    call=channels_last,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    divergences=("nan_in_max_pooling",),
    explicit=(Case("conv_net", {"map": [25, 16], "filters": [4, 6, 5]}, signal="nan", draw=1),),
    unanswered=overflowing,
    budget=Budget(
        port=Bound(5.6, 2.761),
        reference=Bound(34, 16.57, FUSED_BATCH_NORMALISATION),
        port_gradient=Bound(8.3, 4.103),
        reference_gradient=Bound(29, 14.042, FUSED_BATCH_NORMALISATION),
        relative=3e-6,
        norm=25,
        measured="17, 14 units in 65 recorded and drawn cases; torch 2.13.0, TF 2.13.1",
        reason=FUSED_BATCH_NORMALISATION,
    ),
    adverse=Budget(
        port=Bound(5.6, 2.761),
        reference=Bound(174, 86.9, CONSTANT_MAPS),
        port_gradient=Bound(31, 15.284, CONSTANT_MAPS),
        reference_gradient=Bound(160, 78.4, CONSTANT_MAPS),
        relative=3e-6,
        norm=72,
        measured="30, 78 units in 65 recorded and drawn cases; torch 2.13.0, TF 2.13.1",
        reason=CONSTANT_MAPS,
    ),
    errors=(
        ErrorCase("filters", lambda: ConvNet([])),
        ErrorCase("inputs", lambda: ConvNet([3, 3])(torch.ones(1, 1, 2, 2))),
    ),
)
