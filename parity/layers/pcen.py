"""Per-channel energy normalisation, learned and fixed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from leaf_port import PCEN, log_compression
from leaf_port._compression import compression_of
from leaf_port.postprocessing import FixedSmoother
from leaf_port.stable_pcen import StablePCEN
from parity import spec
from parity.layers import _stable_pcen_laws
from parity.layers._common import (
    FIXED_SMOOTHER,
    LEARNED_SMOOTHER,
    PCEN_WEIGHTS,
    asked_memory,
    features,
    refused_states,
    wrong_inputs,
)
from parity.layers._signatures import TOLD
from parity.oracles.exact import compression

# At the bounds of alpha, root and coefficient, where the whole gradient passes, and beyond them.
_EDGES: Mapping[str, Sequence[float]] = {
    "alpha": (1.0, 0.9, 1.05, 1.0, 0.8),
    "delta": (2.0, 1.0, 2.0, 0.5, 0.3),
    "root": (1.0, 0.5, 1.0, 3.0, 2.0),
    "ema/smooth": (0.04, 0.0, 1.0, 0.3, 0.1),
}
_BOUNDS: Mapping[str, Sequence[float]] = {"alpha": [1], "root": [1], "ema/smooth": [0, 1]}
_NEGATIVE = (2.0, 0.0, -0.5, 1.0, 0.3)  # a delta below 0 gives NaN in both


def _edge(path: str, negative: bool) -> spec.Weight:
    values = np.array(_NEGATIVE if negative and path == "delta" else _EDGES[path], np.float32)
    if negative and path == "root":
        values = values + np.float32(1.5)
    return spec.Weight(
        path.replace("/", "."), lambda _source, shape, _config: np.resize(values, shape)
    )


def _ties(config: spec.Config) -> dict[str, spec.Array]:
    if config.get("edges") != "bounds":
        return {}
    return {
        f"weight/{path}": np.resize(np.isin(_EDGES[path], bounds), config["channels"])
        for path, bounds in _BOUNDS.items()
    }


def _arguments(config: spec.Config) -> dict[str, Any]:
    floor = {} if config["floor"] == "default" else {"floor": config["floor"]}
    return {
        **floor,
        "trainable": True,
        "learn_smooth_coef": config["learned"],
        "per_channel_smooth_coef": config["per_channel"],
    }


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    if config.get("edges"):
        return {path: _edge(path, config["edges"] == "negative") for path in _EDGES}
    return {**PCEN_WEIGHTS, **(LEARNED_SMOOTHER if config["learned"] else FIXED_SMOOTHER)}


def _by_name() -> str:
    """What a frontend means by a name: this layer or the stable one, with LEAF's arguments."""
    for name, kind in (("pcen", PCEN), ("stable_pcen", StablePCEN)):
        made = compression_of("Leaf", name, 3)
        if type(made) is not kind:
            return f"{name} is of class {type(made).__name__}"
        like = kind(3, 0.96, 0.04, 2.0, 2.0, 1e-12, True, True, True)
        if repr(made) != repr(like):
            return f"{name} is {made}"
        for (one, ours), (_, wanted) in zip(
            made.named_parameters(), like.named_parameters(), strict=True
        ):
            if not torch.equal(ours, wanted) or ours.requires_grad != wanted.requires_grad:
                return f"{name} has another {one}"
    if compression_of("Leaf", "log", 3) is not log_compression:
        return "log is not the logarithm"
    return "" if compression_of("Leaf", None, 3) is None else "None is a compression"


def _memory() -> str:
    """The fixed smoother asks whether a matrix of it fits."""
    asked = asked_memory(lambda: FixedSmoother(7, 0.04))
    return "" if asked == [("FixedSmoother", "num_channels", 7 * 7)] else f"{asked}"


SPEC = spec.LayerSpec(
    name="pcen",
    mirrors="postprocessing.py, lines 68-164",
    port=lambda config: PCEN(config["channels"], **_arguments(config)),
    official=lambda config: spec.Ref("leaf_audio.postprocessing.PCENLayer")(**_arguments(config)),
    configs=[
        *spec.grid(
            frames=[1, 2, 50, 100, 257],
            channels=[1, 40, 5],
            learned=[True, False],
            per_channel=[True, False, True],
            floor=[1e-12, 1e-6],
        ),
        *spec.product(
            frames=[30],
            channels=[5],
            learned=[True],
            per_channel=[True],
            floor=[1e-12],
            edges=["bounds", "negative"],
        ),
        {
            "frames": 20,
            "channels": 4,
            "learned": True,
            "per_channel": False,
            "floor": "default",
        },
    ],
    inputs=features,
    weights=_weights,
    exact=lambda given: spec.exactly(
        compression.pcen(
            given.inputs["inputs"], given.weights, _arguments(given.config).get("floor", 1e-6)
        )
    ),
    exceptions=spec.Exceptions(
        ties=_ties,
    ),
    sampling=spec.Sampling(
        explicit=(
            spec.Case(
                "pcen",
                {"frames": 2, "channels": 33, "learned": True, "per_channel": True, "floor": 1e-12},
                signal="silence",
                draw=10800319,
            ),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(6.2, 5.863),
        reference=spec.Bound(5.3, 2.418),
        port_gradient=spec.Bound(7.9, 7.45),
        reference_gradient=spec.Bound(6.4, 3.284),
        double=spec.Bound(9, 4.47),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(PCEN, "leaf_audio.postprocessing.PCENLayer", own={"num_channels": TOLD}),
    ),
    laws=(
        spec.Law("compressions by name", _by_name),
        spec.Law("the stable one's arguments", _stable_pcen_laws.as_its_base),
        spec.Law("the stable one, as published", _stable_pcen_laws.as_published),
        spec.Law("the stable one in graphs", _stable_pcen_laws.in_graphs),
        spec.Law("the stable one in forward mode", _stable_pcen_laws.forward_mode),
        spec.Law("the slope of a slope of the stable one", _stable_pcen_laws.second_derivative),
        spec.Law("the stable one in float32", _stable_pcen_laws.in_single),
        spec.Law("the stable one of NaN", _stable_pcen_laws.not_a_number),
        spec.Law("the memory of the smoother", _memory),
    ),
    errors=(
        *refused_states(lambda: FixedSmoother(3, 0.04)),
        spec.ErrorCase(
            "inputs",
            lambda: FixedSmoother(3, 0.04)(torch.ones(1, 5, 2), torch.ones(1, 2)),
            "builds itself for two channels",
        ),
        spec.ErrorCase("num_channels", lambda: FixedSmoother(2**24, 0.04), "fails or is killed"),
        spec.ErrorCase("num_channels", lambda: PCEN(0)),
        spec.ErrorCase("alpha", lambda: PCEN(3, alpha=float("inf")), "gives NaN"),
        spec.ErrorCase("floor", lambda: PCEN(3, floor=1e39), "gives infinity"),
        spec.ErrorCase("root", lambda: PCEN(3, root=float("nan")), "gives NaN"),
        *wrong_inputs(lambda: PCEN(3), 3),
    ),
)
