"""Runs the checks of one layer with a bug planted, in a process of its own."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from parity.checks import kept_units
from parity.commands.mutants import exchange, hook, prepare
from parity.commands.mutants.exchange import NotExchangedError, Place
from parity.commands.mutants.mutant import Mutant
from parity.commands.mutants.prepare import Prepared

if TYPE_CHECKING:
    from parity.checks.case_checks import Result
    from parity.checks.derivatives.asked import Asked as Derivative
    from parity.spec import ErrorCase, LayerSpec
    from parity.spec.invariant import Law

_Named = tuple[str, Callable[[], str]]


@dataclasses.dataclass(frozen=True)
class Catch:
    """The first check that failed.

    Attributes:
        case: its case, "refusals" for an error case, "laws", "derivatives" or "recording".
        check: the array and the aspect, or what was raised or accepted.
        units: greatest difference of an element, in units of its rounding; None for no figure.
        allowed: the budget for it.
        relative: relative difference of the array.
        message: all that the check says.
        again: the command that runs the case alone.
        part: what to run to see it again: a case's name, or ``laws: NAME`` and the like.
    """

    case: str
    check: str
    units: float | None = None
    allowed: float | None = None
    relative: float | None = None
    message: str = ""
    again: str = ""
    part: str = ""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a mutant.

    Attributes:
        catch: what caught it; None if nothing did.
        tried: how many cases and refusals were run.
        broken: why it could not be run at all; empty if it could.
    """

    catch: Catch | None = None
    tried: int = 0
    broken: str = ""


def run(
    mutant: Mutant,
    cases: Sequence[Prepared],
    parts: Collection[str] | None,
    place: Place | None,
    answers: Connection,
) -> None:
    """Sends the verdict on a mutant, or a ``NotExchangedError``; the target of its process.

    Kept units are the healthy port's, by the source on the disk: a mutant takes and keeps none.

    Args:
        mutant: the bug.
        cases: of its layer, with what float64 says of them.
        parts: only these cases and other checks; None for all.
        place: the loaded function that has the bug; None in a process that has no port yet.
        answers: where it is sent.
    """
    os.environ.pop(kept_units.FOLDER, None)
    os.environ.update(mutant.environment)
    verdict: Verdict | NotExchangedError
    try:
        verdict = _verdict(mutant, cases, parts, place)
    except NotExchangedError as error:
        verdict = error
    except Exception as error:  # told, not raised: whoever started this waits for an answer
        verdict = Verdict(broken=f"{type(error).__name__}: {error}")
    answers.send(verdict)
    answers.close()


def _verdict(
    mutant: Mutant,
    cases: Sequence[Prepared],
    parts: Collection[str] | None,
    place: Place | None,
) -> Verdict:
    if mutant.damages:
        return _of_recording(mutant)
    planted = None
    if place is None:
        planted = hook.plant(mutant)
    else:
        exchange.exchange(mutant, place)
    from parity.layers import all_specs
    from parity.port import processor

    processor.prepare()
    spec = all_specs()[mutant.layer]
    if planted is not None and not planted.found:
        raise RuntimeError(f"{mutant.package}/{mutant.file} was never imported")
    tried = 0
    for catch in _checks(spec, cases, parts):
        tried += 1
        if catch is not None:
            return Verdict(catch, tried)
    return Verdict(tried=tried)


def _of_recording(mutant: Mutant) -> Verdict:
    """What reading a damaged recording catches."""
    from leaf_port.errors import LeafError
    from parity.layers import all_specs
    from parity.oracles import recorded

    with hook.damaged(mutant) as folder:
        try:
            recorded.load(all_specs()[mutant.layer], folder)
        except LeafError as error:
            return Verdict(Catch("recording", error.expected, message=str(error)), 1)
    return Verdict(tried=1)


def _checks(
    spec: LayerSpec, cases: Sequence[Prepared], parts: Collection[str] | None
) -> Iterator[Catch | None]:
    """What each case, refusal, law and kind of derivatives catches, None for nothing."""
    yield from _of_cases(spec, [each for each in cases if parts is None or each.case in parts])
    for kind, checks in (("refusals", _refusals), ("laws", _laws), ("derivatives", _derivatives)):
        for name, check in checks(spec):
            part = f"{kind}: {name}"
            if parts is None or part in parts:
                message = check()
                told = message if kind == "refusals" else f"{name}: {message}"
                yield Catch(kind, told, message=message, part=part) if message else None


def _of_cases(spec: LayerSpec, cases: Sequence[Prepared]) -> Iterator[Catch | None]:
    from parity.checks import case_checks
    from parity.oracles import recorded

    recording = recorded.load(spec)
    named = {case.name: case for case in spec.cases()}
    for prepared in cases:
        rounded = prepare.load(prepared.file)
        for result in case_checks.check_port(spec, named[prepared.case], recording, rounded):
            yield _catch(spec, result) if result.failures else None


def _refusals(spec: LayerSpec) -> Iterator[_Named]:
    """By their number."""
    for number, error_case in enumerate(spec.errors):
        yield str(number), functools.partial(_refused, error_case)


def _refused(error_case: ErrorCase) -> str:
    from parity.checks import case_checks

    return case_checks.check_error(error_case) or ""


def _laws(spec: LayerSpec) -> Iterator[_Named]:
    from parity.checks.invariants import checker

    for law in checker.laws(spec):
        yield law.name, functools.partial(_broken, spec, law)


def _broken(spec: LayerSpec, law: Law) -> str:
    from parity.checks.invariants import checker

    return checker.check(spec, law).problem


def _derivatives(spec: LayerSpec) -> Iterator[_Named]:
    from parity.checks.derivatives import chosen
    from parity.spec.without_derivative import KINDS

    asked = chosen.chosen(spec)
    for kind in KINDS:
        yield kind, functools.partial(_wrong_derivative, spec, kind, asked)


def _wrong_derivative(spec: LayerSpec, kind: str, asked: list[Derivative]) -> str:
    from parity.checks.derivatives import derived

    return derived.check(spec, kind, asked).problem


def _catch(spec: LayerSpec, result: Result) -> Catch:
    """The worst of what a failing case says, of the outputs if they are off."""
    where = f"{result.case} ({result.arithmetic})" if result.arithmetic else result.case
    if result.error:
        told = result.error
        return Catch(where, told, message=told, again=result.again, part=result.case)
    from parity.checks import compare

    failing = (d for d in result.differences if not d.ok)
    worst = max(failing, key=lambda d: (not d.is_gradient, d.check == compare.DIRECT, d.units))
    check = f"{worst.check}: {worst.array}: {worst.aspect}"
    if worst.aspect != "values":
        return Catch(where, check, message=worst.message, again=result.again, part=result.case)
    figures = worst.units, worst.allowed, worst.relative
    return Catch(where, check, *figures, worst.message, result.again, result.case)
