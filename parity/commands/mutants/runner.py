"""Runs mutants: prepares their layers, then each in a process of its own, controls among them."""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing.context import BaseContext

from parity.commands.mutants import exchange, lines, process, worker
from parity.commands.mutants.mutant import Mutant, healthy
from parity.commands.mutants.prepare import Prepared, prepare
from parity.commands.mutants.worker import Verdict
from parity.layers import all_specs

PORT = "leaf_port"
FEW = 10
"""Fewer bugs are planted in new processes each: to know what an import runs takes longer."""
SECONDS = 300.0  # a mutant that loops for ever is told from one that is slow
# What a mutant's process may have imported already: nothing that imports leaf_port.
PRELOADED = [
    "torch",
    "safetensors.numpy",
    "parity.checks.monte_carlo",
    "parity.commands.mutants.worker",
]

Parts = Collection[str] | None
"""Names of cases and of other checks; None for all."""

_Asked = tuple[Mutant, Parts]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A mutant and what became of it."""

    mutant: Mutant
    verdict: Verdict

    @property
    def is_control(self) -> bool:
        """Whether it is the healthy port."""
        return self.mutant.origin == "control"

    @property
    def word(self) -> str:
        """``caught``, ``SURVIVED``, ``healthy``, ``SICK`` (a control that fails) or ``BROKEN``."""
        if self.verdict.broken:
            return "BROKEN"
        caught = self.verdict.catch is not None
        if self.is_control:
            return "SICK" if caught else "healthy"
        return "caught" if caught else "SURVIVED"

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        return self.word in ("caught", "healthy")


def context() -> BaseContext:
    """How the mutants' processes start: from a server that has torch and no leaf_port, or anew."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(PRELOADED)
    return forkserver


def run(
    mutants: Sequence[Mutant],
    advance: Callable[[str, int], None],
    known: Mapping[str, str] | None = None,
) -> list[Outcome]:
    """Runs every mutant and, for each of their layers, the healthy control.

    A mutant meets the check that is known to catch it, and all of its layer if that does not, or
    none is known. A control passes the checks that caught a mutant of its layer: no others tell
    anything.

    Args:
        mutants: what to run.
        advance: told after each step which kind it was and how many of that kind there are.
        known: which check caught a mutant the last time, by the mutant's name.

    Returns:
        The controls, then the mutants in their order.
    """
    layers = sorted({mutant.layer for mutant in mutants})
    imported = _imported() if len(mutants) >= FEW else None
    with (
        tempfile.TemporaryDirectory(prefix="parity-mutants-") as folder,
        process.Processes(context(), SECONDS) as processes,
    ):
        asking = _Asking(folder, imported, processes, advance)
        first = [(each, {known[each.name]}) for each in mutants if known and each.name in known]
        found = {o.mutant: o for o in asking.all("mutants", first) if o.word == "caught"}
        left: list[_Asked] = [(each, None) for each in mutants if each not in found]
        found |= {o.mutant: o for o in asking.all("mutants that meet all checks", left)}
        outcomes = [found[each] for each in mutants]
        controls = [(healthy(layer), _parts(layer, outcomes)) for layer in layers]
        passed = asking.all("healthy controls", controls)
    return [*passed, *outcomes]


def caught_by(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Which check caught each planted bug, for the next run."""
    return {
        each.mutant.name: each.verdict.catch.part
        for each in outcomes
        if not each.is_control and each.verdict.catch is not None and each.verdict.catch.part
    }


def _parts(layer: str, outcomes: Sequence[Outcome]) -> Parts:
    """What caught the mutants of a layer; all where nothing did, so that a control runs some."""
    of_it = (each.verdict.catch for each in outcomes if each.mutant.layer == layer)
    return frozenset(catch.part for catch in of_it if catch is not None and catch.part) or None


def _imported() -> Mapping[str, Collection[int]]:
    """Of each file of the port the lines that an import executes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(lines.of_imports, [PORT]).result()


def _prepared(
    wanted: Mapping[str, Collection[str]], folder: str, advance: Callable[[int], None]
) -> Iterator[tuple[str, Prepared]]:
    """The wanted cases of each layer."""
    specs = all_specs()
    asked = [
        (layer, index)
        for layer, names in wanted.items()
        for index, case in enumerate(specs[layer].cases())
        if case.name in names
    ]
    if not asked:
        return
    futures: dict[Future[Prepared], str] = {}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(asked) or 1), spawn) as pool:
        for layer, index in asked:
            futures[pool.submit(prepare, layer, index, folder)] = layer
        for _ in as_completed(futures):
            advance(len(asked))
        for future, layer in futures.items():
            yield layer, future.result()


@dataclasses.dataclass(frozen=True)
class _Asking:
    """What every mutant is run with.

    Attributes:
        folder: where prepared cases are kept.
        imported: of each file of the port the lines that an import executes; None if not known.
        processes: where mutants are run.
        advance: is told of each step.
        ready: what is prepared, by layer and case.
    """

    folder: str
    imported: Mapping[str, Collection[int]] | None
    processes: process.Processes
    advance: Callable[[str, int], None]
    ready: dict[str, dict[str, Prepared]] = dataclasses.field(default_factory=dict)

    def all(self, kind: str, asked: Sequence[_Asked]) -> list[Outcome]:
        """What becomes of mutants, each with the parts of the checks that are run."""
        self._prepare(kind, asked)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            futures = [pool.submit(self._verdict, *each) for each in asked]
            for _ in as_completed(futures):
                self.advance(kind, len(asked))
        return [Outcome(m, f.result()) for (m, _), f in zip(asked, futures, strict=True)]

    def _prepare(self, kind: str, asked: Sequence[_Asked]) -> None:
        told = functools.partial(self.advance, f"units of the healthy port, for {kind}")
        for layer, prepared in _prepared(dict(self._wanted(asked)), self.folder, told):
            self.ready.setdefault(layer, {})[prepared.case] = prepared

    def _wanted(self, asked: Sequence[_Asked]) -> Iterator[tuple[str, Collection[str]]]:
        """The cases, by layer, that these need and none has needed yet.

        A damaged recording needs none: reading it must show the damage.
        """
        needed = [(mutant.layer, parts) for mutant, parts in asked if not mutant.damages]
        for layer in sorted({layer for layer, _ in needed}):
            given = [parts for each, parts in needed if each == layer]
            names = {case.name for case in all_specs()[layer].cases()} - {
                *self.ready.get(layer, ())
            }
            yield layer, {n for n in names if any(parts is None or n in parts for parts in given)}

    def _verdict(self, mutant: Mutant, parts: Parts) -> Verdict:
        cases = sorted(self.ready.get(mutant.layer, {}).values(), key=lambda case: case.size)
        run = functools.partial(worker.run, mutant, cases, parts)
        at = None if self.imported is None else _place(mutant, self.imported)
        loaded = None if at is None else functools.partial(run, at)
        found = self.processes.ask(functools.partial(run, None), loaded)
        if isinstance(found, process.Lost):
            return Verdict(broken=found.why)
        verdict: Verdict = found
        return verdict


def _place(mutant: Mutant, imported: Mapping[str, Collection[int]]) -> exchange.Place | None:
    """The loaded function that has a bug; None where the bug is in none."""
    if mutant.package != PORT or mutant.environment:
        return None
    text = mutant.path.read_text(encoding="utf-8")
    first = text[: text.find(mutant.old)].count("\n") + 1
    last = first + mutant.old.rstrip("\n").count("\n")
    return exchange.place(text, first, last, imported.get(f"{PORT}/{mutant.file}", ()))
