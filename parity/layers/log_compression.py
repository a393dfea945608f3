"""Logarithm of the energies."""

from collections.abc import Callable
from functools import partial
from typing import Any

from leaf_port import Leaf, log_compression
from parity.layers._common import features
from parity.spec import Budget, Config, ErrorCase, LayerSpec, Ref, grid


def _arguments(config: Config) -> dict[str, Any]:
    return {} if config["offset"] == "default" else {"log_offset": config["offset"]}


def _port(config: Config) -> Callable[..., Any]:
    return partial(log_compression, **_arguments(config))


SPEC = LayerSpec(
    name="log_compression",
    mirrors="frontend.py, lines 43-47",
    port=_port,
    official=lambda config: Ref("functools.partial")(
        Ref("leaf_audio.frontend.log_compression"), **_arguments(config)
    ),
    configs=[
        *grid(frames=[1, 50], channels=[1, 40], offset=[1e-5, 1e-3]),
        {"frames": 7, "channels": 5, "offset": "default"},
    ],
    inputs=features,
    budget=Budget(
        forward=4,
        gradient=7.4,
        worst="2, 3.7 units; 4.5e-08, 6.6e-08 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(ErrorCase("compression_fn", lambda: Leaf(compression_fn="log")),),
)
