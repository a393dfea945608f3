"""Runs a case of the port against the oracles: the four checks, and the one of gradients.

1. The port's float32 answer is within its budget of the exact one.
2. The official answer is within its budget of the exact one, which ties the oracle to the official
   code.
3. The port's answer is within its budget of the official one, directly.
4. The port in float64 is the exact oracle's answer, to the rounding of float64.

Outputs and moving statistics are the exact oracle's own. Gradients are the float64 port's, once
differences of the exact oracle have confirmed them on that very case (``parity/slopes.py``).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

from leaf_port.errors import LeafError
from parity import backends, compare, divergences, exactness, not_captured, port, rounding, slopes
from parity.backends import CPU, Backend
from parity.compare import Difference, Rounded
from parity.divergences import NON_FINITE
from parity.layers import all_specs
from parity.oracles import recorded
from parity.result import Result as Result
from parity.slopes import Skip
from parity.spec import Answer, Array, Case, ErrorCase, LayerSpec, Question


def arithmetics(spec: LayerSpec) -> Sequence[str | None]:
    """The arithmetics to run a layer in."""
    return spec.arithmetics or (None,)


Ask = Callable[[LayerSpec, Question], Answer]


def check(spec: LayerSpec, case: Case, ask: Ask, *where: Backend) -> list[Result]:
    """All checks of a case, in each arithmetic of the port.

    What is beyond its budget is judged again, by units that more runs have measured.

    Args:
        spec: the declaration.
        case: one of its cases, or a drawn one.
        ask: gives the official answer: a recording's or the live oracle's ``answer``.
        where: where the port's float32 answers are computed; the CPU by default. Everything in
            float64 is computed on the CPU, once for all of them.
    """
    where = where or (CPU,)
    question = port.ask(spec, case)
    official = _compared_part(ask(spec, question), case)
    with np.errstate(all="ignore"):  # NaN, infinities and huge values are asked on purpose
        results = _check(spec, question, official, rounding.RUNS, where)
        if any(not d.ok and d.aspect == "values" for each in results for d in each.differences):
            return _check(spec, question, official, rounding.STURDY_RUNS, where)
    return results


def _check(
    spec: LayerSpec,
    question: Question,
    official: Answer,
    runs: int,
    where: Sequence[Backend] = (CPU,),
) -> list[Result]:
    pinned = exactness.pinned(question, official)
    first = arithmetics(spec)[0]
    doubled = rounding.units(spec, pinned, first, runs)
    rounded = exact(spec, pinned, doubled)
    single = spec.single(question.case.config)
    results = []
    for backend, arithmetic in itertools.product(where, arithmetics(spec)):
        run = port.Run(arithmetic=arithmetic, backend=backend)
        ask_port = functools.partial(_port, spec, question, official, rounded)
        if backend.capture is not None:  # what concerns the case, or float64, is not captured
            results.append(not_captured.attempt(spec, question, run, ask_port))
            continue
        result = ask_port(run)
        differences, skips = list(result.differences), list(result.skips)
        if backend is not where[0]:
            pass  # what concerns the case, or float64, stands with the first one
        elif arithmetic == first:
            once = _once(spec, pinned, official, doubled, rounded, result.needed)
            differences, skips = differences + once[0], skips + once[1]
        elif not single:
            double = port.answer(spec, pinned, port.Run(torch.float64, arithmetic))
            differences += _double(spec, question.case, double.arrays(), rounded)
        if backend.flushes_denormals and question.case.signal == "denormal":
            differences, more = _without_flushed(differences)
            skips += more
        results.append(
            dataclasses.replace(result, differences=differences, skips=skips, single=single)
        )
    return results


def _port(
    spec: LayerSpec,
    question: Question,
    official: Answer,
    rounded: Rounded,
    run: port.Run,
) -> Result:
    """What the port's float32 answer differs from the official and the exact one."""
    case = question.case
    answered, program = port.observed(spec, question, run)
    got = _compared_part(answered, case)
    skips = []
    if run.backend.outputs_only:
        whole, official = official, dataclasses.replace(official, gradients={}, state={})
        lost = sorted(whole.arrays().keys() - official.arrays().keys())
        skips = [Skip(name, run.backend.outputs_only) for name in lost]
    direct, needed = _direct(spec, question, got, official, rounded, run)
    found = direct + _side(compare.PORT, spec, case, got, rounded)
    return Result(
        spec.name,
        case.name,
        run.arithmetic,
        found,
        skips,
        needed=needed,
        backend=run.backend.name,
        program=program,
    )


def _without_flushed(found: Sequence[Difference]) -> tuple[list[Difference], list[Skip]]:
    """The differences but for values that are off: neither oracle counts denormals as zero."""
    kept = [each for each in found if each.ok or each.aspect != "values"]
    reason = "denormal numbers count as zero there"
    return kept, [Skip(each.array, reason) for each in found if each not in kept]


def _direct(
    spec: LayerSpec,
    question: Question,
    got: Answer,
    official: Answer,
    rounded: Rounded,
    run: port.Run,
) -> tuple[list[Difference], tuple[str, ...]]:
    """Port and official: the differences, and the known divergences that explain some."""
    case, weights = question.case, spec.weights(question.case.config)
    drawn = {f"initial/{path}" for path, weight in weights.items() if weight.random}

    budget = spec.budget_of(case)
    if run.backend.own_order:
        budget = budget.off_the_cpu()

    def compared(arrays: Mapping[str, Array], rounded: Rounded = rounded) -> list[Difference]:
        return compare.compare(arrays, official, rounded, budget, drawn)

    ours = official.pick(got.arrays())
    found, needed = compared(ours), list[str]()
    for entry in divergences.of(spec, case):
        if all(difference.ok for difference in found):
            break
        needed.append(entry.name)
        like_run = dataclasses.replace(run, noise=entry.like_official)
        if run.backend.capture is not None:  # no graph holds it: it is a context of each operation
            like_run = dataclasses.replace(like_run, backend=CPU)
        like = port.answer(spec, question, like_run)
        like = _compared_part(like, case)
        ours = divergences.nearest(ours, official.pick(like.arrays()), official)
        within = rounding.units(spec, question, run.arithmetic, within=entry.like_official)
        within = _at_least_rounded(within, official)
        found = [_without_distance(each) for each in compared(ours, within)]
    return found, tuple(needed)


def _at_least_rounded(within: Rounded, official: Answer) -> Rounded:
    """Units of at least the official numbers' own rounding.

    Behind -3.4e38 float32 overflows where float64 does not: its answer is another one there.
    """
    theirs, units = official.arrays(), official.pick(within.units)

    def merged(name: str, unit: Array) -> Array:
        if name not in theirs or theirs[name].shape != unit.shape:
            return unit
        return np.fmax(unit, rounding.UNIT_ROUNDOFF * np.abs(theirs[name]))

    picked = {name: merged(name, unit) for name, unit in units.items()}
    return Rounded(official.pick(within.exact), picked)


def _without_distance(difference: Difference) -> Difference:
    """Neither side of a known divergence is near the exact answer: how near is not told."""
    return dataclasses.replace(difference, port_to_exact=0.0, official_to_exact=0.0)


def check_port(
    spec: LayerSpec, case: Case, recording: recorded.Recording, rounded: Rounded
) -> Iterator[Result]:
    """The checks of the port's float32 answers alone, with what :func:`ready` gives.

    An exception is a failing result.
    """
    try:
        question = port.ask(spec, case)
        official = _compared_part(recording.answer(spec, question), case)
        for arithmetic in arithmetics(spec):
            run = port.Run(arithmetic=arithmetic)
            with np.errstate(all="ignore"):
                result = _port(spec, question, official, rounded, run)
            yield result
    except Exception as error:
        yield Result(spec.name, case.name, None, error=f"raised {type(error).__name__}: {error}")


def ready(spec: LayerSpec, case: Case, recording: recorded.Recording) -> tuple[Question, Rounded]:
    """The question of a case and its exact answer, with units by which the port as it is passes."""
    question = port.ask(spec, case)
    pinned = exactness.pinned(question, recording.answer(spec, question))
    for runs in (rounding.RUNS, rounding.STURDY_RUNS):
        doubled = rounding.units(spec, pinned, arithmetics(spec)[0], runs)
        rounded = exact(spec, pinned, doubled)
        if not any(result.failures for result in check_port(spec, case, recording, rounded)):
            break
    return question, rounded


_OWN = ("output/", "state/")  # what the exact oracle answers by itself
_TO_EXACT = (*_OWN, "gradients/")


def exact(spec: LayerSpec, pinned: Question, doubled: Rounded) -> Rounded:
    """The exact arrays of a question: the independent oracle's in the place of the port's.

    Where both sides answer in float64 (leaf_audio/utils.py), the units are those of float64.
    """
    answer = exactness.answer(spec, pinned).arrays()
    own = {name for name in doubled.exact if name.startswith(_OWN)}
    if own != set(answer):
        raise ValueError(f"{spec.name}: the exact oracle gives {sorted(answer)}, not {sorted(own)}")
    units = dict(doubled.units)
    if spec.answers_in_double:
        units |= {name: units[name] * compare.DOUBLE_UNIT for name in own}
    return Rounded(doubled.exact | answer, units)


def _side(
    check: str, spec: LayerSpec, case: Case, answer: Answer, rounded: Rounded
) -> list[Difference]:
    """The distance of one side's arrays from the exact ones."""
    masks = spec.ties(case.config)
    ties = answer.pick({f"gradients/{name}": mask for name, mask in masks.items()})
    rounded = Rounded(answer.pick(rounded.exact), answer.pick(rounded.units))
    if case.signal in NON_FINITE:
        rounded = _where_both_finite(answer.arrays(), rounded)
    budget, ours = spec.budget_of(case), check == compare.PORT
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


def _double(
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


def _once(
    spec: LayerSpec,
    pinned: Question,
    official: Answer,
    doubled: Rounded,
    rounded: Rounded,
    needed: Sequence[str],
) -> tuple[list[Difference], list[Skip]]:
    """What concerns a case and no arithmetic: the official answer, float64, gradients."""
    differences = [
        each
        for each in _side(compare.REFERENCE, spec, pinned.case, official, rounded)
        if each.ok or not needed
    ]
    if not spec.single(pinned.case.config):
        own = {name: array for name, array in doubled.exact.items() if name.startswith(_OWN)}
        differences += _double(spec, pinned.case, own, rounded)
    gradients = {
        name.removeprefix("gradients/"): array
        for name, array in doubled.exact.items()
        if name.startswith("gradients/")
    }
    if pinned.case.signal in NON_FINITE:
        reason = "the input is not finite"
        return differences, [Skip(f"gradients/{name}", reason) for name in gradients]
    found, skips = slopes.confirm(spec, pinned, exactness.given(pinned), gradients, rounded)
    return differences + found, skips


def _compared_part(answer: Answer, case: Case) -> Answer:
    """What of an answer is compared.

    Initial weights are, in the cases that run with them; recordings hold no others. Of an input
    that is not finite the gradients are not, nor whether an element is NaN or infinite: see
    ``parity/divergences.py``.
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


def check_named(layer: str, case_name: str, *names: str) -> list[Result]:
    """The results of one case on some backends, found by names: what a worker process is asked."""
    spec = all_specs()[layer]
    recording = recorded.load(spec)
    case = next(each for each in recorded.cases(spec) if each.name == case_name)
    torch.set_num_threads(1)
    where = [backends.named(name) for name in names or (CPU.name,)]
    try:
        for backend in where:
            backend.start()
        return check(spec, case, recording.answer, *where)
    except Exception as error:  # told with its case; the other cases still run
        what = f"raised {type(error).__name__}: {error}"
        return [Result(layer, case_name, None, error=what, backend=each.name) for each in where]


def check_error(error_case: ErrorCase) -> str | None:
    """None if the port refuses with a LeafError about the declared argument; else what happened."""
    try:
        error_case.act()
    except LeafError as error:
        if error.argument == error_case.argument:
            return None
        return f"the error names {error.argument}, not {error_case.argument}: {error}"
    except Exception as error:
        return f"{error_case.argument}: raised {type(error).__name__}, not LeafError: {error}"
    return f"{error_case.argument}: accepted"
