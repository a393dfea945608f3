"""The optimiser's part of a step, from the official gradients, and what it may differ by.

Either side computes a step of Adam in float32. What the two may differ by is derived, weight by
weight, from the roundings of either, with ``u = 2^-24``:

* ``m' = m + (g - m)(1 - beta_1)``: ``u (0.3 |g - m| + |m'|)``; ``0.1`` is rounded, the difference
  and the product are;
* ``v' = v + (g^2 - v)(1 - beta_2)``: ``u (0.004 |g^2 - v| + |v'|)``, with the square;
* of the step, ``v'``, its root and the division: 8 roundings;
* ``lr sqrt(b) / a`` in float32, where ``b = 1 - beta_2^t`` has few digits left: a power is off by
  two units in its last place, so ``2 u / b`` and ``4 u / a`` of the step;
* the new weight: one rounding of it.

A constraint after the step clips, which brings no two numbers further apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch

from leaf_port.optim import KerasAdam
from parity.commands.training.models import LEARNING_RATE, Model
from parity.commands.training.recording import Arrays, Layout, Step
from parity.spec import Array
from weight_conversion.official import mapping

U = 2.0**-24
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclasses.dataclass(frozen=True)
class Moved:
    """What a step made of one array: ours, the official one, and what they may differ by."""

    name: str
    ours: Array
    official: Array
    bound: Array

    @property
    def used(self) -> float:
        """The greatest part of the bound; above 1 where it does not hold."""
        apart = np.abs(self.ours.astype(np.float64) - self.official)
        return float(np.max(apart / np.maximum(self.bound, np.finfo(np.float32).tiny), initial=0.0))


def moved(model: Model, step: Step) -> Iterator[Moved]:
    """Weights and moments after the step, from the official gradients and what was before it."""
    layout = Layout(model)
    ours = _stepped(model, layout, step)
    for path in layout.trained:
        bounds = _bounds(step, path)
        official = step.after[path], step.first_after[path], step.second_after[path]
        kinds = ("weight", "first moment", "second moment")
        for kind, mine, theirs, bound in zip(kinds, ours[path], official, bounds, strict=True):
            yield Moved(f"{kind} {path}", mine, theirs, bound)


def _bounds(step: Step, path: str) -> tuple[Array, Array, Array]:
    """What two computations may differ by: of the weight and of its moments."""
    g, m, v = (each[path].astype(np.float64) for each in (step.gradients, step.first, step.second))
    a, b = (1.0 - float(np.float32(beta)) ** step.number for beta in (BETA_1, BETA_2))
    first = BETA_1 * m + (1.0 - BETA_1) * g
    second = BETA_2 * v + (1.0 - BETA_2) * g**2
    rate = LEARNING_RATE * np.sqrt(b) / a
    root = np.sqrt(second) + EPSILON
    of_first = U * (0.3 * (np.abs(g) + np.abs(m)) + np.abs(first))
    of_second = U * (0.004 * (g**2 + v) + second)
    size = np.abs(rate * first / root)
    powers = 2.0 * U / b + 4.0 * U / a
    of_weight = of_first * rate / root + (8.0 * U + powers) * size
    of_weight += U * np.abs(step.after[path].astype(np.float64))
    return 2.0 * of_weight, 2.0 * of_first, 2.0 * of_second


def _stepped(model: Model, layout: Layout, step: Step) -> dict[str, tuple[Array, Array, Array]]:
    """Weight and moments of every trained weight after a step of ours, of what is held."""
    built = model.build()
    rows = {row.path: row for row in mapping.table(built)}
    named = dict(built.named_parameters()) | dict(built.named_buffers())
    with torch.no_grad():
        for path, value in step.before.items():
            named[rows[path].key].copy_(rows[path].to_torch(value))
    adam = KerasAdam(built, LEARNING_RATE, (BETA_1, BETA_2), EPSILON)
    for path in layout.trained:
        row, weight = rows[path], named[rows[path].key]
        given = [_whole(layout, path, each) for each in (step.gradients, step.first, step.second)]
        weight.grad, first, second = (row.to_torch(each) for each in given)
        count = torch.tensor(float(step.number - 1))
        adam.state[weight] = {"step": count, "exp_avg": first, "exp_avg_sq": second}
    adam.step()
    made = {}
    for path in layout.trained:
        row, weight = rows[path], named[rows[path].key]
        state = adam.state[weight]
        after = (weight, state["exp_avg"], state["exp_avg_sq"])
        held = [layout.picked({path: row.to_official(each)})[path] for each in after]
        made[path] = (held[0], held[1], held[2])
    return made


def _whole(layout: Layout, path: str, arrays: Arrays) -> Array:
    """An array of the shape of a weight; zeros where it is not held."""
    shape, held = layout.shapes[path], arrays[path]
    if held.shape == shape:
        return held
    made = np.zeros(shape, np.float32)
    made.reshape(-1)[layout.kept[path].at] = held
    return made
