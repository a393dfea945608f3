"""The port's outputs in float64, where two ways to one number differ by little and slips do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from parity.port import runner
from parity.port.backends import CPU, Backend
from parity.spec import Array, Config, LayerSpec, Question

# Of the greatest element. A slip is about as large as the answer. float64 rounds by 1e-16, and what
# layers make of a few elements (a division by the root of an epsilon, say) magnifies that by less
# than a million.
ROUNDING = 1e-9


def forward_alone(spec: LayerSpec, config: Config) -> LayerSpec:
    """The declaration for one configuration: its weights found once, no gradients."""
    weights = {
        path: dataclasses.replace(weight, differentiable=False)
        for path, weight in spec.weights(config).items()
    }
    return dataclasses.replace(spec, weights=lambda _: weights, differentiable=())


def outputs(spec: LayerSpec, question: Question, backend: Backend = CPU) -> Sequence[Array]:
    """The port's, in the first arithmetic; what it draws is drawn from a seed."""
    first = spec.arithmetics[0] if spec.arithmetics else None
    with torch.random.fork_rng(devices=[]), np.errstate(all="ignore"):
        torch.manual_seed(0)
        run = runner.Run(torch.float64, first, backend=backend)
        return runner.answer(spec, question, run).outputs


def unlike(got: Array, wanted: Array) -> str:
    """How an array is another one than rounding makes of it; empty where it is not."""
    if got.shape != wanted.shape:
        return f"shape {got.shape}, not {wanted.shape}"
    finite = np.isfinite(wanted)
    alike = np.array_equal(got[~finite], wanted[~finite], equal_nan=True)
    if not (alike and np.isfinite(got[finite]).all()):
        return "what is not finite differs"
    apart = np.abs(got[finite] - wanted[finite]).max(initial=0.0)
    size = np.abs(wanted[finite]).max(initial=0.0)
    return "" if apart <= ROUNDING * size else f"off by {apart:.1e}, of up to {size:.1e}"
