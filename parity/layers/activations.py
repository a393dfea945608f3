"""The activations that the models know by Keras' names."""

import numpy as np
from torch import Tensor, nn

from leaf_port._model_layers import new_activation
from parity.layers._models import channels_last
from parity.source import Source
from parity.spec import Array, Budget, Config, ErrorCase, LayerSpec, Ref, grid

# Keras 2.13 does not know all of the port's names, TensorFlow has the functions.
_IN_TENSORFLOW = ("leaky_relu", "relu6", "silu", "log_softmax")
_KERAS = ("linear", "relu", "elu", "selu", "gelu", "mish", "swish", "sigmoid", "tanh", "softsign")
_NAMES = (*_KERAS, "softplus", "softmax", "exponential", "hard_sigmoid", *_IN_TENSORFLOW)


class _Activation(nn.Module):
    """By its name, as a block makes it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.activation = new_activation("ConvBlock", config["name"])

    def forward(self, inputs: Tensor) -> Tensor:
        return self.activation(inputs)


def _official(config: Config) -> Ref:
    where = "nn" if config["name"] in _IN_TENSORFLOW else "keras.activations"
    return Ref(f"tensorflow.{where}.{config['name']}")


def _inputs(_config: Config, source: Source) -> dict[str, Array]:
    """A map, with values at which some activation has a corner."""
    inputs = source.normal((2, 9, 8, 5), 2.0)
    inputs[0, :2, 0, 0], inputs[0, 2, 0, 0] = (0.0, 6.0), np.float32(-0.0)
    return {"inputs": inputs}


SPEC = LayerSpec(
    name="activations",
    mirrors="models.py, lines 72, 80 (tf.keras.layers.Activation)",
    port=_Activation,
    official=_official,
    configs=grid(name=_NAMES),
    inputs=_inputs,
    call=channels_last,
    budget=Budget(
        forward=4,
        gradient=4,
        worst="0, 0 units; 0.0e+00, 0.0e+00 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("activation", lambda: new_activation("ConvBlock", "swirl")),
        ErrorCase("activation", lambda: new_activation("ConvBlock", nn.ReLU), "builds it"),  # type: ignore[arg-type]
    ),
)
