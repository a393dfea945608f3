"""The activations that the models know by Keras' names."""

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port._model_layers import name_of, new_activation
from parity import spec
from parity.layers._common import by_torch
from parity.layers._models import channels_last
from parity.oracles.exact import activations
from parity.spec.random_arrays import Source

# Keras 2.13 does not know all of the port's names, TensorFlow has the functions.
_IN_TENSORFLOW = ("leaky_relu", "relu6", "silu", "log_softmax")
_KERAS = ("linear", "relu", "elu", "selu", "gelu", "mish", "swish", "sigmoid", "tanh", "softsign")
_SHAPE = (2, 9, 8, 5)
_CORNERS = (0, slice(3), 0, 0)
_NAMES = (*_KERAS, "softplus", "softmax", "exponential", "hard_sigmoid", *_IN_TENSORFLOW)


class _Activation(nn.Module):
    """By its name, as a block makes it."""

    def __init__(self, config: spec.Config) -> None:
        super().__init__()
        self.activation = new_activation("ConvBlock", config["name"])

    def forward(self, inputs: Tensor) -> Tensor:
        return self.activation(inputs)


def _official(config: spec.Config) -> spec.Ref:
    where = "nn" if config["name"] in _IN_TENSORFLOW else "keras.activations"
    return spec.Ref(f"tensorflow.{where}.{config['name']}")


def _inputs(_config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """A map, with values at which some activation has a corner."""
    inputs = source.normal(_SHAPE, 2.0)
    inputs[_CORNERS] = 0.0, 6.0, -0.0
    return {"inputs": inputs}


# Terms that cancel inside of one operation (e^x - 1, 1 + erf, 1 - y^2) are of order 1, and where x
# multiplies them of its greatest magnitude here. Operations that only choose or scale have none.
_TERMS = dict.fromkeys(_NAMES, 1.0)
_TERMS |= dict.fromkeys(("linear", "relu", "relu6", "leaky_relu", "hard_sigmoid"), 0.0)
_TERMS |= dict.fromkeys(("gelu", "mish", "swish", "silu"), 7.0)


def _rounding(config: spec.Config) -> dict[str, spec.Array]:
    size = np.full(_SHAPE, 2.0**-24 * _TERMS[config["name"]])
    return {"output/0": size, "gradients/input/inputs": size}


def _ties(_config: spec.Config) -> dict[str, spec.Array]:
    mask = np.zeros(_SHAPE, bool)
    mask[_CORNERS] = True
    return {"input/inputs": mask}


@torch.no_grad()
def _far() -> str:
    """Up to 36 softplus is more than its argument in float64, and beyond it never less."""
    x = torch.linspace(10.0, 60.0, 101, dtype=torch.float64)
    made, wanted = new_activation("ConvBlock", "softplus")(x), x + torch.log1p(torch.exp(-x))
    off = ((made - wanted).abs() / wanted).max().item()
    return "" if off <= 2.0**-52 else f"off by {off:.1e}"


def _named() -> str:
    """Torch's softplus is told by Keras' name if it is linear as late as that one is here."""
    told = {most: name_of(nn.Softplus(threshold=most)) for most in (20.0, 40.0, 41.0)}
    names = [most for most, name in told.items() if name == "softplus"]
    return "" if names == [40.0] else f"softplus is told of thresholds {names}"


SPEC = spec.LayerSpec(
    name="activations",
    mirrors="models.py, lines 72, 80 (tf.keras.layers.Activation)",
    port=_Activation,
    official=_official,
    configs=spec.grid(name=_NAMES),
    inputs=_inputs,
    call=channels_last,
    exact=lambda given: spec.exactly(
        activations.activation(given.config["name"], given.inputs["inputs"])
    ),
    exceptions=spec.Exceptions(
        ties=_ties,
        constants=_rounding,
        divergences=("nan_in_softmax",),
    ),
    sampling=spec.Sampling(
        explicit=(
            spec.Case("activations", {"name": "relu"}, signal="denormal", draw=1),
            spec.Case("activations", {"name": "softmax"}, signal="nan", draw=1),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(5.3, 2.378),
        reference=spec.Bound(6.9, 3.469),
        port_gradient=spec.Bound(8.9, 3.113),
        reference_gradient=spec.Bound(9.2, 3.246),
        double=spec.Bound(5.7, 3.329),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    laws=(
        spec.Law("softplus far above zero", _far),
        spec.Law("softplus by its name", _named),
        *(
            by_torch(name, operation, partial(new_activation, "ConvBlock", name), _SHAPE)
            for name, operation in (("elu", "elu"), ("selu", "elu"), ("relu6", "hardtanh"))
        ),
    ),
    errors=(
        spec.ErrorCase("activation", lambda: new_activation("ConvBlock", "swirl")),
        spec.ErrorCase("activation", lambda: new_activation("ConvBlock", nn.ReLU), "builds it"),  # type: ignore[arg-type]
    ),
)
