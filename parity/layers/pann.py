"""PANN's encoder."""

from leaf_port.models import PANN
from parity.layers._models import channels_last, maps, weights_of
from parity.layers._reasons import CONSTANT_MAPS
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
    budget=Budget(
        port=Bound(14, 6.664),
        reference=Bound(13, 6.239),
        port_gradient=Bound(13, 6.002),
        reference_gradient=Bound(15, 7.454),
        measured="6.5, 7.1 units in 24 recorded and drawn cases; torch 2.13.0, TF 2.13.1",
    ),
    adverse=Budget(
        port=Bound(14, 6.664),
        reference=Bound(42, 20.99, CONSTANT_MAPS),
        port_gradient=Bound(20, 9.626),
        reference_gradient=Bound(24, 11.907, CONSTANT_MAPS),
        norm=6.8,
        measured="20, 13 units in 24 recorded and drawn cases; torch 2.13.0, TF 2.13.1",
        reason=CONSTANT_MAPS,
    ),
    errors=(
        ErrorCase("depth", lambda: PANN(0, num_features=8)),
        ErrorCase("dropout_rate", lambda: PANN(1, dropout_rate=1.5, num_features=8)),
    ),
)
