"""Squared modulus of alternating real and imaginary channels."""

import torch

from leaf_port import SquaredModulus
from parity.oracles.exact import compression
from parity.spec import Bound, Budget, ErrorCase, LayerSpec, Ref, exactly, grid

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
    budget=Budget(
        forward=6.6,
        gradient=0,
        port=Bound(3.7, 1.81),
        reference=Bound(3.7, 1.81),
        port_gradient=Bound(2, 0.989),
        reference_gradient=Bound(2, 0.989),
        worst="3.3, 0 units; 1.9e-08, 0.0e+00 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase(
            "inputs", lambda: SquaredModulus()(torch.ones(2, 5, 3)), "drops the last channel"
        ),
        ErrorCase("inputs", lambda: SquaredModulus()(torch.ones(2, 5)), "fails"),
    ),
)
