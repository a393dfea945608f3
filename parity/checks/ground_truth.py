"""The exact answer to a case with the rounding of each element, and what is compared with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from parity.checks import compare, monte_carlo
from parity.checks.compare import Rounded
from parity.checks.expected_divergences import NON_FINITE
from parity.oracles import exact_answer
from parity.spec import Answer, Array, Case, LayerSpec, Question

OWN = ("output/", "state/")
"""The arrays that the exact oracle answers by itself; gradients are the float64 port's."""

COMPARED = (*OWN, "gradients/")


def of(spec: LayerSpec, pinned: Question, port_float64: Rounded) -> Rounded:
    """The exact arrays of a question: the independent oracle's replace the port's.

    Where both sides answer in float64 (leaf_audio/utils.py), the units are those of float64.
    """
    answer = exact_answer.answer(spec, pinned).arrays()
    own = {name for name in port_float64.exact if name.startswith(OWN)}
    if own != set(answer):
        raise ValueError(f"{spec.name}: the exact oracle gives {sorted(answer)}, not {sorted(own)}")
    whole = dataclasses.replace(port_float64, exact=port_float64.exact | answer)
    if not spec.exceptions.answers_in_double:
        return whole
    return _each(whole, lambda name, unit: unit * compare.DOUBLE_UNIT if name in own else unit)


def _each(truth: Rounded, of: Callable[[str, Array], Array]) -> Rounded:
    """The same with other units, those of the official side too."""

    def made(units: Mapping[str, Array]) -> dict[str, Array]:
        return {name: of(name, unit) for name, unit in units.items()}

    official = None if truth.official is None else made(truth.official)
    return Rounded(truth.exact, made(truth.units), official)


def between(truth: Rounded, bounds: Callable[[str], tuple[float, float]]) -> Rounded:
    """Units of the distance between both sides, of which as many as both bounds together are
    allowed: their sum is the sum of what either side is allowed in its own units.

    Args:
        truth: the exact answer with the units of either side.
        bounds: the port's and the official bound, of an array by its name.
    """
    return _merged(truth, bounds, np.add)


def wider(truth: Rounded, bounds: Callable[[str], tuple[float, float]]) -> Rounded:
    """Units of which as many as the greater bound are the greater of what either side is allowed.

    Args:
        truth: the exact answer with the units of either side.
        bounds: the port's and the official bound, of an array by its name.
    """
    return _merged(truth, bounds, np.maximum)


def _merged(
    truth: Rounded, bounds: Callable[[str], tuple[float, float]], merge: np.ufunc
) -> Rounded:
    if truth.official is None:
        return truth

    def merged(name: str, port: Array, official: Array) -> Array:
        ours, theirs = bounds(name)
        allowed = merge(ours, theirs)
        return merge(ours * port, theirs * official) / allowed if allowed else port

    units = {name: merged(name, unit, truth.official[name]) for name, unit in truth.units.items()}
    return dataclasses.replace(truth, units=units)


def where_both_finite(arrays: Mapping[str, Array], truth: Rounded) -> Rounded:
    """The exact value where both are finite, else the side's own.

    A tap that is zero in float32 and 1e-50 in float64 makes NaN of an infinity, or infinity. Port
    and official must agree on which.
    """

    def own(name: str, exact: Array) -> Array:
        got = arrays.get(name, exact)
        if got.shape != exact.shape:
            return exact
        return np.where(np.isfinite(got) & np.isfinite(exact), exact, got)

    exact = {name: own(name, exact) for name, exact in truth.exact.items()}
    return dataclasses.replace(truth, exact=exact)


def at_least_rounded(truth: Rounded, official: Answer) -> Rounded:
    """Units of at least the official numbers' own rounding.

    Behind -3.4e38 float32 overflows where float64 does not: its answer is another one there.
    """
    theirs = official.arrays()

    def merged(name: str, unit: Array) -> Array:
        if name not in theirs or theirs[name].shape != unit.shape:
            return unit
        return np.fmax(unit, monte_carlo.UNIT_ROUNDOFF * np.abs(theirs[name]))

    return _each(picked(truth, official), merged)


def picked(truth: Rounded, answer: Answer) -> Rounded:
    """The part of all arrays that an answer holds."""
    official = None if truth.official is None else answer.pick(truth.official)
    return Rounded(answer.pick(truth.exact), answer.pick(truth.units), official)


def compared_part(answer: Answer, case: Case) -> Answer:
    """The arrays of an answer that are compared.

    Initial weights are compared in the cases that run with them; recordings hold no others. For an
    input that is not finite, gradients are not compared, nor whether an element is NaN or infinite:
    see ``parity/checks/expected_divergences.py``.
    """
    initial = answer.initial if case.initial else {}
    if case.signal not in NON_FINITE:
        return dataclasses.replace(answer, initial=initial)
    return dataclasses.replace(
        answer,
        initial=initial,
        gradients={},
        outputs=[_one_kind(output) for output in answer.outputs],
        state={name: _one_kind(array) for name, array in answer.state.items()},
    )


def _one_kind(array: Array) -> Array:
    """NaN in place of everything that is not finite."""
    floating = np.issubdtype(array.dtype, np.floating)
    return np.where(np.isfinite(array), array, np.nan).astype(array.dtype) if floating else array
