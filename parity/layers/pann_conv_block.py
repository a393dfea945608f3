"""The block of PANN."""

from leaf_port.models import PANNConvBlock
from parity.layers._models import channels_last, maps, weights_of
from parity.oracles.exact import models
from parity.spec import (
    Answer,
    Bound,
    Budget,
    Config,
    ErrorCase,
    Given,
    LayerSpec,
    Ref,
    exactly,
    grid,
)


def _port(config: Config) -> PANNConvBlock:
    return PANNConvBlock(config["filters"], config["pool"], in_channels=config["channels"])


def _exact(given: Given) -> Answer:
    pool = given.config["pool"]
    made, state = models.pann_conv_block(
        given.inputs["inputs"], given.weights, pool, given.training
    )
    return exactly(made, state=state)


SPEC = LayerSpec(
    name="pann_conv_block",
    mirrors="models.py, lines 130-158",
    port=_port,
    official=lambda config: Ref("leaf_audio.models.PANNConvBlock")(
        config["filters"], list(config["pool"])
    ),
    configs=grid(
        map=[(11, 8), (2, 3), (20, 7), (9, 9)],
        channels=[1, 3],
        filters=[4, 5],
        pool=[(2, 2), (1, 1), (2, 1), (4, 3)],
    ),
    inputs=maps,
    weights=weights_of(_port),
    call=channels_last,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    divergences=("nan_in_max_pooling",),
    budget=Budget(
        forward=8.6,
        gradient=13,
        port=Bound(6.8, 3.4),
        reference=Bound(8.1, 4.03),
        port_gradient=Bound(12, 5.67),
        reference_gradient=Bound(8.6, 4.26),
        worst="4.3, 6 units; 1.7e-07, 9.1e-07 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("filters", lambda: PANNConvBlock(0, (2, 2), in_channels=1)),
        ErrorCase("pool_size", lambda: PANNConvBlock(3, (0, 2), in_channels=1)),
    ),
)
