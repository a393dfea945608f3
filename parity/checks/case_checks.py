"""Runs a case of the port against the oracles: the four checks, and the one of gradients.

1. The port's float32 answer is within its budget of the exact one.
2. The official answer is within its budget of the exact one, which ties the oracle to the official
   code.
3. The port's answer is within its budget of the official one, directly.
4. The port in float64 is the exact oracle's answer, to the rounding of float64.

Outputs and moving statistics are the exact oracle's own. Gradients are the float64 port's, once
differences of the exact oracle have confirmed them on that very case
(``parity/checks/gradients.py``).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from leaf_port.errors import LeafError
from parity.checks import expected_capture_failures, ground_truth, monte_carlo
from parity.checks.checked_case import CheckedCase
from parity.checks.compare import Difference, Rounded
from parity.checks.gradients import Skip
from parity.checks.result import Result as Result
from parity.layers import all_specs
from parity.oracles import exact_answer, recorded
from parity.port import backends, feature_masking, processor, runner
from parity.port.backends import CPU, Backend
from parity.port.complex_watch import WithoutComplex
from parity.spec import Answer, Case, ErrorCase, LayerSpec, Question


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
    question = runner.ask(spec, case)
    official = ground_truth.compared_part(ask(spec, question), case)
    with np.errstate(all="ignore"):  # NaN, infinities and huge values are asked on purpose
        results = _check(spec, question, official, monte_carlo.RUNS, where)
        if any(not d.ok and d.aspect == "values" for each in results for d in each.differences):
            return _check(spec, question, official, monte_carlo.STURDY_RUNS, where)
    return results


def _check(
    spec: LayerSpec,
    question: Question,
    official: Answer,
    runs: int,
    where: Sequence[Backend] = (CPU,),
) -> list[Result]:
    pinned = exact_answer.pinned(question, official)
    first = arithmetics(spec)[0]
    port_float64 = monte_carlo.units(spec, pinned, first, runs)
    checked = CheckedCase(spec, question, official, ground_truth.of(spec, pinned, port_float64))
    single = spec.exceptions.single(question.case.config)
    results = []
    for backend, arithmetic in itertools.product(where, arithmetics(spec)):
        run = runner.Run(arithmetic=arithmetic, backend=backend)
        if backend.capture is not None:  # what concerns the case, or float64, is not captured
            ask_port = functools.partial(_port, checked)
            results.append(expected_capture_failures.attempt(spec, question, run, ask_port))
            continue
        result, *other = _ways(checked, run)
        differences, skips = list(result.differences), list(result.skips)
        if backend is not where[0]:
            pass  # what concerns the case, or float64, is listed with the first one
        elif arithmetic == first:
            once = _once(checked, port_float64, result.needed)
            differences, skips = differences + once[0], skips + once[1]
        elif not single:
            double = runner.answer(spec, pinned, runner.Run(torch.float64, arithmetic))
            differences += checked.float64_to_exact(double.arrays())
        if backend.flushes_denormals and question.case.signal == "denormal":
            differences, more = _without_flushed(differences)
            skips += more
        results.append(
            dataclasses.replace(result, differences=differences, skips=skips, single=single)
        )
        results += other
    return results


def _ways(checked: CheckedCase, run: runner.Run) -> Iterator[Result]:
    """Runs the default path.

    On the CPU, also the fallback path for devices that lack the features it used. Real arithmetic
    and, unless complex arithmetic is asked for, the fallback path may have no complex numbers.
    """
    on_cpu = run.backend is CPU
    with feature_masking.asked() as features:
        usual = _port(checked, _watched(run) if on_cpu and run.arithmetic == "real" else run)
    yield usual
    if features and on_cpu:
        lacking = dataclasses.replace(run, backend=feature_masking.LACKING)
        result = _port(checked, lacking if run.arithmetic == "complex" else _watched(lacking))
        yield dataclasses.replace(result, lacking=tuple(sorted(features)))


def _watched(run: runner.Run) -> runner.Run:
    """The run, which fails at the first operation on complex numbers."""
    return dataclasses.replace(run, noise=WithoutComplex)


def _port(checked: CheckedCase, run: runner.Run) -> Result:
    """Checks 1 and 3 of the port's float32 answer in a run."""
    spec, case = checked.spec, checked.case
    answered, program = runner.observed(spec, checked.question, run)
    answer = ground_truth.compared_part(answered, case)
    skips = []
    if run.backend.outputs_only:
        official = dataclasses.replace(checked.official, gradients={}, state={})
        lost = sorted(checked.official.arrays().keys() - official.arrays().keys())
        skips = [Skip(name, run.backend.outputs_only) for name in lost]
        checked = dataclasses.replace(checked, official=official)
    direct, needed, open_ = checked.port_to_official(answer, run)
    return Result(
        spec.name,
        case.name,
        run.arithmetic,
        direct + checked.port_to_exact(answer, run.backend),
        skips + open_,
        needed=needed,
        backend=run.backend.name,
        program=program,
    )


def _without_flushed(found: Sequence[Difference]) -> tuple[list[Difference], list[Skip]]:
    """The differences but for values that are off: neither oracle counts denormals as zero."""
    kept = [each for each in found if each.ok or each.aspect != "values"]
    reason = "denormal numbers count as zero there"
    return kept, [Skip(each.array, reason) for each in found if each not in kept]


def check_port(
    spec: LayerSpec, case: Case, recording: recorded.Recording, rounded: Rounded
) -> Iterator[Result]:
    """The checks of the port's float32 answers alone, with what :func:`ready` gives.

    An exception is a failing result.
    """
    try:
        question = runner.ask(spec, case)
        official = ground_truth.compared_part(recording.answer(spec, question), case)
        for arithmetic in arithmetics(spec):
            run = runner.Run(arithmetic=arithmetic)
            with np.errstate(all="ignore"):
                results = list(_ways(CheckedCase(spec, question, official, rounded), run))
            yield from results
    except Exception as error:
        yield Result(spec.name, case.name, None, error=f"raised {type(error).__name__}: {error}")


def ready(spec: LayerSpec, case: Case, recording: recorded.Recording) -> tuple[Question, Rounded]:
    """The question of a case and its exact answer, with units by which the port as it is passes."""
    question = runner.ask(spec, case)
    pinned = exact_answer.pinned(question, recording.answer(spec, question))
    for runs in (monte_carlo.RUNS, monte_carlo.STURDY_RUNS):
        doubled = monte_carlo.units(spec, pinned, arithmetics(spec)[0], runs)
        rounded = ground_truth.of(spec, pinned, doubled)
        if not any(result.failures for result in check_port(spec, case, recording, rounded)):
            break
    return question, rounded


def _once(
    checked: CheckedCase, port_float64: Rounded, needed: Sequence[str]
) -> tuple[list[Difference], list[Skip]]:
    """What concerns a case and no arithmetic: the official answer, float64, gradients."""
    differences = [each for each in checked.official_to_exact() if each.ok or not needed]
    if not checked.spec.exceptions.single(checked.case.config):
        own = {
            name: array
            for name, array in port_float64.exact.items()
            if name.startswith(ground_truth.OWN)
        }
        differences += checked.float64_to_exact(own)
    found, skips = checked.gradients_to_exact(port_float64)
    return differences + found, skips


def check_named(layer: str, case_name: str, *names: str) -> list[Result]:
    """The results of one case on some backends, found by names: what a worker process is asked."""
    spec = all_specs()[layer]
    recording = recorded.load(spec)
    case = next(each for each in recorded.cases(spec, recording) if each.name == case_name)
    processor.prepare()
    where = [backends.named(name) for name in names or (CPU.name,)]
    try:
        for backend in where:
            backend.start()
        return check(spec, case, recording.answer, *where)
    except Exception as error:  # told with its case; the other cases still run
        what = f"raised {type(error).__name__}: {error}"
        return [Result(layer, case_name, None, error=what, backend=each.name) for each in where]


def check_errors_named(layer: str) -> list[str | None]:
    """What is wrong with each error case of a layer: what a worker process is asked."""
    processor.prepare()
    return [check_error(error_case) for error_case in all_specs()[layer].errors]


def check_error(error_case: ErrorCase) -> str | None:
    """None if the port refuses with a LeafError about the declared argument; else what happened."""
    try:
        error_case.act()
    except LeafError as error:
        if error.argument != error_case.argument:
            return f"the error names {error.argument}, not {error_case.argument}: {error}"
        told = error.owner, error.argument, error.expected, str(error.got), error.fix
        return None if all(part in str(error) for part in told) else f"half of it is told: {error}"
    except Exception as error:
        return f"{error_case.argument}: raised {type(error).__name__}, not LeafError: {error}"
    return f"{error_case.argument}: accepted"
