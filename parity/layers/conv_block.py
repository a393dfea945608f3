"""The block of the official ConvNet."""

from leaf_port.models import ConvBlock
from parity.layers._models import channels_last, maps, weights_of
from parity.spec import Budget, Config, ErrorCase, LayerSpec, Ref, grid, product

# Keras 2.13 does not know all of the port's names; the functions that they stand for it takes.
_FUNCTIONS = ("leaky_relu", "relu6", "silu", "log_softmax")
_ACTIVATIONS = (
    *("linear", "selu", "gelu", "mish", "swish", "sigmoid", "tanh", "softsign", "softplus"),
    *("softmax", "exponential", "hard_sigmoid", *_FUNCTIONS),
)


def _activation(name: str) -> Ref | str:
    return Ref(f"tensorflow.nn.{name}") if name in _FUNCTIONS else name


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
        config["filters"],
        activation=_activation(config["activation"]),
        max_pooling=config["pooling"],
    ),
    configs=[
        *grid(
            map=[(11, 8), (2, 2), (20, 7)],
            channels=[1, 3],
            filters=[4, 5],
            activation=["relu", "elu"],
            pooling=[True, False, True],
        ),
        *product(map=[(6, 5)], channels=[2], filters=[4], activation=_ACTIVATIONS, pooling=[False]),
    ],
    inputs=maps,
    weights=weights_of(_port),
    call=channels_last,
    initial=False,
    training=True,
    training_argument=True,
    budget=Budget(
        forward=13,
        gradient=11,
        worst="11, 5.7 units; 2.0e-06, 1.1e+00 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("num_filters", lambda: ConvBlock(0, in_channels=1)),
        ErrorCase("activation", lambda: ConvBlock(3, activation="swirl", in_channels=1)),
    ),
)
