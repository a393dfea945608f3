"""The block of the official ConvNet."""

from leaf_port.models import ConvBlock
from parity.layers._models import channels_last, maps, weights_of
from parity.spec import Budget, Config, ErrorCase, LayerSpec, Ref, grid


def _port(config: Config) -> ConvBlock:
    return ConvBlock(
        config["filters"],
        activation=config["activation"],
        max_pooling=config["pooling"],
        in_channels=config["channels"],
    )


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
    budget=Budget(
        forward=13,
        gradient=11,
        worst="6.2, 5.1 units; 2.9e-07, 3.3e-06 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("num_filters", lambda: ConvBlock(0, in_channels=1)),
        ErrorCase("activation", lambda: ConvBlock(3, activation="swirl", in_channels=1)),
    ),
)
