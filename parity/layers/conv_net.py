"""The official convolutional encoder."""

import torch

from leaf_port.models import ConvNet
from parity.layers._models import channels_last, maps, overflowing, weights_of
from parity.layers._reasons import (
    CONSTANT_MAPS,
    FUSED_BATCH_NORMALISATION,
    MEAN_IN_DOUBLE,
    WEIGHT_GRADIENT,
)
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
        port=Bound(4.8, 2.381),
        reference=Bound(32, 15.699, FUSED_BATCH_NORMALISATION, at="map=33x9,filters=3x4,training"),
        port_gradient=Bound(7.4, 3.671),
        reference_gradient=Bound(
            39, 19.153, FUSED_BATCH_NORMALISATION, at="map=33x9,filters=3x4,training,draw=33209447"
        ),
        double=Bound(
            57, 28.4, MEAN_IN_DOUBLE, at="not recorded: map=25x16,filters=4x6x5,training,draw=23"
        ),
        relative=3e-6,
        norm=25,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=FUSED_BATCH_NORMALISATION,
    ),
    adverse=Budget(
        port=Bound(7.14, 2.381),
        reference=Bound(
            170.08, 66.056, CONSTANT_MAPS, at="map=33x9,filters=3x4,training,denormal,draw=918"
        ),
        port_gradient=Bound(
            60.66, 20.222, WEIGHT_GRADIENT, at="map=33x9,filters=3x4,training,click,draw=200872052"
        ),
        reference_gradient=Bound(
            133.4, 47.727, CONSTANT_MAPS, at="map=33x9,filters=3x4,training,silence,draw=16777217"
        ),
        relative=3e-6,
        norm=72,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=CONSTANT_MAPS,
    ),
    errors=(
        ErrorCase("filters", lambda: ConvNet([])),
        ErrorCase("inputs", lambda: ConvNet([3, 3])(torch.ones(1, 1, 2, 2))),
    ),
)
