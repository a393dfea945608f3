"""The block of the official ConvNet."""

from leaf_port.models import ConvBlock
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


def _port(config: Config) -> ConvBlock:
    return ConvBlock(
        config["filters"],
        activation=config["activation"],
        max_pooling=config["pooling"],
        in_channels=config["channels"],
    )


def _exact(given: Given) -> Answer:
    config = given.config
    made, state = models.conv_block(
        given.inputs["inputs"],
        given.weights,
        config["activation"],
        config["pooling"],
        given.training,
    )
    return exactly(made, state=state)


SPEC = LayerSpec(
    name="conv_block",
    mirrors="models.py, lines 62-91",
    port=_port,
    official=lambda config: Ref("leaf_audio.models.ConvBlock")(
        config["filters"], activation=config["activation"], max_pooling=config["pooling"]
    ),
    configs=grid(
        map=[(11, 8), (2, 2), (20, 7)],
        channels=[1, 3],
        filters=[4, 5],
        activation=["relu", "elu"],
        pooling=[True, False, True],
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
        forward=13,
        gradient=11,
        port=Bound(8.4, 4.17),
        reference=Bound(12, 5.96),
        port_gradient=Bound(11, 5.43),
        reference_gradient=Bound(12, 5.65),
        worst="6.2, 5.1 units; 2.9e-07, 3.3e-06 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("num_filters", lambda: ConvBlock(0, in_channels=1)),
        ErrorCase("activation", lambda: ConvBlock(3, activation="swirl", in_channels=1)),
    ),
)
