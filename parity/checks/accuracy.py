"""How far answers are from the official and from the exact ones: the four checks of one case."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from parity.checks import compare, expected_divergences, monte_carlo
from parity.checks.compare import Difference, Rounded
from parity.checks.expected_divergences import NON_FINITE
from parity.checks.gradients import Skip
from parity.oracles import exact_answer
from parity.port import runner
from parity.port.backends import CPU, Backend
from parity.spec import Answer, Array, Case, LayerSpec, Question
from parity.spec.budget import Budget

OWN = ("output/", "state/")  # what the exact oracle answers by itself
_TO_EXACT = (*OWN, "gradients/")


def exact(spec: LayerSpec, pinned: Question, doubled: Rounded) -> Rounded:
    """The exact arrays of a question: the independent oracle's in the place of the port's.

    Where both sides answer in float64 (leaf_audio/utils.py), the units are those of float64.
    """
    answer = exact_answer.answer(spec, pinned).arrays()
    own = {name for name in doubled.exact if name.startswith(OWN)}
    if own != set(answer):
        raise ValueError(f"{spec.name}: the exact oracle gives {sorted(answer)}, not {sorted(own)}")
    units = dict(doubled.units)
    if spec.answers_in_double:
        units |= {name: units[name] * compare.DOUBLE_UNIT for name in own}
    return Rounded(doubled.exact | answer, units)


def side(
    check: str,
    spec: LayerSpec,
    case: Case,
    answer: Answer,
    rounded: Rounded,
    backend: Backend = CPU,
) -> list[Difference]:
    """The distance of one side's arrays, computed on a backend, from the exact ones."""
    masks = spec.ties(case.config)
    ties = answer.pick({f"gradients/{name}": mask for name, mask in masks.items()})
    rounded = Rounded(answer.pick(rounded.exact), answer.pick(rounded.units))
    if case.signal in NON_FINITE:
        rounded = _where_both_finite(answer.arrays(), rounded)
    budget, ours = _budget(spec, case, backend), check == compare.PORT
    forward = (budget.port if ours else budget.reference).allowed
    gradient = (budget.port_gradient if ours else budget.reference_gradient).allowed
    return [
        compare.to_exact(
            check,
            name,
            np.where(ties[name], rounded.exact[name], got) if name in ties else got,
            rounded,
            gradient if name.startswith("gradients/") else forward,
        )
        for name, got in answer.arrays().items()
        if name.startswith(_TO_EXACT) and name in rounded.exact
    ]


def _where_both_finite(arrays: Mapping[str, Array], rounded: Rounded) -> Rounded:
    """Exact where both are finite, else the side's own value.

    A tap that is zero in float32 and 1e-50 in float64 makes NaN of an infinity, or infinity. Which,
    port and official must agree on.
    """

    def own(name: str, exact: Array) -> Array:
        got = arrays.get(name, exact)
        if got.shape != exact.shape:
            return exact
        return np.where(np.isfinite(got) & np.isfinite(exact), exact, got)

    return Rounded({name: own(name, exact) for name, exact in rounded.exact.items()}, rounded.units)


def _budget(spec: LayerSpec, case: Case, backend: Backend) -> Budget:
    budget = spec.budget_of(case)
    return budget.off_the_cpu() if backend.own_order else budget


def double(
    spec: LayerSpec, case: Case, arrays: Mapping[str, Array], rounded: Rounded
) -> list[Difference]:
    """The port's float64 arrays and the exact ones."""
    if case.signal in NON_FINITE:
        rounded = _where_both_finite(arrays, rounded)
    unit = 1.0 if spec.answers_in_double else compare.DOUBLE_UNIT
    return [
        compare.to_exact(compare.DOUBLE, name, got, rounded, spec.budget.double.allowed, unit)
        for name, got in arrays.items()
        if name.startswith(_TO_EXACT)
    ]


def direct(
    spec: LayerSpec,
    question: Question,
    got: Answer,
    official: Answer,
    rounded: Rounded,
    run: runner.Run,
) -> tuple[list[Difference], tuple[str, ...], list[Skip]]:
    """Port and official: differences, the known divergences that explain some, what stays open."""
    case, weights = question.case, spec.weights(question.case.config)
    drawn = {f"initial/{path}" for path, weight in weights.items() if weight.random}

    budget = _budget(spec, case, run.backend)

    def compared(arrays: Mapping[str, Array], rounded: Rounded = rounded) -> list[Difference]:
        return compare.compare(arrays, official, rounded, budget, drawn)

    ours = official.pick(got.arrays())
    found, needed, skips = compared(ours), list[str](), list[Skip]()
    for entry in expected_divergences.of(spec, case):
        if all(difference.ok for difference in found):
            break
        needed.append(entry.name)
        context = entry.like_official()
        like_run = dataclasses.replace(run, noise=functools.partial(_itself, context))
        if run.backend.capture is not None:  # no graph holds it: it is a context of each operation
            like_run = dataclasses.replace(like_run, backend=CPU)
        like = runner.answer(spec, question, like_run)
        like = compared_part(like, case)
        picked = official.pick(like.arrays())
        ours = expected_divergences.nearest(ours, picked, official, context.undetermined)
        within = monte_carlo.units(spec, question, run.arithmetic, within=entry.like_official)
        within = _at_least_rounded(within, official)
        found = [_without_distance(each) for each in compared(ours, within)]
        if context.undetermined:
            skips = [Skip(each.array, f"{entry.name}: what is not finite") for each in found]
    return found, tuple(needed), skips


def _itself(context: expected_divergences.LikeOfficial) -> expected_divergences.LikeOfficial:
    return context


def _at_least_rounded(within: Rounded, official: Answer) -> Rounded:
    """Units of at least the official numbers' own rounding.

    Behind -3.4e38 float32 overflows where float64 does not: its answer is another one there.
    """
    theirs, units = official.arrays(), official.pick(within.units)

    def merged(name: str, unit: Array) -> Array:
        if name not in theirs or theirs[name].shape != unit.shape:
            return unit
        return np.fmax(unit, monte_carlo.UNIT_ROUNDOFF * np.abs(theirs[name]))

    picked = {name: merged(name, unit) for name, unit in units.items()}
    return Rounded(official.pick(within.exact), picked)


def _without_distance(difference: Difference) -> Difference:
    """Neither side of a known divergence is near the exact answer: how near is not told."""
    return dataclasses.replace(difference, port_to_exact=0.0, official_to_exact=0.0)


def compared_part(answer: Answer, case: Case) -> Answer:
    """What of an answer is compared.

    Initial weights are, in the cases that run with them; recordings hold no others. Of an input
    that is not finite the gradients are not, nor whether an element is NaN or infinite: see
    ``parity/checks/expected_divergences.py``.
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
    """NaN for whatever is not finite."""
    floating = np.issubdtype(array.dtype, np.floating)
    return np.where(np.isfinite(array), array, np.nan).astype(array.dtype) if floating else array
