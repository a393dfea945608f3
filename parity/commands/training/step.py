"""One recorded step against the port: its two halves, which together are the step.

From the recorded weights and the batch, forward, loss, gradients and moving statistics:

1. the port's are within its budget of the float64 port's;
2. the official ones are within theirs;
3. the port's are within the sum of both of the official ones;
4. the port in float64, but for sums as TensorFlow's fused batch normalisation adds them up, is
   within narrower bounds of them.

From the official gradients and the moments before the step, weights and moments after it: within
what is derived (``optimizer``).
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import torch

from parity.checks import compare, monte_carlo
from parity.checks.compare import DIRECT, PORT, REFERENCE, Difference, Limit, Rounded
from parity.commands.blame.sequential_sums import SerialStatistics
from parity.commands.training import ask_official, budgets, kinks, optimizer, question, recording
from parity.commands.training.models import Model
from parity.commands.training.recording import Layout, Step
from parity.port import runner
from parity.port.backends import CPU, Backend
from parity.spec import Answer, Array

LIKE = "port that adds up as TensorFlow and official"
OPTIMIZER = "optimiser's step and official"


@dataclasses.dataclass(frozen=True)
class Checked:
    """What was found of a step.

    Attributes:
        model: name of the model.
        number: of the step.
        arithmetic: of the port.
        backend: where it ran.
        differences: of loss, logits, gradients and moving statistics.
        moved: of the optimiser's part; empty where another result has it.
        skipped: what is not compared, and why; empty where all is.
    """

    model: str
    number: int
    arithmetic: str | None
    backend: str
    differences: tuple[Difference, ...]
    moved: tuple[optimizer.Moved, ...] = ()
    skipped: str = ""

    @property
    def failures(self) -> list[str]:
        """What is beyond its bound."""
        told = [
            f"{each.check}: {each.array}: {each.message}"
            for each in self.differences
            if not each.ok
        ]
        return told + [
            f"{OPTIMIZER}: {each.name}: {each.used:.3g} of what is derived"
            for each in self.moved
            if not each.used <= 1.0
        ]

    def worst(self, check: str, kind: str) -> float:
        """The greatest distance of a check in units; NaN where there is none."""
        found = [d.units for d in self.differences if d.check == check and d.kind == kind]
        return max(found, default=np.nan)


def check(model: Model, step: Step, *where: Backend) -> list[Checked]:
    """Checks a step in each arithmetic of the port, on some backends; the CPU by default.

    What is beyond its bound is judged again by units that more runs have measured.
    """
    found = _check(model, step, step.units, where or (CPU,))
    if any(not each.ok for result in found for each in result.differences):
        spec = question.declaration(model)
        asked = question.question(model, step.number, step.draw, step.before)
        sturdy, _ = kinks.measured(spec, asked, model.arithmetics[0], monte_carlo.STURDY_RUNS)
        picked = recording.official(Layout(model), step).pick(sturdy.units)
        again = {name: picked[name] for name in step.units}
        return _check(model, step, again, where or (CPU,))
    return found


def _check(
    model: Model, step: Step, units: dict[str, Array], where: tuple[Backend, ...]
) -> list[Checked]:
    spec = question.declaration(model)
    asked = question.question(model, step.number, step.draw, step.before)
    official = recording.official(Layout(model), step)

    def answered(**run: Any) -> Answer:
        """Without the weights of the layer as it was built."""
        return dataclasses.replace(runner.answer(spec, asked, runner.Run(**run)), initial={})

    results = []
    for backend, arithmetic in itertools.product(where, model.arithmetics):
        exact = answered(dtype=torch.float64, arithmetic=arithmetic)
        truth = Rounded(official.pick(exact.arrays()), units)
        port = answered(arithmetic=arithmetic, backend=backend)
        sides, moved = {PORT: port, DIRECT: port}, tuple[optimizer.Moved, ...]()
        if backend is where[0] and arithmetic == model.arithmetics[0]:
            like = answered(dtype=torch.float64, arithmetic=arithmetic, noise=SerialStatistics)
            sides |= {REFERENCE: official, LIKE: like}
            moved = tuple(optimizer.moved(model, step))
        found = _differences(model, sides, official, truth, backend)
        results.append(Checked(model.name, step.number, arithmetic, backend.name, found, moved))
    if step.margin < ask_official.MARGIN:
        return [_without_gradients(each, step) for each in results]
    return results


def _differences(
    model: Model, sides: dict[str, Answer], official: Answer, truth: Rounded, backend: Backend
) -> tuple[Difference, ...]:
    bounds = budgets.of(model.name)
    budget = bounds.budget.off_the_cpu() if backend.own_order else bounds.budget
    limits = {
        PORT: (budget.port.allowed, budget.port_gradient.allowed),
        REFERENCE: (budget.reference.allowed, budget.reference_gradient.allowed),
        DIRECT: (budget.forward, budget.gradient),
        LIKE: (bounds.like.allowed, bounds.like_gradient.allowed),
    }
    theirs = official.arrays()
    found = []
    for check, side in sides.items():
        ours = theirs if side is official else official.pick(side.arrays())
        if set(ours) != set(theirs):
            raise ValueError(f"{model.name}: arrays of one side: {set(ours) ^ set(theirs)}")
        for name, got in ours.items():
            wanted = truth.exact if check in (PORT, REFERENCE) else theirs
            limit = Limit(*limits[check], np.inf, np.inf)
            expected, unit = wanted[name], truth.units[name]
            difference = compare.compare_array(
                name, got.astype(np.float64), expected.astype(np.float64), unit, limit
            )
            found.append(dataclasses.replace(difference, check=check))
    return tuple(found)


def _without_gradients(checked: Checked, step: Step) -> Checked:
    why = f"gradients, since the batch is {step.margin:.1f} units from a kink"
    kept = tuple(each for each in checked.differences if not each.is_gradient)
    return dataclasses.replace(checked, differences=kept, skipped=why)
