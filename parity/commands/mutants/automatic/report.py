"""Runs a campaign; prints figures by file and kind of edit, and each survivor with its change."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from leaf_port.errors import LeafError
from parity.commands.mutants.automatic import campaign, equivalent, kept, near, sources
from parity.commands.mutants.automatic.campaign import SURVIVED, Result
from parity.commands.mutants.automatic.edit import Edit
from parity.commands.mutants.report import Bars
from parity.layers import all_specs
from parity.report import steps
from parity.report.edits import HEADS, cells

KEPT = "kept"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Which edits are tried.

    Attributes:
        count: how many are drawn; all if None.
        seed: of the draw.
        since: only those of lines that differ from this revision's, or, if it is ``kept``, from
            the kept campaign's; the checks of near layers.
        files: only those of files whose names begin so; of the port if empty.
        layers: whose checks are run.
        tests: files or folders of tests that are run too.
        after: a campaign whose catches are tried first.
    """

    count: int | None = None
    seed: int = 0
    since: str | None = None
    files: Sequence[str] = ()
    layers: Sequence[str] = ()
    tests: Sequence[str] = ()
    after: Path | None = None

    def asked_layers(self, edits: Iterable[Edit]) -> Sequence[str]:
        """The layers whose checks may execute the edits; those of checkpoints none does."""
        conversion = f"{sources.CONVERSION}/"
        if self.files and all(each.startswith(conversion) for each in self.files):
            return ()
        if self.since is not None and not self.layers:
            return near.layers(edits)
        return self.layers or list(all_specs())

    def of(self, keyed: Mapping[str, Edit]) -> dict[str, Edit]:
        """The chosen ones of all edits by their keys, in a drawn order.

        Raises:
            LeafError: no edited file's name begins as one of ``files``.
        """
        for begin in self.files:
            if not any(each.file.startswith(begin) for each in keyed.values()):
                expected = f"the beginning of a file's name below {' or '.join(sources.EDITED)}"
                raise LeafError("parity", "--file", expected, begin, "give another one")
        files = tuple(self.files) or (f"{sources.PORT}/",)
        key_of = {edit: key for key, edit in keyed.items() if edit.file.startswith(files)}
        edits = list(key_of)
        if self.since is not None:
            since = kept.revision() if self.since == KEPT else self.since
            edits = sources.since(edits, since)
        return {key_of[each]: each for each in sources.sample(edits, self.count, self.seed)}

    @property
    def whole(self) -> bool:
        """Whether it is all that a record may be of."""
        return self.count is None and self.since is None and not self.files and not self.layers


def run(out: Path, chosen: Chosen, console: Console, keep: bool = False) -> bool:
    """Tries edits and prints what came of them; True if each that was executed was caught.

    Args:
        out: the campaign's folder.
        chosen: which edits.
        console: for what is found.
        keep: whether the figures become the record (``kept.py``).

    Raises:
        LeafError: the options are wrong.
    """
    if keep and not chosen.whole:
        got, fix = "--sample, --since, --file or --layer", "leave them out"
        raise LeafError("parity", "--keep", "a campaign over all edits of the port", got, fix)
    began = time.monotonic()
    with steps.bars(console) as progress:
        bars = Bars(progress)
        all_ = sources.all_edits(lambda total: bars("files", total))
        edits = chosen.of(campaign.keys(all_))
        if not edits:
            console.print("no edit is chosen: nothing was tried", highlight=False)
            return True
        folder = campaign.Folder(out, chosen.asked_layers(edits.values()), chosen.tests)
        folder.follow(chosen.after)
        results = campaign.run(edits, folder, bars)
    for by in ("operator", "file"):
        console.print(table(results, by))
    open_ = survivors(results)
    for each in open_:
        console.print(_trouble(each), markup=False, highlight=False, soft_wrap=True)
    told = f"{summary(results)}; {time.monotonic() - began:.0f} s"
    console.print(told, highlight=False, soft_wrap=True)
    if keep:
        kept.keep(results)
    return not open_


def survivors(results: Sequence[Result]) -> list[Result]:
    """Those that nothing caught and nobody judged to change nothing."""
    judged = equivalent.reasons()
    return [each for each in results if each.verdict == SURVIVED and each.key not in judged]


def table(results: Sequence[Result], by: str) -> Table:
    """How many of each were caught, by an attribute."""
    made = Table(title=f"Edits, by {by}")
    made.add_column(by)
    for head in HEADS:
        made.add_column(head, justify="right")
    for name, figures in [*kept.grouped(results, by), ("all", kept.figures(results))]:
        made.add_row(name, *cells(figures))
    return made


def _trouble(result: Result) -> str:
    head = f"SURVIVED {result.checks} checks: {result.file}:{result.line}: {result.operator}"
    lines = "\n".join(f"    {line}" for line in result.diff.splitlines())
    return f"{head} ({result.key})\n{lines}"


def summary(results: Sequence[Result]) -> str:
    """All in a line."""
    caught, tests, open_, judged, passed, share = cells(kept.figures(results))
    by_tests = f", {tests} by tests alone" if tests != "0" else ""
    return (
        f"{len(results)} edits: {caught} caught{by_tests}, {open_} survived, {judged} judged "
        f"equivalent, {passed} on no path that the suite executes; {share} of those executed caught"
    )
