"""Drawn examples against the live official implementation."""

from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
import unittest
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import hypothesis
import torch
from rich.console import Console
from rich.table import Table

from leaf_port.errors import LeafError
from parity.checks import case_checks, sampling
from parity.checks.case_checks import Ask, Result
from parity.checks.compare import DIRECT, PORT, REFERENCE, Difference
from parity.layers import all_specs
from parity.oracles.official import (
    NotAnsweredError,
    NotInThisStackError,
    NotRunError,
    Official,
)
from parity.report import steps
from parity.spec import Answer, Case, LayerSpec, Question

HOPELESS = 20
_PLAIN = ("layer", "examples", "failure", "not_run", "discarded", "lacking")

ADVERSE = ", adverse"
KINDS = {DIRECT: "direct", PORT: "port", REFERENCE: "official"}


@dataclasses.dataclass
class Tally:
    """What came of the drawn examples of a layer.

    Attributes:
        layer: name of the declaration.
        examples: how many were compared.
        worst: greatest difference in units and its case (as ``--case`` takes it), by what is
            compared (direct, port, official), forward and gradient, plain and other signals:
            ``direct forward``, ``port gradient, adverse`` …
        needed: how many examples were off but for a known divergence, by its name.
        failure: the smallest failing example, and how to run it again; else empty.
        not_run: why nothing was compared; else empty.
        discarded: how many examples need a package that the interpreter lacks.
        lacking: which.
    """

    layer: str
    examples: int = 0
    worst: dict[str, tuple[float, str]] = dataclasses.field(default_factory=dict)
    needed: Counter[str] = dataclasses.field(default_factory=Counter)
    failure: str = ""
    not_run: str = ""
    discarded: int = 0
    lacking: str = ""

    def see(self, case: Case, results: Sequence[Result]) -> None:
        """Takes in an example."""
        self.examples += 1
        self.needed.update({name for result in results for name in result.needed})
        for result in results:
            for difference in result.differences:
                self._see(case, difference)

    def _see(self, case: Case, difference: Difference) -> None:
        if difference.check not in KINDS:
            return
        kind = f"{KINDS[difference.check]} {difference.kind}" + ADVERSE * (case.signal != "plain")
        if difference.units > self.worst.get(kind, (-1.0, ""))[0]:
            self.worst[kind] = difference.units, case.as_json()

    def units(self, kind: str) -> float | None:
        """The greatest difference of a kind, of all signals; None where there was none."""
        found = [self.worst[key][0] for key in (kind, kind + ADVERSE) if key in self.worst]
        return max(found, default=None)

    def record(self) -> dict[str, Any]:
        """For JSON: a distance that is not finite is null."""
        worst = {
            kind: {"units": units if math.isfinite(units) else None, "case": case}
            for kind, (units, case) in self.worst.items()
        }
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {"worst": worst, "needed": dict(self.needed)}

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


def stopping(ask: Ask) -> Ask:
    """``ask``, whose NotRunError comes wrapped in a :class:`Stop`."""

    def asked(spec: LayerSpec, question: Question) -> Answer:
        try:
            return ask(spec, question)
        except NotRunError as error:
            raise Stop(error) from error

    return asked


def discarding(ask: Ask, tally: Tally) -> Ask:
    """``ask``, which discards examples that need a package the interpreter lacks.

    Where the first ``HOPELESS`` all do, it raises.
    """

    def asked(spec: LayerSpec, question: Question) -> Answer:
        try:
            return ask(spec, question)
        except NotInThisStackError as error:
            tally.discarded += 1
            tally.lacking = str(error)
            if not tally.examples and tally.discarded >= HOPELESS:
                raise
            hypothesis.reject()

    return asked


# Of this process: the worker that answers, started with the process, or why there is none.
_OFFICIAL: list[Official | LeafError] = []


def _start(start: Callable[[], Official]) -> None:
    torch.set_num_threads(1)
    try:
        _OFFICIAL.append(start())
    except LeafError as error:  # raised again where it can be told
        _OFFICIAL.append(error)


def _official() -> Official:
    (official,) = _OFFICIAL
    if isinstance(official, LeafError):
        raise official
    return official


def _tallied(layer: str, look: Callable[[Tally], None]) -> Tally:
    tally = Tally(layer)
    try:
        look(tally)
    except Stop as stop:
        tally.stop(stop.reason)
    except AssertionError as error:
        tally.failure = str(error)
    except Exception as error:  # told with its layer; the other layers still run
        tally.failure = f"{layer}: raised {type(error).__name__}: {error}"
    return tally


def examples_of(layer: str, examples: int, seed: int) -> Tally:
    """Drawn examples of a layer."""

    def look(tally: Tally) -> None:
        ask = stopping(discarding(_official().answer, tally))
        sampling.check(all_specs()[layer], ask, examples, seed, tally.see)

    return _tallied(layer, look)


def one(layer: str, text: str) -> Tally:
    """The one case that ``text`` holds, as a failure prints it."""

    def look(tally: Tally) -> None:
        ask = stopping(_official().answer)
        case = Case.from_json(text)
        results = case_checks.check(all_specs()[layer], case, ask)
        tally.see(case, results)
        tally.failure = "\n".join(failure for each in results for failure in each.failures)

    return _tallied(layer, look)


def table(tallies: Sequence[Tally]) -> Table:
    """Examples, worst units and verdict of each layer."""
    kinds = [f"{who} {what}" for what in ("forward", "gradient") for who in KINDS.values()]
    made = Table(title="Port against the live official implementation, drawn examples: worst units")
    made.add_column("layer", no_wrap=True)
    for head in ("examples", *kinds):
        made.add_column(head.replace(" ", "\n"), justify="right")
    for head in ("known divergences", "verdict"):
        made.add_column(head)
    for tally in tallies:
        verdict = "[red]off[/red]" if tally.failure else "[green]ok[/green]"
        if tally.discarded:
            verdict += f"; {tally.discarded} discarded: {tally.lacking}"
        needed = ", ".join(f"{name} {count}" for name, count in sorted(tally.needed.items()))
        figures = [tally.units(kind) for kind in kinds]
        worst = ["–" if units is None else f"{units:.1f}" for units in figures]
        made.add_row(
            tally.layer, str(tally.examples), *worst, needed or "–", tally.not_run or verdict
        )
    return made


def _stack() -> tuple[str, dict[str, str]]:
    return _official().stack, _official().versions


Call = tuple[Any, ...]  # a function and its arguments
Gathered = tuple[tuple[str, dict[str, str]], list[Tally]]


def _in_processes(
    calls: Sequence[Call],
    workers: int,
    start: Callable[[], Official],
    finished: Callable[[Tally], None],
) -> Gathered:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (start,)) as pool:
        stack = pool.submit(_stack).result()
        futures = [pool.submit(*call) for call in calls]
        for future in as_completed(futures):
            finished(future.result())
    return stack, [future.result() for future in futures]


def _in_this_process(
    calls: Sequence[Call],
    _workers: int,
    start: Callable[[], Official],
    finished: Callable[[Tally], None],
) -> Gathered:
    _start(start)
    try:
        tallies = []
        for function, *arguments in calls:
            tallies.append(function(*arguments))
            finished(tallies[-1])
        with _official():
            return _stack(), tallies
    finally:
        _OFFICIAL.clear()


def run(
    layers: Sequence[str],
    examples: int,
    seed: int,
    case: str | None,
    console: Console,
    json_file: Path | None = None,
    workers: int = 2,
    start: Callable[[], Official] = Official,
) -> bool:
    """Draws and compares; prints failures and the table; True if nothing is off.

    Args:
        layers: names of declarations.
        examples: how many of each.
        seed: of the draws.
        case: one case as JSON, in the place of drawn ones.
        console: for progress, failures and the table.
        json_file: where the figures go too; None for nowhere.
        workers: processes, each with a live worker of its own; 0 for this process.
        start: starts such a worker.
    """
    calls: list[Call] = [
        (examples_of, layer, examples, seed) if case is None else (one, layer, case)
        for layer in layers
    ]
    with steps.bars(console) as progress:
        task = progress.add_task("layers", total=len(layers))

        def finished(tally: Tally) -> None:
            progress.advance(task)
            came = "off" if tally.failure else tally.not_run or "nothing off"
            told = f"{tally.layer}: {tally.examples} examples compared, {came}"
            steps.line(console, told)
            if tally.failure:  # told at once: a run may take long
                console.print(tally.failure, markup=False, highlight=False, soft_wrap=True)

        here = _in_processes if workers else _in_this_process
        (stack, versions), tallies = here(calls, min(workers, len(layers)), start, finished)
    _show(tallies, stack, seed, console)
    if json_file is not None:
        told: dict[str, Any] = {"official": versions, "seed": seed, "torch": torch.__version__}
        told["layers"] = [tally.record() for tally in tallies]
        json_file.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n")
    return not any(tally.failure for tally in tallies)


def _show(tallies: Sequence[Tally], stack: str, seed: int, console: Console) -> None:
    console.print(table(tallies))
    console.print(f"official: {stack}; seed {seed}", soft_wrap=True)
    failed = sum(bool(tally.failure) for tally in tallies)
    skipped = sum(bool(tally.not_run and not tally.failure) for tally in tallies)
    passed = len(tallies) - failed - skipped
    compared = sum(tally.examples for tally in tallies)
    console.print(f"{compared} examples; {passed} passed, {failed} failed, {skipped} not run")
