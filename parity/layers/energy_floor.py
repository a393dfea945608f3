"""Leaf's floor under the energies, with every other stage handing its input on.

At exactly the float32 number next to 1e-5 the whole gradient passes. In float64 that number lies
below 1e-5, so the float64 gradient is another one there: for the port and for the official code.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port import Leaf
from parity import spec
from parity.oracles.exact.frontends import SMALLEST_ENERGY
from parity.spec.random_arrays import Source


class _Through(nn.Module):
    """A convolution or pooling that does nothing, whatever it is told to do."""

    def __init__(self, **_arguments: Any) -> None:
        super().__init__()

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs


def _port(_config: spec.Config) -> Leaf:
    return Leaf(
        conv1d_cls=_Through, activation=nn.Identity(), pooling_cls=_Through, compression_fn=None
    )


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    inputs = source.uniform((2, config["samples"], 1), -1e-5, 4e-5)
    inputs[:, ::3] = np.float32(SMALLEST_ENERGY)
    if config["odd"]:
        inputs[:, 1:2], inputs[:, 4:5], inputs[:, 7:8] = np.nan, np.inf, -np.inf
    return {"inputs": inputs}


def _ties(config: spec.Config) -> dict[str, spec.Array]:
    mask = np.zeros((2, config["samples"], 1), bool)
    mask[:, ::3] = True
    return {"input/inputs": mask}


def _exact(given: spec.Given) -> spec.Answer:
    return spec.exactly(np.maximum(given.inputs["inputs"], SMALLEST_ENERGY))


_EXACT = "it chooses elements and rounds nothing"

SPEC = spec.LayerSpec(
    name="energy_floor",
    mirrors="frontend.py, line 194",
    port=_port,
    official=lambda _: spec.Ref("leaf_audio.frontend.Leaf")(
        conv1d_cls=spec.Ref("through"),
        activation=spec.Ref("tensorflow.identity"),
        pooling_cls=spec.Ref("through"),
        compression_fn=None,
    ),
    configs=spec.grid(samples=[50, 9], odd=[False, True]),
    inputs=_inputs,
    exact=_exact,
    exceptions=spec.Exceptions(
        ties=_ties,
    ),
    budget=spec.Budget(
        port=spec.Bound(3, 0.424),
        reference=spec.Bound(3, 0.424),
        port_gradient=spec.Bound(0, 0, _EXACT),
        reference_gradient=spec.Bound(0, 0, _EXACT),
        double=spec.Bound(0, 0, _EXACT),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    errors=(spec.ErrorCase("inputs", lambda: _port({})(torch.zeros(2, 0))),),
)
