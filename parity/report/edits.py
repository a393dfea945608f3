"""What the last campaign of edits found (``python -m parity mutants --automatic``), as it is kept.

It stands beside the recordings, so that the documentation and the page can show it, and belongs to
the sources that it names: a later change of the port or of the checks is not in it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError
from parity.checks import kept_units
from parity.oracles.recorded import FOLDER

FILE = FOLDER / "edits.json"
ASIDE = ("leaf_port/_cli/", "parity/commands/", "parity/report/")
"""Folders of which neither answers nor checks depend."""
_WHERE = "record of edits"


@dataclasses.dataclass(frozen=True)
class Figures:
    """How many edits of a kind came to what.

    Attributes:
        caught: by the checks of the suite.
        by_tests: by the project's tests alone.
        survived: everything that executed them.
        equivalent: survived, and were judged to change nothing.
        not_executed: lie on no line that a check or test executes.
    """

    caught: int = 0
    by_tests: int = 0
    survived: int = 0
    equivalent: int = 0
    not_executed: int = 0

    def share(self, tests: bool = True) -> float | None:
        """The part of those executed and not equivalent that was caught; None where there are none.

        Args:
            tests: whether what the tests alone caught counts as caught.
        """
        caught = self.caught + self.by_tests * tests
        executed = self.caught + self.by_tests + self.survived
        return caught / executed if executed else None


@dataclasses.dataclass(frozen=True)
class Survivor:
    """An edit that nothing caught and nobody judged."""

    file: str
    line: int
    operator: str
    diff: str


@dataclasses.dataclass(frozen=True)
class Kept:
    """What a campaign found.

    Attributes:
        date: when it was kept.
        on: processor and versions.
        commit: of the checkout; empty where git did not tell.
        sources: hash of the port and the checks that it belongs to.
        by_operator: figures of each kind of edit.
        by_file: figures of each file.
        survivors: what nothing caught.
    """

    date: str
    on: str
    commit: str
    sources: str
    by_operator: Mapping[str, Figures]
    by_file: Mapping[str, Figures]
    survivors: Sequence[Survivor]

    @functools.cached_property
    def all(self) -> Figures:
        """The figures of all edits."""
        each = [dataclasses.astuple(figures) for figures in self.by_file.values()]
        return Figures(*(sum(column) for column in zip(*each, strict=True)))

    @property
    def is_of_now(self) -> bool:
        """Whether port and checks are what they were."""
        return self.sources == sources()


def sources() -> str:
    """A hash of the port and the checks as they are."""
    return kept_units.source(*ASIDE)[:16]


def load(path: Path = FILE) -> Kept | None:
    """The record; None where no campaign was kept.

    Raises:
        LeafError: the file is no such record.
    """
    if not path.exists():
        return None
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        fix = "restore it, or make it again: python -m parity mutants --automatic --keep"
        raise LeafError(_WHERE, path.name, "a campaign's figures as JSON", error, fix) from error


def _read(told: dict[str, Any]) -> Kept:
    for by in ("by_operator", "by_file"):
        told[by] = {name: Figures(**each) for name, each in told[by].items()}
    told["survivors"] = [Survivor(**each) for each in told["survivors"]]
    return Kept(**told)


HEADS = ("caught", "by tests alone", "survived", "equivalent", "not executed", "caught of executed")


def cells(of_it: Figures) -> list[str]:
    """A row of a table, below ``HEADS``."""
    share = of_it.share()
    told = "–" if share is None else f"{100 * share:.1f} %"
    return [*(str(each) for each in dataclasses.astuple(of_it)), told]


def markdown(record: Kept) -> str:
    """Both tables and the survivors, for documentation."""
    lines = [f"{record.date}, on {record.on}.", ""]
    for by, groups in (("operator", record.by_operator), ("file", record.by_file)):
        lines += [f"| {by} | {' | '.join(HEADS)} |", f"| --- |{' --- |' * len(HEADS)}"]
        rows = [*groups.items(), ("all", record.all)]
        lines += [f"| {name} | {' | '.join(cells(each))} |" for name, each in rows]
        lines.append("")
    for each in record.survivors:
        lines += [f"`{each.file}`, line {each.line}, {each.operator}:", "", "```diff"]
        lines += [*each.diff.splitlines(), "```", ""]
    return "\n".join(lines)
