"""What a campaign found: figures by file and kind of edit, and each survivor with its change."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from parity.commands.mutants.automatic import campaign, equivalent, sources
from parity.commands.mutants.automatic.campaign import CAUGHT, NOT_RUN, SURVIVED, Result
from parity.commands.mutants.automatic.edit import Edit
from parity.commands.mutants.report import Bars
from parity.report import steps


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Which edits are tried.

    Attributes:
        count: how many are drawn; all if None.
        seed: of the draw.
        since: only those of lines that differ from this revision's.
        files: only those of files whose names begin so; of the port if empty.
        layers: whose checks are run.
        tests: files or folders of tests that are run too.
    """

    count: int | None = None
    seed: int = 0
    since: str | None = None
    files: Sequence[str] = ()
    layers: Sequence[str] = ()
    tests: Sequence[str] = ()

    def asked_layers(self) -> Sequence[str]:
        """The layers whose checks may execute the files; those of checkpoints none does."""
        conversion = f"{sources.CONVERSION}/"
        alone = self.files and all(each.startswith(conversion) for each in self.files)
        return () if alone else self.layers

    def of(self, edits: Sequence[Edit]) -> list[Edit]:
        """The chosen ones, in a drawn order."""
        files = tuple(self.files) or (f"{sources.PORT}/",)
        kept = [each for each in edits if each.file.startswith(files)]
        kept = kept if self.since is None else sources.since(kept, self.since)
        return sources.sample(kept, self.count, self.seed)


def run(out: Path, chosen: Chosen, console: Console) -> bool:
    """Tries edits and prints what came of them; True if each that was executed was caught."""
    began = time.monotonic()
    with steps.bars(console) as progress:
        bars = Bars(progress)
        edits = sources.all_edits(lambda total: bars("files", total))
        folder = campaign.Folder(out, chosen.asked_layers(), chosen.tests)
        results = campaign.run(chosen.of(edits), folder, bars)
    for by in ("operator", "file"):
        console.print(table(results, by))
    open_ = survivors(results)
    for each in open_:
        console.print(_trouble(each), markup=False, highlight=False, soft_wrap=True)
    told = f"{summary(results)}; {time.monotonic() - began:.0f} s"
    console.print(told, highlight=False, soft_wrap=True)
    return not open_


def survivors(results: Sequence[Result]) -> list[Result]:
    """Those that nothing caught and nobody judged to change nothing."""
    judged = equivalent.reasons()
    return [each for each in results if each.verdict == SURVIVED and each.key not in judged]


def table(results: Sequence[Result], by: str) -> Table:
    """How many of each were caught, by an attribute."""
    made = Table(title=f"Edits, by {by}")
    made.add_column(by)
    for head in ("caught", "survived", "judged equivalent", "not executed", "caught of executed"):
        made.add_column(head, justify="right")
    groups: dict[str, list[Result]] = {}
    for each in results:
        groups.setdefault(str(getattr(each, by)), []).append(each)
    for name, of in [*sorted(groups.items()), ("all", list(results))]:
        made.add_row(name, *_figures(of))
    return made


def _figures(results: Sequence[Result]) -> list[str]:
    caught = sum(each.verdict == CAUGHT for each in results)
    open_ = len(survivors(results))
    judged = sum(each.verdict == SURVIVED for each in results) - open_
    passed = sum(each.verdict == NOT_RUN for each in results)
    share = f"{100 * caught / (caught + open_):.1f} %" if caught + open_ else "–"
    return [str(caught), str(open_), str(judged), str(passed), share]


def _trouble(result: Result) -> str:
    head = f"SURVIVED {result.checks} checks: {result.file}:{result.line}: {result.operator}"
    lines = "\n".join(f"    {line}" for line in result.diff.splitlines())
    return f"{head} ({result.key})\n{lines}"


def summary(results: Sequence[Result]) -> str:
    """All in a line."""
    caught, open_, judged, passed, share = _figures(results)
    return (
        f"{len(results)} edits: {caught} caught, {open_} survived, {judged} judged equivalent, "
        f"{passed} on no path that the suite executes; {share} of those executed caught"
    )
