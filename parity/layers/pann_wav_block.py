"""The block of WaveGram."""

from leaf_port.models import PANNWavBlock
from parity import spec
from parity.layers._models import weights_of
from parity.layers._reasons import CONSTANT_MAPS
from parity.layers._signatures import IN_CHANNELS
from parity.oracles.exact import models


def _port(config: spec.Config) -> PANNWavBlock:
    return PANNWavBlock(config["filters"], config["pool"], in_channels=config["channels"])


def _exact(given: spec.Given) -> spec.Answer:
    pool = given.config["pool"]
    made, state = models.pann_wav_block(given.inputs["inputs"], given.weights, pool, given.training)
    return spec.exactly(made, state=state)


SPEC = spec.LayerSpec(
    name="pann_wav_block",
    mirrors="models.py, lines 105-127",
    port=_port,
    official=lambda config: spec.Ref("leaf_audio.models.PANNWavBlock")(
        config["filters"], config["pool"]
    ),
    configs=spec.grid(frames=[40, 33, 4], channels=[1, 3], filters=[4, 5], pool=[4, 2]),
    inputs=lambda config, source: {
        "inputs": source.normal((config.get("batch", 2), config["frames"], config["channels"]))
    },
    weights=weights_of(_port),
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    exceptions=spec.Exceptions(
        divergences=("nan_in_max_pooling",),
        adverse=spec.Budget(
            port=spec.Bound(5, 2.901),
            reference=spec.Bound(20, 8.254),
            port_gradient=spec.Bound(5, 2.773),
            reference_gradient=spec.Bound(
                23,
                14.74,
                CONSTANT_MAPS,
                at="frames=29,channels=1,filters=4,pool=2,training,click,draw=3681723",
            ),
            norm=12,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
            reason=CONSTANT_MAPS,
        ),
    ),
    sampling=spec.Sampling(
        explicit=(
            spec.Case(
                "pann_wav_block",
                {"frames": 40, "channels": 1, "filters": 4, "pool": 4},
                signal="nan",
                draw=1,
            ),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 3.077),
        reference=spec.Bound(5, 2.93),
        port_gradient=spec.Bound(5, 3.052),
        reference_gradient=spec.Bound(7.3, 2.682),
        double=spec.Bound(5.1, 3.64),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(spec.Signature(PANNWavBlock, "leaf_audio.models.PANNWavBlock", own=IN_CHANNELS),),
    errors=(
        spec.ErrorCase("filters", lambda: PANNWavBlock(0, 4, in_channels=1)),
        spec.ErrorCase("pool_size", lambda: PANNWavBlock(3, 0, in_channels=1)),
    ),
)
