"""PANN's encoder."""

from leaf_port.models import PANN
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


def _port(config: Config) -> PANN:
    return PANN(config["depth"], dropout_rate=0.0, num_features=config["map"][1])


def _exact(given: Given) -> Answer:
    depth = given.config["depth"]
    made, state = models.pann(given.inputs["inputs"], given.weights, depth, given.training)
    return exactly(made, state=state)


SPEC = LayerSpec(
    name="pann",
    mirrors="models.py, lines 196-214",
    port=_port,
    official=lambda config: Ref("leaf_audio.models.PANN")(config["depth"], dropout_rate=0.0),
    configs=grid(map=[(21, 8), (10, 5)], depth=[1, 2]),
    inputs=maps,
    weights=weights_of(_port),
    call=channels_last,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    divergences=("nan_in_max_pooling",),
    budget=Budget(
        forward=8.7,
        gradient=18,
        port=Bound(9.4, 4.68),
        reference=Bound(13, 6.4),
        port_gradient=Bound(16, 7.7),
        reference_gradient=Bound(20, 9.76),
        worst="4.3, 8.8 units; 6.1e-07, 1.3e-06 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("depth", lambda: PANN(0, num_features=8)),
        ErrorCase("dropout_rate", lambda: PANN(1, dropout_rate=1.5, num_features=8)),
    ),
)
