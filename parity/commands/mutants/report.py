"""The table of the mutants, and the same as JSON."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from parity.commands.mutants import caught_by, runner
from parity.commands.mutants.mutant import Mutant
from parity.commands.mutants.runner import Outcome
from parity.report import steps

_COLOURS = {"caught": "green", "healthy": "green"}


def run(
    mutants: Sequence[Mutant],
    console: Console,
    json_file: Path | None = None,
    keep: bool = False,
) -> bool:
    """Runs the mutants and prints what caught each; True if every one is caught.

    Args:
        mutants: what to run.
        console: for the progress bar and the table.
        json_file: where to write all of it, if anywhere.
        keep: make what caught each the record of what comes first.
    """
    began = time.monotonic()
    with steps.bars(console) as progress:
        outcomes = runner.run(mutants, Bars(progress), caught_by.read())
    seconds = time.monotonic() - began
    console.print(table([outcome for outcome in outcomes if not outcome.is_control]))
    for outcome in outcomes:
        if not outcome.ok:
            console.print(_trouble(outcome), markup=False, highlight=False, soft_wrap=True)
    console.print(f"{summary(outcomes)}; {seconds:.0f} s", highlight=False, soft_wrap=True)
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(outcomes, seconds), indent=1) + "\n")
    if keep:
        caught_by.keep(runner.caught_by(outcomes))
    return all(outcome.ok for outcome in outcomes)


class Bars:
    """One progress bar a kind of step; a line a step where bars are not seen."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._done = Counter[str]()

    def __call__(self, kind: str, total: int) -> None:
        """One more of a kind is done."""
        if kind not in self._tasks:
            self._tasks[kind] = self._progress.add_task(kind, total=total)
        self._progress.advance(self._tasks[kind])
        self._done[kind] += 1
        steps.line(self._progress.console, f"{kind}: {self._done[kind]} of {total}")


def table(outcomes: Sequence[Outcome]) -> Table:
    """A line a mutant: where it comes from, where it sits, which check caught it, by how much."""
    made = Table(title="Planted bugs, each caught by the checks of the layer where it sits")
    for head in ("bug", "from", "layer", "caught by", "in case"):
        made.add_column(head, overflow="fold")
    made.add_column("units\n(allowed)", justify="right")
    made.add_column("verdict")
    for outcome in outcomes:
        mutant, catch = outcome.mutant, outcome.verdict.catch
        colour = _COLOURS.get(outcome.word, "red")
        made.add_row(
            mutant.name,
            mutant.origin,
            mutant.layer,
            _short(catch.check) if catch else "–",
            catch.case if catch else "–",
            _figure(outcome),
            f"[{colour}]{outcome.word}[/{colour}]",
        )
    return made


def _short(text: str, limit: int = 120) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _figure(outcome: Outcome) -> str:
    catch = outcome.verdict.catch
    if catch is None or catch.units is None:
        return "–"
    return f"{catch.units:.3g} ({catch.allowed:g})"


def _trouble(outcome: Outcome) -> str:
    """What is wrong with a mutant or a control, and what to do."""
    mutant, verdict = outcome.mutant, outcome.verdict
    head = f"{outcome.word}: {mutant.name} ({mutant.package}/{mutant.file}, layer {mutant.layer})"
    if outcome.word == "SURVIVED":
        fix = "give its declaration a case that shows it"
        return f"{head}: {verdict.tried} checks passed with it; {fix}"
    if outcome.word == "SICK" and verdict.catch is not None:
        return f"{head}: {verdict.catch.message}\n  {verdict.catch.again}"
    return f"{head}: {verdict.broken}"


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many of each."""
    mutants = [outcome for outcome in outcomes if not outcome.is_control]
    controls = [outcome for outcome in outcomes if outcome.is_control]
    parts = [
        f"{sum(o.ok for o in mutants)} of {len(mutants)} planted bugs caught at their layer",
        f"{sum(o.word == 'SURVIVED' for o in mutants)} survived",
        f"{sum(o.word == 'BROKEN' for o in outcomes)} broken",
        f"healthy control: {sum(o.ok for o in controls)} of {len(controls)} layers pass",
    ]
    return "; ".join(parts)


def as_json(outcomes: Sequence[Outcome], seconds: float) -> dict[str, object]:
    """All that is known of every mutant and control."""
    return {
        "seconds": round(seconds, 1),
        "outcomes": [
            {
                "verdict": outcome.word,
                "mutant": dataclasses.asdict(outcome.mutant),
                **dataclasses.asdict(outcome.verdict),
            }
            for outcome in outcomes
        ],
    }
