"""Squared modulus of alternating real and imaginary channels."""

import torch

from leaf_port import SquaredModulus
from parity import spec
from parity.oracles.exact import compression

_EXACT = "two squares and one sum, each correctly rounded"

SPEC = spec.LayerSpec(
    name="squared_modulus",
    mirrors="frontend.py, lines 50-77",
    port=lambda _: SquaredModulus(),
    official=lambda _: spec.Ref("leaf_audio.frontend.SquaredModulus")(),
    configs=spec.grid(frames=[1, 57, 160], channels=[2, 14, 80]),
    inputs=lambda config, source: {
        "inputs": source.normal((config.get("batch", 2), config["frames"], config["channels"]))
    },
    exact=lambda given: spec.exactly(compression.squared_modulus(given.inputs["inputs"])),
    sampling=spec.Sampling(
        explicit=(
            spec.Case("squared_modulus", {"frames": 1, "channels": 2}, signal="denormal", draw=1),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 1.921),
        reference=spec.Bound(5, 1.803),
        port_gradient=spec.Bound(3, 0.992),
        reference_gradient=spec.Bound(3, 0.989),
        double=spec.Bound(0, 0, _EXACT),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(spec.Signature(SquaredModulus, "leaf_audio.frontend.SquaredModulus"),),
    errors=(
        spec.ErrorCase(
            "x", lambda: SquaredModulus()(torch.ones(2, 5, 3)), "drops the last channel"
        ),
        spec.ErrorCase("x", lambda: SquaredModulus()(torch.ones(2, 5)), "fails"),
    ),
)
