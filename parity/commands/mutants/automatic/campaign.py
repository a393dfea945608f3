"""All edits, tried one after another, with what came of each kept in a folder.

A campaign that is started again with its folder goes on where it stopped. What is kept belongs to
the sources of the port and of the suite: after a change of either, the folder is refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from itertools import groupby
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError
from parity.checks import kept_units
from parity.commands.mutants import exchange, lines, prepare, process, runner
from parity.commands.mutants.automatic import equivalent, sources, traced, worker
from parity.commands.mutants.automatic.asked import TEST, Asked
from parity.commands.mutants.automatic.edit import Edit
from parity.commands.mutants.automatic.selection import Selection, Traced
from parity.commands.mutants.automatic.worker import Tried
from parity.report.edits import ASIDE

RESULTS = "results.jsonl"
CAUGHT, SURVIVED, NOT_RUN = "caught", "survived", "not executed"
LEFT = "left"
"""What an edit is that passed its cheapest checks, until all others have been run."""
FIRST = 2.0
"""Seconds of checks that each edit has, before any has more."""
SPARE, TIMES = 20.0, 10.0
"""An edit's process may take so many seconds of the processor, and times what its checks take."""
SILENT = 900.0  # of a clock, for one check: on a busy machine a process waits
WITHOUT_KERNEL = ("leaf", "audio_classifier")
"""The layers that CI runs with ``LEAF_PORT_KERNEL=off`` too."""

Advance = Callable[[str, int], None]


@dataclasses.dataclass(frozen=True)
class Result:
    """An edit, told, and what came of it."""

    key: str
    file: str
    line: int
    operator: str
    diff: str
    verdict: str
    caught: str = ""
    problem: str = ""
    checks: int = 0
    seconds: float = 0.0


class Folder:
    """Where a campaign keeps what it has: exact answers, lines, results.

    Args:
        path: of the folder; it may be new.
        layers: whose checks are run.
        tests: files or folders of tests that are run too, below the project's folder.

    Raises:
        LeafError: it is of other sources, layers or tests.
    """

    def __init__(self, path: Path, layers: Sequence[str], tests: Sequence[str] = ()) -> None:
        self.prepared, self._layers = path / "prepared", layers
        self._tests = sources.test_files(tests)
        self._traced, self._results = path / "traced.json", path / RESULTS
        self._imported, self._catches = path / "imported.json", path / "catches.json"
        self.prepared.mkdir(parents=True, exist_ok=True)
        own = [sources.digest(sources.CONVERSION, "tests"), *self._tests] if tests else []
        told, now = path / "sources", " ".join([kept_units.source(*ASIDE), *layers, *own])
        if told.exists() and told.read_text() != now:
            fix = "name another folder, or delete this one"
            expected = "a folder of these layers and tests, and of the sources as they are"
            raise LeafError("parity", "--out", expected, f"{path}, which is of others", fix)
        told.write_text(now)

    def follow(self, earlier: Path | None) -> None:
        """Has each edit meet first the check that caught it in an earlier campaign.

        What is told at first stays, so that a rerun has the checks in the same order.

        Raises:
            LeafError: the earlier folder has no results.
        """
        if not self._catches.exists():
            _write(self._catches, {} if earlier is None else _catches(earlier))

    def catches(self) -> dict[str, str]:
        """Which check caught an edit earlier, by the keys of the edits."""
        told = self._catches.read_text() if self._catches.exists() else "{}"
        found: dict[str, str] = json.loads(told)
        return found

    def traced(self, advance: Advance) -> list[Traced]:
        """The lines of each check; computed where they are not kept."""
        if not self._traced.exists():
            _prepare(self._layers, self.prepared, advance)
            found = _trace(self._layers, self.prepared, advance)
            _write(self._traced, [*found, *_trace_tests(self._tests, advance)])
        return [Traced.read(each) for each in json.loads(self._traced.read_text())]

    def imported(self) -> Mapping[str, frozenset[int]]:
        """Of each file the lines that an import executes; computed where they are not kept."""
        if not self._imported.exists():
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, spawn) as pool:
                _write(self._imported, pool.submit(lines.of_imports, sources.PACKAGES).result())
        told = json.loads(self._imported.read_text())
        return {file: frozenset(each) for file, each in told.items()}

    def results(self) -> dict[str, Result]:
        """What is known, by the keys of the edits."""
        return _results(self._results) if self._results.exists() else {}

    def keep(self, result: Result) -> None:
        """Adds a result."""
        with self._results.open("a") as file:
            file.write("\n" + json.dumps(dataclasses.asdict(result)))


def _write(path: Path, told: Any) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(told))
    partial.replace(path)


def _results(path: Path) -> dict[str, Result]:
    told = map(_told_result, path.read_text().splitlines())
    return {each.key: each for each in told if each is not None}


def _catches(earlier: Path) -> dict[str, str]:
    """Which check caught an edit in a campaign, whatever its sources were."""
    try:
        found = _results(earlier / RESULTS)
    except OSError as error:
        got, fix = error.strerror or error, "give the folder of a campaign that was run"
        raise LeafError("parity", "--after", "a folder with results", got, fix) from error
    return {each.key: each.caught for each in found.values() if each.verdict == CAUGHT}


def _told_result(line: str) -> Result | None:
    """A line's result; None where a run was killed while it wrote, and between lines."""
    with contextlib.suppress(ValueError, TypeError):
        return Result(**json.loads(line))
    return None


def _prepare(layers: Sequence[str], folder: Path, advance: Advance) -> None:
    """Exact answers and units of every case that has none in the folder."""
    from parity.layers import all_specs
    from parity.oracles import recorded

    specs = all_specs()
    asked = [
        (name, index)
        for name in layers
        for index in range(len(recorded.cases(specs[name])))
        if not prepare.file_of(folder, name, index).exists()
    ]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count() or 1, spawn) as pool:
        futures = [pool.submit(prepare.prepare, *each, str(folder)) for each in asked]
        for future in as_completed(futures):
            future.result()
            advance("units of the healthy port", len(asked))


def _trace(layers: Sequence[str], folder: Path, advance: Advance) -> list[dict[str, Any]]:
    """The lines of each check of each layer, each layer in a process of its own."""
    without = [(name, "off") for name in WITHOUT_KERNEL if name in layers]
    asked = [*((name, "") for name in layers), *without]
    spawn, found = multiprocessing.get_context("spawn"), list[dict[str, Any]]()
    with ProcessPoolExecutor(os.cpu_count() or 1, spawn, max_tasks_per_child=1) as pool:
        futures = [
            pool.submit(traced.of_layer, name, str(folder), kernel, sources.PACKAGES)
            for name, kernel in asked
        ]
        for future in as_completed(futures):
            found += future.result()
            advance("lines of each layer", len(asked))
    return found


def _trace_tests(files: Sequence[str], advance: Advance) -> list[dict[str, Any]]:
    """The lines of each test, each file in a process of its own."""
    spawn, found = multiprocessing.get_context("spawn"), list[dict[str, Any]]()
    with ProcessPoolExecutor(os.cpu_count() or 1, spawn, max_tasks_per_child=1) as pool:
        futures = [pool.submit(traced.of_tests, file, sources.PACKAGES) for file in files]
        for future in as_completed(futures):
            found += future.result()
            advance("lines of each test file", len(files))
    return found


def run(keyed: Mapping[str, Edit], folder: Folder, advance: Advance) -> list[Result]:
    """Tries every edit of which nothing is known; all results, in the order of the edits.

    Args:
        keyed: the edits by their keys, as :func:`keys` gives them to all edits.
        folder: of the campaign.
        advance: is told each step, and how many of its kind there are.
    """
    selection, imported = Selection(folder.traced(advance)), folder.imported()
    with (
        process.Processes(runner.context(), SILENT) as processes,
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
    ):
        catches = folder.catches()
        trial = _Trial(selection, str(folder.prepared), imported, processes, catches)
        rounds = _Rounds(folder, trial, pool, advance)
        rounds.first(keyed)
        rounds.second(keyed)
    known = folder.results()
    return [known[key] for key in keyed]


@dataclasses.dataclass(frozen=True)
class _Rounds:
    """Most edits are caught by a cheap check: all edits have those before any has others."""

    folder: Folder
    trial: _Trial
    pool: ThreadPoolExecutor
    advance: Advance

    def first(self, keyed: Mapping[str, Edit]) -> None:
        """The cheapest checks, of each edit of which nothing is known."""
        known = self.folder.results()
        todo = [(key, edit) for key, edit in keyed.items() if key not in known]
        self._run("mutants", self.trial.first, todo)

    def second(self, keyed: Mapping[str, Edit]) -> None:
        """All other checks, of each edit that passed those and was not judged to change nothing."""
        known, judged = self.folder.results(), equivalent.reasons()
        left = [(known[key], edit) for key, edit in keyed.items() if known[key].verdict == LEFT]
        for result in (result for result, _ in left if result.key in judged):
            self.folder.keep(dataclasses.replace(result, verdict=SURVIVED))
        todo = [(result, edit) for result, edit in left if result.key not in judged]
        self._run("mutants that passed their cheapest checks", self.trial.rest, todo)

    def _run(
        self, step: str, tried: Callable[[Any, Edit], Result], todo: Sequence[tuple[Any, Edit]]
    ) -> None:
        futures = [self.pool.submit(tried, *each) for each in todo]
        try:
            for future in as_completed(futures):
                self.folder.keep(future.result())
                self.advance(step, len(todo))
        except BaseException:
            self.pool.shutdown(wait=False, cancel_futures=True)
            raise


def keys(edits: Sequence[Edit]) -> dict[str, Edit]:
    """The edits by their keys; of those that read alike in a scope the later ones have a number."""
    found: dict[str, Edit] = {}
    for edit in edits:
        key = alone = edit.key(sources.source(edit.file))
        number = 1
        while key in found:
            number += 1
            key = f"{alone}-{number}"
        found[key] = edit
    return found


@dataclasses.dataclass(frozen=True)
class _Trial:
    """What every edit is tried with."""

    selection: Selection
    prepared: str
    imported: Mapping[str, frozenset[int]]
    processes: process.Processes
    catches: Mapping[str, str]

    def first(self, key: str, edit: Edit) -> Result:
        """What comes of an edit by its cheapest checks."""
        checks = self._checks(key, edit)
        diff = edit.diff(sources.source(edit.file))
        told = Result(key, edit.file, edit.first, edit.operator, diff, NOT_RUN)
        return self._tried(told, edit, self._cheapest(checks), checks) if checks else told

    def rest(self, passed: Result, edit: Edit) -> Result:
        """What comes of an edit by the checks behind those that it passed."""
        checks = self._checks(passed.key, edit)
        return self._tried(passed, edit, len(checks), checks)

    def _checks(self, key: str, edit: Edit) -> list[Asked]:
        """Those that an edit concerns: first what caught it earlier, then the cheapest."""
        found = sorted(self.selection.of(edit), key=_process)
        earlier = self.catches.get(key)
        return sorted(found, key=lambda each: str(each) != earlier)

    def _cheapest(self, checks: Sequence[Asked]) -> int:
        """How many come before others; at least one."""
        shared = itertools.takewhile(lambda each: _process(each) == _process(checks[0]), checks)
        spent = itertools.accumulate(self.selection.seconds([each]) for each in shared)
        return max(1, sum(each <= FIRST for each in spent))

    def _tried(self, before: Result, edit: Edit, end: int, checks: Sequence[Asked]) -> Result:
        """A result, continued by the checks behind those that it counts, up to ``end``."""
        place, told = self._place(edit, sources.source(edit.file)), before
        for _, group in groupby(checks[before.checks : end], _process):
            tried = self._asked(edit, list(group), place)
            told = dataclasses.replace(
                told,
                caught=tried.caught,
                problem=tried.problem,
                checks=told.checks + tried.checks,
                seconds=round(told.seconds + tried.seconds, 2),
            )
            if tried.caught:
                return dataclasses.replace(told, verdict=CAUGHT)
        return dataclasses.replace(told, verdict=SURVIVED if end == len(checks) else LEFT)

    def _place(self, edit: Edit, text: str) -> exchange.Place | None:
        if edit.imported:
            return None
        data = text.encode()
        first, last = (data.count(b"\n", 0, end) + 1 for end in (edit.begin, edit.end))
        return exchange.place(text, first, last, self.imported.get(edit.file, ()))

    def _asked(self, edit: Edit, asked: Sequence[Asked], place: exchange.Place | None) -> Tried:
        """What becomes of an edit in a process; its checks have one setting of the kernel."""
        limit = SPARE + TIMES * self.selection.seconds(asked)
        run = functools.partial(worker.run, edit, asked, self.prepared, limit)
        loaded = None if place is None else functools.partial(run, place)
        found = self.processes.ask(functools.partial(run, None), loaded, asked[0].kernel)
        if isinstance(found, process.Lost):
            return Tried(found.at or worker.IMPORT, found.why)
        tried: Tried = found
        return tried


def _process(asked: Asked) -> tuple[bool, str]:
    """What the checks of a process share; tests come last."""
    return asked.kind == TEST, asked.kernel
