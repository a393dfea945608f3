"""The port's outputs in float64, where two ways to one number differ by little and slips do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from parity.port import runner
from parity.port.backends import CPU, Backend
from parity.port.seeded import seeded
from parity.spec import Array, Config, LayerSpec, Question
from parity.spec.invariant import ROUNDING as ROUNDING
from parity.spec.invariant import unlike as unlike


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
    with seeded(0), np.errstate(all="ignore"):
        run = runner.Run(torch.float64, first, backend=backend)
        return runner.answer(spec, question, run).outputs
