"""Logarithm of the energies."""

from collections.abc import Callable
from functools import partial
from typing import Any

from leaf_port import Leaf, log_compression
from parity import spec
from parity.layers._common import features
from parity.oracles.exact import compression


def _arguments(config: spec.Config) -> dict[str, Any]:
    return {} if config["offset"] == "default" else {"log_offset": config["offset"]}


def _port(config: spec.Config) -> Callable[..., Any]:
    return partial(log_compression, **_arguments(config))


# A unit of float64 is half a unit in the last place (ULP), or up to a whole one next to a power of
# two. SLEEF, MKL and glibc state at most 1 ULP for the double logarithm, NumPy's own and its
# vectorised ones no more: two such answers are at most 4 units apart.
_LIBRARIES = "torch and NumPy take their logarithms from different libraries"

SPEC = spec.LayerSpec(
    name="log_compression",
    mirrors="frontend.py, lines 43-47",
    port=_port,
    official=lambda config: spec.Ref("functools.partial")(
        spec.Ref("leaf_audio.frontend.log_compression"), **_arguments(config)
    ),
    configs=[
        *spec.grid(frames=[1, 50], channels=[1, 40], offset=[1e-5, 1e-3]),
        {"frames": 7, "channels": 5, "offset": "default"},
    ],
    inputs=features,
    exact=lambda given: spec.exactly(
        compression.logarithm(
            given.inputs["inputs"], _arguments(given.config).get("log_offset", 1e-5)
        )
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 1.824),
        reference=spec.Bound(5, 2.416),
        port_gradient=spec.Bound(5.1, 2.523),
        reference_gradient=spec.Bound(9, 3.402),
        double=spec.Bound(5, 1.975, _LIBRARIES),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(spec.Signature(log_compression, "leaf_audio.frontend.log_compression"),),
    errors=(spec.ErrorCase("compression_fn", lambda: Leaf(compression_fn="ln")),),
)
