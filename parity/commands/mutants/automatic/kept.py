"""What a campaign's results come to: the record that the documentation and the report show."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from leaf_port import _publish
from leaf_port.errors import LeafError
from parity.commands.machines import outcome
from parity.commands.mutants.automatic import equivalent, sources
from parity.commands.mutants.automatic.campaign import CAUGHT, NOT_RUN, SURVIVED, Result
from parity.report import edits
from parity.report.edits import FILE, Figures, Kept, Survivor

_TESTS = "tests/"  # a test's name begins so


def figures(results: Sequence[Result]) -> Figures:
    """Of some results."""
    judged = equivalent.reasons()
    caught = [each for each in results if each.verdict == CAUGHT]
    by_tests = sum(each.caught.startswith(_TESTS) for each in caught)
    survived = [each for each in results if each.verdict == SURVIVED]
    same = sum(each.key in judged for each in survived)
    not_run = sum(each.verdict == NOT_RUN for each in results)
    return Figures(len(caught) - by_tests, by_tests, len(survived) - same, same, not_run)


def of(results: Sequence[Result]) -> Kept:
    """What a campaign's results come to, here and today."""
    judged = equivalent.reasons()
    open_ = [each for each in results if each.verdict == SURVIVED and each.key not in judged]
    return Kept(
        datetime.datetime.now(datetime.UTC).date().isoformat(),
        outcome.on(),
        sources.commit(),
        edits.sources(),
        dict(grouped(results, "operator")),
        dict(grouped(results, "file")),
        [Survivor(each.file, each.line, each.operator, each.diff) for each in open_],
    )


def grouped(results: Sequence[Result], by: str) -> Iterator[tuple[str, Figures]]:
    """The figures of each value of an attribute of results."""
    groups: dict[str, list[Result]] = {}
    for each in results:
        groups.setdefault(str(getattr(each, by)), []).append(each)
    for name, of_it in sorted(groups.items()):
        yield name, figures(of_it)


def revision() -> str:
    """From which ``--since kept`` counts: the commit of the record, or, where the history has no
    such commit any more, the one that brought the record.

    Raises:
        LeafError: there is no record, or git knows neither commit.
    """
    record = edits.load()
    named = record.commit if record is not None else ""
    found = named if named and sources.is_commit(named) else sources.last_change(FILE)
    if record is None or not found:
        expected, got = "a kept campaign whose commit git knows", named or "none"
        fix = "name a revision, or keep a campaign: --automatic --keep"
        raise LeafError("parity", "--since kept", expected, got, fix)
    return found


def keep(results: Sequence[Result], path: Path = FILE) -> None:
    """Writes the record anew, whole or not at all."""
    text = json.dumps(dataclasses.asdict(of(results)), indent=1, ensure_ascii=False) + "\n"
    with _publish.new_file(path) as file:
        file.write_text(text, encoding="utf-8")
