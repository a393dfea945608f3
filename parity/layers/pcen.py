"""Per-channel energy normalisation, learned and fixed."""

from collections.abc import Mapping
from typing import Any

from leaf_port import PCEN
from parity.layers._common import (
    FIXED_SMOOTHER,
    LEARNED_SMOOTHER,
    PCEN_WEIGHTS,
    features,
    wrong_inputs,
)
from parity.oracles.exact import compression
from parity.spec import Bound, Budget, Config, ErrorCase, LayerSpec, Ref, Weight, exactly, grid


def _arguments(config: Config) -> dict[str, Any]:
    return {
        "floor": config["floor"],
        "trainable": True,
        "learn_smooth_coef": config["learned"],
        "per_channel_smooth_coef": config["per_channel"],
    }


def _weights(config: Config) -> Mapping[str, Weight]:
    return {**PCEN_WEIGHTS, **(LEARNED_SMOOTHER if config["learned"] else FIXED_SMOOTHER)}


SPEC = LayerSpec(
    name="pcen",
    mirrors="postprocessing.py, lines 68-164",
    port=lambda config: PCEN(config["channels"], **_arguments(config)),
    official=lambda config: Ref("leaf_audio.postprocessing.PCENLayer")(**_arguments(config)),
    configs=grid(
        frames=[1, 2, 50, 100, 257],
        channels=[1, 40, 5],
        learned=[True, False],
        per_channel=[True, False, True],
        floor=[1e-12, 1e-6],
    ),
    inputs=features,
    weights=_weights,
    exact=lambda given: exactly(
        compression.pcen(given.inputs["inputs"], given.weights, given.config["floor"])
    ),
    budget=Budget(
        forward=5.1,
        gradient=8.8,
        port=Bound(5.6, 2.8),
        reference=Bound(5.5, 2.75),
        port_gradient=Bound(6.4, 3.19),
        reference_gradient=Bound(7, 3.48),
        worst="2.5, 4.4 units; 2.6e-07, 9.2e-06 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("num_channels", lambda: PCEN(0)),
        ErrorCase("alpha", lambda: PCEN(3, alpha=float("inf")), "gives NaN"),
        ErrorCase("root", lambda: PCEN(3, root=float("nan")), "gives NaN"),
        *wrong_inputs(lambda: PCEN(3), 3),
    ),
)
