"""Runs what is declared, and gathers what came of each layer."""

from __future__ import annotations

import dataclasses
import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing.context import BaseContext
from pkgutil import iter_modules
from typing import Any

from rich.progress import Progress

from parity import layers
from parity.checks import (
    case_checks,
    expected_capture_failures,
    expected_divergences,
    tightness,
    worst_values,
)
from parity.checks.case_checks import Result
from parity.checks.compare import DIRECT
from parity.checks.derivatives import derived
from parity.checks.derivatives.derived import Derived
from parity.checks.invariants import checker
from parity.checks.invariants.checker import Held
from parity.layers import all_specs
from parity.oracles import recorded
from parity.port.backends import CPU
from parity.report import steps
from parity.spec import LayerSpec


@dataclasses.dataclass(frozen=True)
class Refusal:
    """What came of an error case.

    Attributes:
        argument: which argument the error must name.
        official: what the official implementation does with it.
        problem: what is wrong; None where it was refused as declared.
    """

    argument: str
    official: str
    problem: str | None


@dataclasses.dataclass
class Row:
    """What a line of the table says of a layer.

    Attributes:
        spec: the declaration.
        results: of its cases.
        refusals: of its error cases, where they were run.
        laws: of what holds bit by bit, where it was asked.
        derivatives: of every kind, where they were asked.
        failures: everything that is wrong, with the command that runs it again.
    """

    spec: LayerSpec
    results: list[Result] = dataclasses.field(default_factory=list)
    refusals: list[Refusal] = dataclasses.field(default_factory=list)
    laws: list[Held] = dataclasses.field(default_factory=list)
    derivatives: list[Derived] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    def add(self, result: Result) -> None:
        """Takes in what came of a case."""
        self.results.append(result)
        self.failures += _told(result)

    def on(self, backend: str) -> Row:
        """The same of one backend's results; the error cases concern all of them."""
        results = [result for result in self.results if result.backend == backend]
        others = {line for each in self.results if each.backend != backend for line in _told(each)}
        failures = [failure for failure in self.failures if failure not in others]
        return Row(self.spec, results, self.refusals, self.laws, self.derivatives, failures)

    def refuse(self, problems: Sequence[str | None]) -> None:
        """Takes in what came of the error cases, in their order."""
        for error_case, problem in zip(self.spec.errors, problems, strict=True):
            self.refusals.append(Refusal(error_case.argument, error_case.official, problem))
            self.failures += [f"{self.spec.name}: {problem}"] if problem else []

    def judge(self, laws: Sequence[Held]) -> None:
        """Takes in what came of the laws."""
        self.laws += laws
        self.failures += [f"{law.layer}: {law.law}: {law.problem}" for law in laws if law.problem]

    def differentiate(self, derivatives: Sequence[Derived]) -> None:
        """Takes in what came of the derivatives."""
        self.derivatives += derivatives
        self.failures += [
            f"{each.layer}: {each.kind}: {each.problem}" for each in derivatives if each.problem
        ]

    @property
    def derivable(self) -> list[Derived]:
        """The kinds of derivatives that the layer can have."""
        return [each for each in self.derivatives if not each.without]

    @property
    def derived(self) -> int:
        """Kinds of derivatives that are right."""
        return sum(not each.problem for each in self.derivable)

    @property
    def held(self) -> int:
        """Laws that hold."""
        return sum(not law.problem for law in self.laws)

    @property
    def refused(self) -> int:
        """Error cases that were refused as declared."""
        return sum(refusal.problem is None for refusal in self.refusals)

    @property
    def explained(self) -> int:
        """Arrays whose relative difference is above the limit, as rounding explains."""
        return sum(d.explained for result in self.results for d in result.differences)

    def worst(self, gradient: bool, figure: str) -> float | None:
        """Greatest figure among outputs or gradients; None where there are none.

        Relative figures leave out the arrays whose difference rounding explains.
        """
        found = [
            getattr(difference, figure)
            for result in self.results
            for difference in result.differences
            if difference.check == DIRECT
            and difference.is_gradient == gradient
            and (figure == "units" or not difference.explained)
        ]
        return max(found) if found else None


def _told(result: Result) -> list[str]:
    """What is wrong with a case, each with the command that runs it again."""
    head = f"{result.layer} [{result.case}] {result.arithmetic or ''}"
    return [f"{head}: {failure}\n  {result.again}" for failure in result.failures]


def gather(
    specs: Sequence[LayerSpec],
    only: str | None,
    progress: Progress,
    where: Sequence[str] = (CPU.name,),
    first: int | None = None,
) -> list[Row]:
    """Runs all cases (or the one named ``only``, or the first few of each layer) on backends,
    spread over the machine's cores.

    What is asked of a whole layer begins first: it takes longest. Of the cases, those of the models
    take longest, whose names stand near the end (``sincnet``, ``wavegram``).
    """
    rows = {spec.name: Row(spec) for spec in specs}
    asked = [
        (spec.name, case.name, *where)
        for spec in reversed(specs)
        for case in recorded.cases(spec)[:first]
        if only in (None, case.name)
    ]
    whole = list(rows) if only is None and first is None else []
    context = _context(where)
    workers = min(os.cpu_count() or 1, len(asked) or 1)
    with ProcessPoolExecutor(workers, context, _begin) as pool:
        futures: dict[Future[Any], tuple[str, str]] = {
            pool.submit(_WHOLE[kind], name): (kind, name) for kind in _WHOLE for name in whole
        }
        for names in asked:
            futures[pool.submit(case_checks.check_named, *names)] = _CASES, names[0]
        told = _Told(progress, Counter(futures.values()))
        for future in as_completed(futures):
            kind, name = futures[future]
            _take(rows[name], kind, future.result())
            told(kind, name)
    return list(rows.values())


def _context(where: Sequence[str]) -> BaseContext:
    """How workers begin on the CPU: from a server that has imported what they need, once for all.

    Where there is no such server, and where other backends' runtimes would be forked: anew.
    """
    if list(where) != [CPU.name] or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    forkserver = multiprocessing.get_context("forkserver")
    declarations = [f"{layers.__name__}.{each.name}" for each in iter_modules(layers.__path__)]
    forkserver.set_forkserver_preload([_FIRST, __name__, *declarations, "torch._dynamo"])
    return forkserver


_FIRST = "parity.port.one_thread"  # by its name: it sets what it is for when it is imported


def _begin() -> None:
    """Begins a worker: what it imports stays, and Python's collector need not look through it."""
    all_specs()
    gc.freeze()


_CASES, _LAWS, _DERIVATIVES, _REFUSALS = "recorded cases", "laws", "derivatives", "error cases"
_WHOLE: Mapping[str, Callable[[str], Any]] = {
    _LAWS: checker.check_named,
    _DERIVATIVES: derived.check_named,
    _REFUSALS: case_checks.check_errors_named,
}


def _take(row: Row, kind: str, found: Any) -> None:
    """Takes in what came of a part of a layer's checks."""
    if kind == _CASES:
        for result in found:
            row.add(result)
    elif kind == _LAWS:
        row.judge(found)
    elif kind == _DERIVATIVES:
        row.differentiate(found)
    else:
        row.refuse(found)


class _Told:
    """One progress bar a kind of checks; a line a layer where bars are not seen."""

    def __init__(self, progress: Progress, asked: Counter[tuple[str, str]]) -> None:
        self._progress, self._asked, self._left = progress, asked, Counter(asked)
        self._layers = Counter(kind for kind, _ in asked)
        self._done = Counter[str]()
        totals = Counter[str]()
        for (kind, _), count in asked.items():
            totals[kind] += count
        self._bars = {kind: progress.add_task(kind, total=totals[kind]) for kind in totals}

    def __call__(self, kind: str, layer: str) -> None:
        """One more of a layer is done."""
        self._progress.advance(self._bars[kind])
        self._left[kind, layer] -= 1
        if not self._left[kind, layer]:
            self._done[kind] += 1
            told = f": {self._asked[kind, layer]}" if kind == _CASES else ""
            place = f"layer {self._done[kind]} of {self._layers[kind]}"
            steps.line(self._progress.console, f"{layer}: {kind} run{told} ({place})")


def failures(rows: Sequence[Row]) -> list[str]:
    """Everything that is wrong, of all layers, and entries of the divergences' table that no case
    needs; those can be told only where all cases of a layer were run on the CPU, as the official
    answers were: XLA diverges less from TensorFlow, whose compiler it is.
    """
    needed = {
        (row.spec.name, name) for row in rows for result in row.results for name in result.needed
    }
    on_cpu = {result.layer for row in rows for result in row.results if result.backend == CPU.name}
    whole = [row.spec for row in rows if row.refusals and row.spec.name in on_cpu]
    found = [failure for row in rows for failure in row.failures]
    stale = [
        line
        for row in rows
        for line in expected_capture_failures.unneeded(
            row.spec, recorded.cases(row.spec), row.results
        )
    ]
    return found + expected_divergences.unneeded(whole, needed) + stale


def loose(rows: Sequence[Row]) -> list[str]:
    """Bounds that allow far more than any machine used, of layers all of whose cases were run."""
    kept = worst_values.load()
    return [
        used.message
        for row in rows
        if row.refusals
        for used in worst_values.over_machines(tightness.used(row.spec, row.results), kept)
        if used.loose
    ]


def passed(rows: Sequence[Row]) -> int:
    """Results, refusals, laws, derivatives, as the last line counts them; of what was compared."""
    compared = (sum(not result.left_out for result in row.results) for row in rows)
    return sum(compared) + sum(row.refused + row.held + row.derived for row in rows)
