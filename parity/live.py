"""Drawn examples against the live official implementation."""

from __future__ import annotations

import dataclasses
import json
import unittest
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from parity import drawn
from parity.compare import Difference
from parity.oracles.official import NotAnsweredError, NotRunError, Official
from parity.spec import Answer, Case, LayerSpec, Question


@dataclasses.dataclass
class Tally:
    """What came of the drawn examples of a layer.

    Attributes:
        layer: name of the declaration.
        examples: how many were compared.
        forward: greatest difference of an output element, in units, and its case.
        gradient: the same of a gradient.
        failure: the smallest failing example, and how to run it again; else empty.
        not_run: why nothing was compared; else empty.
    """

    layer: str
    examples: int = 0
    forward: tuple[float, str] = (0.0, "")
    gradient: tuple[float, str] = (0.0, "")
    failure: str = ""
    not_run: str = ""

    def see(self, case: Case, found: list[Difference]) -> None:
        """Takes in an example."""
        self.examples += 1
        for difference in found:
            kind = "gradient" if difference.is_gradient else "forward"
            setattr(self, kind, max(getattr(self, kind), (difference.units, case.name)))

    def stop(self, error: NotRunError) -> None:
        """Takes in why there are no more examples."""
        self.not_run = f"not run: {error}"
        if isinstance(error, NotAnsweredError):  # the next layer has a new worker
            self.failure, self.not_run = str(error), "[red]not answered[/red]"


class Stop(unittest.SkipTest):
    """Ends the examples of a layer, for a reason.

    Hypothesis stops at a SkipTest, where it would answer another exception with ever smaller
    examples, each of which may cost a worker.
    """

    def __init__(self, reason: NotRunError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def stopping(ask: drawn.Ask) -> drawn.Ask:
    """``ask``, whose NotRunError comes wrapped in a :class:`Stop`."""

    def asked(spec: LayerSpec, question: Question) -> Answer:
        try:
            return ask(spec, question)
        except NotRunError as error:
            raise Stop(error) from error

    return asked


def _tally(spec: LayerSpec, official: Official, examples: int) -> Tally:
    tally = Tally(spec.name)
    try:
        drawn.check(spec, stopping(official.answer), examples, tally.see)
    except Stop as stop:
        tally.stop(stop.reason)
    except (AssertionError, RuntimeError) as error:
        tally.failure = str(error)
    return tally


def one(spec: LayerSpec, official: Official, text: str) -> Tally:
    """The one case that ``text`` holds, as a failure prints it."""
    case = Case(**json.loads(text))
    tally = Tally(spec.name)
    try:
        found = drawn.differences(spec, case, official.answer)
    except NotRunError as error:
        tally.stop(error)
        return tally
    tally.see(case, found)
    wrong = [f"{d.array}: {d.aspect}: {d.message}" for d in found if not d.ok]
    tally.failure = "\n".join(wrong)
    return tally


def table(tallies: Sequence[Tally]) -> Table:
    """Examples, worst units and verdict of each layer."""
    made = Table(title="Port against the live official implementation, drawn examples")
    for head in ("layer", "examples", "forward units", "gradient units", "verdict"):
        made.add_column(head, no_wrap=head == "layer")
    for tally in tallies:
        verdict = "[red]off[/red]" if tally.failure else "[green]ok[/green]"
        made.add_row(
            tally.layer,
            str(tally.examples),
            f"{tally.forward[0]:.1f}",
            f"{tally.gradient[0]:.1f}",
            tally.not_run or verdict,
        )
    return made


def run(
    specs: Sequence[LayerSpec],
    examples: int,
    case: str | None,
    console: Console,
    start: Callable[[], Official] = Official,
) -> bool:
    """Draws and compares; prints failures and the table; True if nothing is off."""
    tallies = []
    with start() as official, Progress(console=console, transient=True) as progress:
        task = progress.add_task("layers", total=len(specs))
        for spec in specs:
            progress.update(task, description=spec.name)
            tallies.append(
                _tally(spec, official, examples) if case is None else one(spec, official, case)
            )
            progress.advance(task)
        stack = official.stack
    for tally in tallies:
        if tally.failure:
            console.print(tally.failure, markup=False, highlight=False, soft_wrap=True)
    console.print(table(tallies))
    console.print(f"official: {stack}", soft_wrap=True)
    failed = sum(bool(tally.failure) for tally in tallies)
    skipped = sum(bool(tally.not_run and not tally.failure) for tally in tallies)
    passed = len(tallies) - failed - skipped
    compared = sum(tally.examples for tally in tallies)
    console.print(f"{compared} examples; {passed} passed, {failed} failed, {skipped} not run")
    return not failed
