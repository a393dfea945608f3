"""Squared modulus of alternating real and imaginary channels."""

import torch

from leaf_port import SquaredModulus
from parity.oracles.exact import compression
from parity.spec import Bound, Budget, Case, ErrorCase, LayerSpec, Ref, exactly, grid

_EXACT = "two squares and one sum, each correctly rounded"

SPEC = LayerSpec(
    name="squared_modulus",
    mirrors="frontend.py, lines 50-77",
    port=lambda _: SquaredModulus(),
    official=lambda _: Ref("leaf_audio.frontend.SquaredModulus")(),
    configs=grid(frames=[1, 57, 160], channels=[2, 14, 80]),
    inputs=lambda config, source: {
        "inputs": source.normal((2, config["frames"], config["channels"]))
    },
    exact=lambda given: exactly(compression.squared_modulus(given.inputs["inputs"])),
    explicit=(Case("squared_modulus", {"frames": 1, "channels": 2}, signal="denormal", draw=1),),
    budget=Budget(
        port=Bound(5, 1.926),
        reference=Bound(5, 1.926),
        port_gradient=Bound(3, 0.992),
        reference_gradient=Bound(3, 0.989),
        double=Bound(0, 0, _EXACT),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    errors=(
        ErrorCase(
            "inputs", lambda: SquaredModulus()(torch.ones(2, 5, 3)), "drops the last channel"
        ),
        ErrorCase("inputs", lambda: SquaredModulus()(torch.ones(2, 5)), "fails"),
    ),
)
