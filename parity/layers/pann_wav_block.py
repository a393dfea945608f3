"""The block of WaveGram."""

from leaf_port.models import PANNWavBlock
from parity.layers._models import weights_of
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


def _port(config: Config) -> PANNWavBlock:
    return PANNWavBlock(config["filters"], config["pool"], in_channels=config["channels"])


def _exact(given: Given) -> Answer:
    pool = given.config["pool"]
    made, state = models.pann_wav_block(given.inputs["inputs"], given.weights, pool, given.training)
    return exactly(made, state=state)


SPEC = LayerSpec(
    name="pann_wav_block",
    mirrors="models.py, lines 105-127",
    port=_port,
    official=lambda config: Ref("leaf_audio.models.PANNWavBlock")(
        config["filters"], config["pool"]
    ),
    configs=grid(frames=[40, 33, 4], channels=[1, 3], filters=[4, 5], pool=[4, 2]),
    inputs=lambda config, source: {
        "inputs": source.normal((2, config["frames"], config["channels"]))
    },
    weights=weights_of(_port),
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    divergences=("nan_in_max_pooling",),
    budget=Budget(
        forward=7.8,
        gradient=8.8,
        port=Bound(6.7, 3.33),
        reference=Bound(9.9, 4.93),
        port_gradient=Bound(7.2, 3.6),
        reference_gradient=Bound(7.2, 3.6),
        worst="3.9, 4.4 units; 2.3e-07, 4.8e-07 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("filters", lambda: PANNWavBlock(0, 4, in_channels=1)),
        ErrorCase("pool_size", lambda: PANNWavBlock(3, 0, in_channels=1)),
    ),
)
