"""The block of the official ConvNet."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from leaf_port._model_layers import Activation, elu
from leaf_port.models import ConvBlock
from leaf_port.normalization import BatchNormalization
from parity import spec
from parity.layers._models import channels_last, maps, weights_of
from parity.layers._reasons import CONSTANT_MAPS, WEIGHT_GRADIENT
from parity.layers._signatures import IN_CHANNELS
from parity.oracles.exact import models
from parity.spec.random_arrays import Source


def _port(config: spec.Config) -> ConvBlock:
    # Given as a module and as a function; by Keras' names elsewhere.
    special: Mapping[str, Activation] = {"relu": nn.ReLU(), "elu": elu}
    return ConvBlock(
        config["filters"],
        activation=special.get(config["activation"], config["activation"]),
        max_pooling=config["pooling"],
        in_channels=config["channels"],
    )


def _exact(given: spec.Given) -> spec.Answer:
    config = given.config
    made, state = models.conv_block(
        given.inputs["inputs"],
        given.weights,
        config["activation"],
        config["pooling"],
        given.training,
    )
    return spec.exactly(made, state=state)


@torch.no_grad()
def _dropout() -> str:
    """In training it drops about half and doubles the rest; in evaluation it does nothing."""
    plain = ConvBlock(64, None, None, max_pooling=False, in_channels=1)
    block = ConvBlock(64, None, None, dropout=0.5, max_pooling=False, in_channels=1)
    kinds = [type(each) for each in block]
    if kinds != [nn.Conv2d, nn.Identity, nn.Dropout] * 2:
        return f"its members are {kinds}"
    weights = zip(plain.parameters(), block.parameters(), strict=True)
    for weight, copy in weights:
        copy.copy_(weight)
    x = torch.from_numpy(Source(1).normal((2, 1, 25, 16)))
    if not torch.equal(plain(x), block.eval()(x)):
        return "it changes the evaluation"
    undropped = nn.Sequential(*list(block)[:5])(x)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dropped = block[5].train()(undropped)
    kept = dropped != 0
    if not torch.equal(dropped[kept], 2 * undropped[kept]):
        return "what it keeps is not doubled"
    share = 1 - kept.double().mean().item()
    far = 6 * (0.5 * 0.5 / kept.numel()) ** 0.5  # deviations of a binomial share
    return "" if abs(share - 0.5) < far else f"it drops a share of {share}"


def _given_activation() -> str:
    """A module that is given is the activation itself: its weights have its own names."""
    given = nn.PReLU()
    block = ConvBlock(2, given, in_channels=1)
    return "" if block[1] is given and block[4] is given else "another layer is the activation"


def _normalised_by(layer: Any) -> ConvBlock:
    return ConvBlock(3, normalization_layer=layer, in_channels=1)


_MODERN = "not recorded: TensorFlow without oneDNN, by `parity live`"

SPEC = spec.LayerSpec(
    name="conv_block",
    mirrors="models.py, lines 62-91",
    port=_port,
    official=lambda config: spec.Ref("leaf_audio.models.ConvBlock")(
        config["filters"], activation=config["activation"], max_pooling=config["pooling"]
    ),
    configs=[
        *spec.grid(
            map=[(11, 8), (2, 2), (20, 7)],
            channels=[1, 3],
            filters=[4, 5],
            activation=["relu", "elu"],
            pooling=[True, False, True],
        ),
        {"map": (9, 7), "channels": 2, "filters": 3, "activation": None, "pooling": True},
    ],
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
            port=spec.Bound(5, 2.752),
            reference=spec.Bound(17, 6.194),
            port_gradient=spec.Bound(
                24,
                15.672,
                WEIGHT_GRADIENT,
                at=(
                    "map=20x7,channels=3,filters=4,activation=elu,pooling=True,training,click,draw=1332"
                ),
            ),
            reference_gradient=spec.Bound(18, 6.218),
            norm=8.4,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
            reason=CONSTANT_MAPS,
        ),
    ),
    sampling=spec.Sampling(
        explicit=(
            spec.Case(
                "conv_block",
                {"map": [20, 7], "channels": 3, "filters": 5, "activation": "elu", "pooling": True},
                training=True,
                signal="nan",
                draw=2,
            ),
            spec.Case(
                "conv_block",
                {"map": [20, 7], "channels": 2, "filters": 5, "activation": "elu", "pooling": True},
                training=True,
                signal="silence",
                draw=9309572,
            ),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 4.114),
        reference=spec.Bound(13, 6.19, at=_MODERN),
        port_gradient=spec.Bound(5.8, 3.018),
        reference_gradient=spec.Bound(14, 6.852, at=_MODERN),
        double=spec.Bound(7.6, 4.2),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    laws=(
        spec.Law("dropout", _dropout),
        spec.Law("an activation that is a module", _given_activation),
    ),
    signatures=(spec.Signature(ConvBlock, "leaf_audio.models.ConvBlock", own=IN_CHANNELS),),
    errors=(
        spec.ErrorCase("num_filters", lambda: ConvBlock(0, in_channels=1)),
        spec.ErrorCase("activation", lambda: ConvBlock(3, activation="swirl", in_channels=1)),
        spec.ErrorCase("dropout", lambda: ConvBlock(3, dropout=1.5, in_channels=1)),
        spec.ErrorCase("normalization_layer", lambda: _normalised_by(BatchNormalization(3))),
        spec.ErrorCase("normalization_layer", lambda: _normalised_by(abs)),
    ),
)
