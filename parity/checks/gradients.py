"""The float64 port's gradients against differences of the exact oracle.

The exact oracle has no gradients of its own. Along a random direction ``d`` its central difference
``(L(v + h d) - L(v - h d)) / 2h`` of ``L = sum(output * cotangent)`` must be ``gradient . d``: that
confirms the port's float64 gradient, which then stands for the exact one.

Every value moves in proportion to itself: a silent sample stays silent, a positive energy positive,
and no value crosses a kink at zero. An input or weight that is zero throughout moves by itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from parity.checks import compare
from parity.checks.compare import DOUBLE_UNIT, Difference, Rounded
from parity.spec import Array, Given, LayerSpec, Question
from parity.spec.random_arrays import Source

# Steps, relative to the values. The truncation of a central difference is h^2, 6e-11 at first; the
# rounding of float64 over it, 2^-53 / h, is 1e-11.
STEPS = (2.0**-17, 2.0**-21, 2.0**-13)

# What a difference may be off, as part of the root mean square that gradient and direction make up
# with random signs. One wrong element of 16,000 is 8e-3 of it.
ALLOWED = 1e-6


# Where a step crosses kinks (among hundreds of thousands of rectified samples some change their
# sign), the slopes at two steps disagree: they may be off by this many times as much.
CROSSED = 4.0

# A step at which rounding alone may make more than this part of the slope tells nothing.
DROWNED = 1e-3


@dataclasses.dataclass(frozen=True)
class Skip:
    """A gradient that differences cannot confirm, with the reason."""

    array: str
    reason: str


def _moved(given: Given, name: str, by: Array) -> Given:
    kind, _, rest = name.partition("/")
    field = "inputs" if kind == "input" else "weights"
    values: dict[str, Array] = dict(getattr(given, field))
    values[rest] = values[rest] + by
    changed: dict[str, Any] = {field: values}
    return dataclasses.replace(given, **changed)


def _value(given: Given, name: str) -> Array:
    kind, _, rest = name.partition("/")
    return (given.inputs if kind == "input" else given.weights)[rest]


def direction(value: Array, seed: int) -> Array:
    """Random, each element in proportion to the value's; absolute where all of them are zero."""
    drawn = Source(seed).uniform(value.shape, -1.0, 1.0).astype(np.float64)
    return drawn * np.abs(value) if np.any(value) else drawn


def loss(spec: LayerSpec, question: Question, given: Given) -> np.longdouble:
    """``sum(output * cotangent)`` of the exact oracle."""
    total = np.longdouble(0.0)
    for index, output in enumerate(spec.exact(given).outputs):
        total += np.sum(output * question.cotangent(index, output.shape), dtype=np.longdouble)
    return total


def _noise(question: Question, rounded: Rounded) -> float:
    """How far rounding may take the loss: every output by two units, all to the same side."""
    total = 0.0
    for name, unit in rounded.units.items():
        if name.startswith("output/"):
            cotangent = question.cotangent(int(name.removeprefix("output/")), unit.shape)
            total += float(np.sum(2.0 * DOUBLE_UNIT * unit * np.abs(cotangent)))
    return total


def _is_kink(at: Callable[[float], np.longdouble], noise: float) -> bool:
    """Whether the slopes to both sides differ, however small the step.

    Of a smooth loss ``L(h) + L(-h) - 2 L(0)`` is a quarter at half the step; at a kink, half.
    """
    middle = at(0.0)
    wide, narrow = (float(at(step) + at(-step) - 2.0 * middle) for step in (2.0**-15, 2.0**-16))
    return abs(wide) > 64.0 * noise and abs(narrow) > 0.4 * abs(wide)


def confirm(
    spec: LayerSpec,
    question: Question,
    given: Given,
    gradients: Mapping[str, Array],
    rounded: Rounded,
) -> tuple[list[Difference], list[Skip]]:
    """A difference for each gradient of the float64 port, or the reason why there is none."""
    found: list[Difference] = []
    skipped: list[Skip] = []
    noise = _noise(question, rounded)
    ties = spec.exceptions.ties(question.case.config)
    for index, (name, gradient) in enumerate(gradients.items()):
        array = f"gradients/{name}"
        along = direction(_value(given, name), question.case.seed + 7919 * (index + 1))
        if name in ties:
            skipped.append(Skip(array, _tied(int(ties[name].sum()))))
            along = np.where(ties[name], 0.0, along)
        with np.errstate(invalid="ignore"):  # infinite times zero: told below
            terms = gradient * along
            scale = float(np.sqrt(np.sum(terms**2)))
        if not np.isfinite(scale) or not np.isfinite(noise):
            skipped.append(Skip(array, "the gradient is not finite"))
            continue

        def at(step: float, name: str = name, along: Array = along) -> np.longdouble:
            return loss(spec, question, _moved(given, name, step * along))

        with np.errstate(all="ignore"):
            outcome = _compare(array, at, float(np.sum(terms)), scale, noise)
        silent = name.startswith("input/") and question.case.signal == "silence"
        if silent and isinstance(outcome, Difference) and not outcome.ok:
            outcome = Skip(array, "the input is silence, and no step is small beside zero")
        if isinstance(outcome, Skip):
            skipped.append(outcome)
        else:
            found.append(outcome)
    return found, skipped


def _tied(elements: int) -> str:
    """Why the elements are left out; the others of the gradient are compared."""
    are = "element is a declared tie" if elements == 1 else "elements are declared ties"
    return f"{elements} {are}, where the derivative is not one number"


def _compare(
    array: str, at: Callable[[float], np.longdouble], expected: float, scale: float, noise: float
) -> Difference | Skip:
    best, slopes = np.inf, list[float]()
    for step in STEPS:
        slope = float((at(step) - at(-step)) / (2.0 * np.longdouble(step)))
        if noise / step > DROWNED * max(scale, abs(slope), compare.SMALLEST):
            continue
        slopes.append(slope)
        bound = ALLOWED * scale + noise / step
        best = min(best, abs(slope - expected) / max(bound, compare.SMALLEST))
        if best <= 1.0:
            return _difference(array, best)
    if not slopes:  # rounding is all there is
        if scale > 0.0:
            return Skip(array, "rounding is greater than the difference that a step makes")
        return _difference(array, 0.0)
    if _is_kink(at, noise):
        return Skip(array, "the function has a kink there: the slopes to both sides differ")
    spread = CROSSED * (max(slopes) - min(slopes))
    if spread > DROWNED * scale:
        return Skip(array, "every step crosses kinks of the function")
    crossed = ALLOWED * scale + noise / STEPS[1] + spread
    apart = min(abs(slope - expected) for slope in slopes)
    best = min(best, apart / max(crossed, compare.SMALLEST))
    message = f"slope of the exact oracle off by {best:.3g} times what step and rounding allow"
    return _difference(array, best, "" if best <= 1.0 else message)


def _difference(array: str, apart: float, message: str = "") -> Difference:
    """A slope that is ``apart`` times what step and rounding allow off."""
    return Difference(
        array,
        "slope",
        not message,
        units=apart,
        message=message,
        check=compare.SLOPE,
        allowed=1.0,
    )
