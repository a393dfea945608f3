"""Runs mutants: prepares their layers, then each in a process of its own, controls among them."""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
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

Ready = dict[str, list[Prepared]]
Parts = Collection[str] | None
"""Names of cases and kinds of checks; None for all."""


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


def run(mutants: Sequence[Mutant], advance: Callable[[str, int], None]) -> list[Outcome]:
    """Runs every mutant and, for each of their layers, the healthy control.

    A control passes the checks that caught a mutant of its layer: no others tell anything.

    Args:
        mutants: what to run.
        advance: told after each step which kind it was and how many of that kind there are.

    Returns:
        The controls, then the mutants in their order.
    """
    layers = sorted({mutant.layer for mutant in mutants})
    with tempfile.TemporaryDirectory(prefix="parity-mutants-") as folder:
        ready = _prepared(layers, folder, lambda total: advance("units of the healthy port", total))
        imported = _imported() if len(mutants) >= FEW else None
        with process.Processes(context(), SECONDS) as processes:
            asking = _Asking(ready, imported, processes)
            asked = [(mutant, None) for mutant in mutants]
            found = asking.all(asked, lambda: advance("mutants", len(mutants)))
            controls = [(healthy(layer), _parts(layer, found)) for layer in layers]
            passed = asking.all(controls, lambda: advance("healthy controls", len(controls)))
    return [*passed, *found]


def _parts(layer: str, outcomes: Sequence[Outcome]) -> Parts:
    """What caught the mutants of a layer; all where nothing did, so that a control runs some."""
    of_it = (each.verdict.catch for each in outcomes if each.mutant.layer == layer)
    return frozenset(catch.part for catch in of_it if catch is not None and catch.part) or None


def _imported() -> Mapping[str, Collection[int]]:
    """Of each file of the port the lines that an import executes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(lines.of_imports, [PORT]).result()


def _prepared(layers: Sequence[str], folder: str, advance: Callable[[int], None]) -> Ready:
    """The cases of each layer, cheapest first."""
    specs = all_specs()
    asked = [(layer, index) for layer in layers for index in range(len(specs[layer].cases()))]
    futures: dict[Future[Prepared], str] = {}
    ready: Ready = {layer: [] for layer in layers}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(asked) or 1), spawn) as pool:
        for layer, index in asked:
            futures[pool.submit(prepare, layer, index, folder)] = layer
        for _ in as_completed(futures):
            advance(len(asked))
        for future, layer in futures.items():
            ready[layer].append(future.result())
    return {layer: sorted(cases, key=lambda case: case.size) for layer, cases in ready.items()}


@dataclasses.dataclass(frozen=True)
class _Asking:
    """What every mutant is run with."""

    ready: Ready
    imported: Mapping[str, Collection[int]] | None
    processes: process.Processes

    def all(
        self, asked: Sequence[tuple[Mutant, Parts]], advance: Callable[[], None]
    ) -> list[Outcome]:
        """What becomes of mutants, each with the parts of the checks that are run."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            futures = [pool.submit(self._verdict, *each) for each in asked]
            for _ in as_completed(futures):
                advance()
        return [Outcome(m, f.result()) for (m, _), f in zip(asked, futures, strict=True)]

    def _verdict(self, mutant: Mutant, parts: Parts) -> Verdict:
        run = functools.partial(worker.run, mutant, self.ready[mutant.layer], parts)
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
