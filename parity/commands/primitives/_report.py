"""Runs the primitives and tells what came of them: a table, failures, the exit code."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from parity.checks import compare, tightness
from parity.checks.case_checks import Result
from parity.checks.tightness import Used
from parity.commands.live import Stop, stopping
from parity.commands.primitives import _check
from parity.commands.primitives._common import Primitive
from parity.oracles.official import NotAnsweredError, NotRunError, Official
from parity.report import steps
from parity.spec import Case, LayerSpec

_SIDES = {
    compare.DIRECT: "port to TensorFlow",
    compare.PORT: "port to float64",
    compare.REFERENCE: "TensorFlow to float64",
}


@dataclasses.dataclass
class Tally:
    """What came of the drawn examples of a primitive.

    Attributes:
        name: of the declaration.
        examples: how many were compared.
        worst: greatest distance in units, forward and gradient, by check.
        failure: the smallest failing example, and how to run it again; else empty.
        not_run: why nothing, or no more, was compared; else empty.
        used: what the examples used of each bound.
    """

    name: str
    examples: int = 0
    worst: dict[tuple[str, bool], float] = dataclasses.field(default_factory=dict)
    failure: str = ""
    not_run: str = ""
    used: dict[tightness.Place, Used] = dataclasses.field(default_factory=dict)

    def see(self, spec: LayerSpec, case: Case, results: Sequence[Result]) -> None:
        """Takes in an example."""
        self.examples += 1
        for used in tightness.used(spec, results, [case]):
            place = used.adverse, used.check, used.kind
            self.used[place] = max(self.used.get(place, used), used, key=lambda u: u.worst)
        for difference in (each for result in results for each in result.differences):
            kind = difference.check, difference.is_gradient
            self.worst[kind] = max(self.worst.get(kind, 0.0), difference.units)

    def stop(self, error: NotRunError) -> None:
        """Takes in why there are no more examples."""
        if isinstance(error, NotAnsweredError):
            self.failure, self.not_run = str(error), "not answered"
        else:
            self.not_run = f"not run: {error}"

    def units(self, check: str) -> str:
        """Worst units of a check: forward, gradient."""
        forward, gradient = (self.worst.get((check, is_gradient)) for is_gradient in (False, True))
        return ", ".join("-" if each is None else f"{each:.1f}" for each in (forward, gradient))

    @property
    def verdict(self) -> str:
        """In colour."""
        if self.not_run:
            return f"[red]{self.not_run}[/red]" if self.failure else self.not_run
        return "[red]off[/red]" if self.failure else "[green]ok[/green]"


def drawn(primitive: Primitive, official: Official, examples: int) -> Tally:
    """Examples of one primitive."""
    tally = Tally(primitive.spec.name)
    try:
        see = functools.partial(tally.see, primitive.spec)
        _check.check(primitive, stopping(official.answer), examples, see)
    except Stop as stop:
        tally.stop(stop.reason)
    except AssertionError as error:
        tally.failure = str(error)
    return tally


def one(primitive: Primitive, official: Official, text: str) -> Tally:
    """The one case that ``text`` holds, as a failure prints it."""
    tally, case = Tally(primitive.spec.name), _check.from_text(text)
    try:
        found = _check.results(primitive, case, official.answer)
        tally.see(primitive.spec, case, found)
        tally.failure = "\n".join(_check.failures(found))
    except NotRunError as error:
        tally.stop(error)
    return tally


def table(tallies: Sequence[Tally]) -> Table:
    """Examples, worst units and verdict of each primitive."""
    made = Table(
        title="Port against TensorFlow's primitives, drawn examples",
        caption="worst units of rounding: forward, gradient",
    )
    for head in ("primitive", "examples", *_SIDES.values(), "verdict"):
        made.add_column(head, no_wrap=head == "primitive")
    for tally in tallies:
        units = [tally.units(check) for check in _SIDES]
        made.add_row(tally.name, str(tally.examples), *units, tally.verdict)
    return made


def _left_out(chosen: Mapping[str, Primitive], console: Console) -> None:
    """Signals that are not drawn, and why."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for name, primitive in chosen.items():
        for signal, reason in primitive.left_out.items():
            reasons.setdefault(reason, {}).setdefault(signal, []).append(name)
    for reason, signals in reasons.items():
        names = ", ".join(dict.fromkeys(name for found in signals.values() for name in found))
        what = ", ".join(signals)
        line = f"not drawn: {what} ({names}): {reason}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def run(
    chosen: Mapping[str, Primitive],
    examples: int,
    case: str | None,
    console: Console,
    official: Official,
    tight: bool = False,
) -> bool:
    """Draws and checks; prints failures and the table; True if nothing is off.

    With ``tight`` a bound of more than three times what the examples needed is off too.
    """
    tallies = []
    with steps.bars(console) as progress:
        task = progress.add_task("primitives", total=len(chosen))
        for name, primitive in chosen.items():
            progress.update(task, description=name)
            if case is None:
                tallies.append(drawn(primitive, official, examples))
            else:
                tallies.append(one(primitive, official, case))
            progress.advance(task)
            steps.line(console, f"{name}: {tallies[-1].examples} examples compared")
    for tally in tallies if tight else ():
        loose = [used.message for used in tally.used.values() if used.loose]
        tally.failure = "\n".join([*([tally.failure] if tally.failure else []), *loose])
    for tally in tallies:
        if tally.failure:
            console.print(tally.failure, markup=False, highlight=False, soft_wrap=True)
    console.print(table(tallies))
    _left_out(chosen, console)
    return _summary(tallies, official.stack, console)


def _summary(tallies: Sequence[Tally], stack: str, console: Console) -> bool:
    failed = sum(bool(tally.failure) for tally in tallies)
    skipped = sum(bool(tally.not_run and not tally.failure) for tally in tallies)
    passed, compared = len(tallies) - failed - skipped, sum(t.examples for t in tallies)
    console.print(f"official: {stack}", soft_wrap=True)
    console.print(f"{compared} examples; {passed} passed, {failed} failed, {skipped} not run")
    return not failed
