"""PANN's encoder."""

from typing import Any

import torch

from leaf_port.models import PANN
from parity import spec
from parity.layers._models import channels_last, maps, weights_of
from parity.layers._reasons import WEIGHT_GRADIENT
from parity.layers._signatures import FIRST, TOLD
from parity.oracles.exact import models


def _port(config: spec.Config) -> PANN:
    features = config["map"][1]
    if config.get("default"):
        return PANN(num_features=features)
    return PANN(config["depth"], dropout_rate=0.0, num_features=features)


def _official(config: spec.Config) -> spec.Ref:
    pann = spec.Ref("leaf_audio.models.PANN")
    return pann() if config.get("default") else pann(config["depth"], dropout_rate=0.0)


def _deep() -> str:
    """Blocks have up to 2048 channels, and the first five of them pool."""
    with torch.device("meta"):
        blocks: list[Any] = [*PANN(8, num_features=64).children()][1::2]
    made = [(block.out_channels, block[-1].window) for block in blocks]
    counts = (64, 128, 256, 512, 1024, 2048, 2048, 2048)
    wanted = [(count, (2, 2) if i < 5 else (1, 1)) for i, count in enumerate(counts)]
    return "" if made == wanted else f"channels and windows of the blocks are {made}"


def _exact(given: spec.Given) -> spec.Answer:
    depth = given.config["depth"]
    made, state = models.pann(given.inputs["inputs"], given.weights, depth, given.training)
    return spec.exactly(made, state=state)


SPEC = spec.LayerSpec(
    name="pann",
    mirrors="models.py, lines 196-214",
    port=_port,
    official=_official,
    configs=spec.grid(map=[(21, 8), (10, 5)], depth=[1, 2]),
    inputs=maps,
    weights=weights_of(_port),
    too_large=[{"map": (64, 64), "default": True}],
    call=channels_last,
    initial=False,
    training=True,
    training_argument=True,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(6.7, 4.91),
        reference=spec.Bound(7, 3.509),
        port_gradient=spec.Bound(5.6, 5.273),
        reference_gradient=spec.Bound(12, 6.264),
        double=spec.Bound(7.3, 6.24),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    exceptions=spec.Exceptions(
        adverse=spec.Budget(
            port=spec.Bound(6.7, 3.496),
            reference=spec.Bound(10.5, 3.554),
            port_gradient=spec.Bound(15, 12.843, WEIGHT_GRADIENT),
            reference_gradient=spec.Bound(14, 9.322),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
    ),
    signatures=(
        spec.Signature(
            PANN,
            "leaf_audio.models.PANN",
            own={**FIRST, "num_features": TOLD},
            told_by={"num_features": "BatchNormalization"},
        ),
    ),
    laws=(spec.Law("more blocks than the official six", _deep),),
    errors=(
        spec.ErrorCase("depth", lambda: PANN(0, num_features=8)),
        spec.ErrorCase("dropout_rate", lambda: PANN(1, dropout_rate=1.5, num_features=8)),
    ),
)
