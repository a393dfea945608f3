"""Differences between two answers, in relative terms and in units of each element's own
rounding.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from parity.checks import histogram
from parity.spec import Answer, Array, Budget

# What is compared with what.
DIRECT = "port and official"
PORT = "port and exact"
REFERENCE = "official and exact"
DOUBLE = "float64 port and exact"
SLOPE = "gradient and exact differences"

# A unit of float64 rounding as part of one of float32.
DOUBLE_UNIT = 2.0**-29

# Smallest unit: filter taps below 1e-30 are zero in the port, on purpose. They enter sums of order
# 10, and gradients the logarithm's 1e5 (one over its floor) times as much.
SMALLEST = 1e-24


@dataclasses.dataclass(frozen=True)
class Difference:
    """One aspect of one array.

    Attributes:
        array: which (``output/0``, ``gradients/weight/_kernel`` …).
        aspect: ``dtype``, ``shape``, ``finite`` or ``values``.
        ok: whether it is within the budget.
        relative: Frobenius norm of the difference over that of the reference.
        units: greatest difference of an element, in units of its rounding.
        norm: the difference's norm, in norms of the units.
        explained: whether ``relative`` is above the limit, and rounding alone explains it.
        port_to_exact: relative difference between the port and the exact answer.
        official_to_exact: the same of the reference.
        message: what is wrong, with the worst element.
        check: which of the checks: one of the constants above.
        allowed: what ``units`` may be.
        allowed_relative: what ``relative`` may be, unless it is ``explained``.
        histogram: of a float32 side against the exact answer, how many finite elements are how far
            off, in units (``parity/checks/histogram.py``); else empty.
    """

    array: str
    aspect: str
    ok: bool
    relative: float = 0.0
    units: float = 0.0
    norm: float = 0.0
    explained: bool = False
    port_to_exact: float = 0.0
    official_to_exact: float = 0.0
    message: str = ""
    check: str = DIRECT
    allowed: float = np.inf
    allowed_relative: float = np.inf
    histogram: tuple[int, ...] = ()

    @property
    def is_gradient(self) -> bool:
        """Whether it concerns a gradient."""
        return self.array.startswith("gradients/")

    @property
    def kind(self) -> str:
        """``forward`` or ``gradient``."""
        return "gradient" if self.is_gradient else "forward"

    @property
    def budget_used(self) -> float:
        """The greatest part of what is allowed; above 1 where it is not within the budget."""
        relative = 0.0 if self.explained else _part(self.relative, self.allowed_relative)
        used = max(_part(self.units, self.allowed), relative)
        return used if self.ok or used > 1.0 else np.inf


def _part(value: float, allowed: float) -> float:
    """``value / allowed``; nothing is no part, even of nothing."""
    if value == 0.0 or allowed == np.inf:
        return 0.0
    return float(value / allowed) if allowed > 0.0 else np.inf


@dataclasses.dataclass(frozen=True)
class Rounded:
    """What float64 says of a question.

    Attributes:
        exact: the exact arrays: outputs and moving statistics of the independent oracle,
            gradients of the float64 port, which that oracle's differences confirm.
        units: how much rounding each of their elements carries in float32.
        official: the same for the official side, where its libraries round more; else None.
    """

    exact: dict[str, Array]
    units: dict[str, Array]
    official: dict[str, Array] | None = None

    @property
    def of_official(self) -> Rounded:
        """The same in the units of the official side."""
        return self if self.official is None else Rounded(self.exact, self.official)


@dataclasses.dataclass(frozen=True)
class Limit:
    """Limits of a distance from the exact answer."""

    forward: float
    gradient: float
    relative: float
    relative_gradient: float
    norm: float = np.inf


def relative_difference(got: Array, expected: Array) -> float:
    """``||got - expected|| / ||expected||``; the absolute norm where the reference is zero."""
    apart = np.linalg.norm((got.astype(np.float64) - expected.astype(np.float64)).ravel())
    size = np.linalg.norm(expected.astype(np.float64).ravel())
    return float(apart / size) if size > 0 else float(apart)


def in_units(got: Array, expected: Array, unit: Array) -> Array:
    """Element by element; where nothing is rounded the smallest normal float is the unit."""
    apart = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    return apart / np.maximum(unit, SMALLEST)


def farthest(got: Array, expected: Array, unit: Array) -> float:
    """The greatest distance in units, of what is finite in both."""
    finite = np.isfinite(got) & np.isfinite(expected)
    return float(in_units(got[finite], expected[finite], unit[finite]).max(initial=0.0))


def _norm_in_units(got: Array, expected: Array, unit: Array) -> float:
    apart = np.linalg.norm((got.astype(np.float64) - expected).ravel())
    return float(apart / max(float(np.linalg.norm(unit.ravel())), SMALLEST))


def compare_array(
    name: str, got: Array, expected: Array, unit: Array, budget: Budget | Limit
) -> Difference:
    """The first aspect that is wrong, or the values' difference."""
    if got.shape != expected.shape:
        message = f"shape {got.shape}, official {expected.shape}"
        return Difference(name, "shape", False, np.inf, np.inf, message=message)
    if got.dtype != expected.dtype:
        message = f"dtype {got.dtype}, official {expected.dtype}"
        return Difference(name, "dtype", False, np.inf, np.inf, message=message)
    odd = np.isnan(got) != np.isnan(expected)
    odd |= np.isinf(got) != np.isinf(expected)
    odd |= np.isinf(expected) & (np.sign(got) != np.sign(expected))
    if odd.any():
        at = tuple(int(i) for i in np.argwhere(odd)[0])
        message = f"{int(odd.sum())} elements, first at {at}: {got[at]}, official {expected[at]}"
        return Difference(name, "finite", False, np.inf, np.inf, message=message)
    finite = np.isfinite(expected)
    got, expected = np.where(finite, got, 0), np.where(finite, expected, 0)
    return _compare_values(name, got, expected, np.where(finite, unit, 0), budget)


def _compare_values(
    name: str, got: Array, expected: Array, unit: Array, budget: Budget | Limit
) -> Difference:
    gradient = name.startswith("gradients/")
    allowed = budget.gradient if gradient else budget.forward
    allowed_relative = budget.relative_gradient if gradient else budget.relative
    relative = relative_difference(got, expected)
    each = in_units(got, expected, unit)
    units = float(each.max(initial=0.0))
    norm = _norm_in_units(got, expected, unit)
    explained = allowed_relative < relative and norm <= budget.norm
    found = Difference(
        name,
        "values",
        True,
        relative,
        units,
        norm,
        allowed=allowed,
        allowed_relative=allowed_relative,
    )
    if units <= allowed and (relative <= allowed_relative or explained):
        return dataclasses.replace(found, explained=explained)
    at = (
        tuple(int(i) for i in np.unravel_index(int(each.argmax()), each.shape)) if each.size else ()
    )
    message = (
        f"relative {relative:.2e} (allowed {allowed_relative:.0e}, or a norm of {budget.norm:g} "
        f"units; it is {norm:.3g}), worst {units:.3g} units "
        f"(allowed {allowed:g}) at {at}: {got[at]!r}, official {expected[at]!r}, "
        f"unit {unit[at]:.3g}"
    )
    return dataclasses.replace(found, ok=False, message=message)


def compare(
    ours: Mapping[str, Array],
    expected: Answer,
    rounded: Rounded,
    budget: Budget | Limit,
    random: set[str],
) -> list[Difference]:
    """One difference an array; an array that only one side has is a difference too.

    Args:
        ours: the port's arrays, of which only what ``expected`` kept.
        expected: the reference's answer.
        rounded: float64 answer and units of rounding.
        budget: what is allowed.
        random: names of arrays that are drawn at random, of which shape and dtype are compared
        only.
    """
    theirs = expected.arrays()
    exact, units = expected.pick(rounded.exact), expected.pick(rounded.units)
    found = []
    for name in sorted(set(ours) | set(theirs)):
        if name not in ours or name not in theirs:
            who = "official" if name not in theirs else "port"
            message = f"the {who} has none"
            found.append(Difference(name, "shape", False, np.inf, np.inf, message=message))
            continue
        expected_array = theirs[name]
        if name in random and ours[name].shape == expected_array.shape:
            expected_array = ours[name]
        difference = compare_array(name, ours[name], expected_array, units[name], budget)
        found.append(_beside_exact(difference, ours[name], expected_array, exact[name]))
    return found


def to_exact(
    check: str, name: str, got: Array, rounded: Rounded, allowed: float, unit: float = 1.0
) -> Difference:
    """One side's distance from the exact answer; precision is not compared.

    Args:
        check: which side: ``PORT``, ``REFERENCE`` or ``DOUBLE``.
        name: of the array.
        got: the side's array.
        rounded: the exact answer and its units.
        allowed: greatest distance, in units.
        unit: what one of ``rounded.units`` stands for: ``DOUBLE_UNIT`` for float64.
    """
    exact, sizes = rounded.exact[name], rounded.units[name] * unit
    budget = Limit(allowed, allowed, np.inf, np.inf)
    apart = compare_array(name, got.astype(exact.dtype), exact, sizes, budget)
    message = apart.message.replace("official", "exact")
    spread: tuple[int, ...] = ()
    if check != DOUBLE and apart.aspect == "values":
        finite = np.isfinite(exact)
        spread = histogram.counts(in_units(got[finite], exact[finite], sizes[finite]))
    return dataclasses.replace(
        apart, check=check, explained=False, message=message, histogram=spread
    )


def _beside_exact(difference: Difference, got: Array, expected: Array, exact: Array) -> Difference:
    """Adds how far either side is from float64, where all is finite."""
    if difference.aspect != "values":
        return difference
    finite = np.isfinite(expected) & np.isfinite(exact)
    got, expected, exact = (np.where(finite, array, 0) for array in (got, expected, exact))
    ours, theirs = relative_difference(got, exact), relative_difference(expected, exact)
    message = difference.message
    if message:
        message += f"; to float64: port {ours:.1e}, official {theirs:.1e}"
    return dataclasses.replace(
        difference, port_to_exact=ours, official_to_exact=theirs, message=message
    )
