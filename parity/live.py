"""Drawn examples against the live official implementation."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from leaf_port.errors import LeafError
from parity import checks, drawn
from parity.checks import Result
from parity.compare import DIRECT, PORT, REFERENCE, Difference
from parity.layers import all_specs
from parity.oracles.official import NotInThisStackError, Official
from parity.spec import Case

KINDS = {DIRECT: "direct", PORT: "port", REFERENCE: "official"}


@dataclasses.dataclass
class Tally:
    """What came of the drawn examples of a layer.

    Attributes:
        layer: name of the declaration.
        examples: how many were compared.
        worst: greatest difference in units and its case, by what is compared (direct, port,
            official), forward and gradient: ``direct forward`` …
        needed: how many examples were off but for a known divergence, by its name.
        failure: the smallest failing example, and how to run it again; else empty.
        not_run: why nothing was compared; else empty.
    """

    layer: str
    examples: int = 0
    worst: dict[str, tuple[float, str]] = dataclasses.field(default_factory=dict)
    needed: Counter[str] = dataclasses.field(default_factory=Counter)
    failure: str = ""
    not_run: str = ""

    def see(self, results: Sequence[Result]) -> None:
        """Takes in an example."""
        self.examples += 1
        self.needed.update({name for result in results for name in result.needed})
        for result in results:
            for difference in result.differences:
                self._see(result.case, difference)

    def _see(self, case: str, difference: Difference) -> None:
        if difference.check in KINDS:
            kind = f"{KINDS[difference.check]} {difference.kind}"
            self.worst[kind] = max(self.worst.get(kind, (0.0, "")), (difference.units, case))


# Of this process: the worker that answers, started with the process, or why there is none.
_OFFICIAL: list[Official | LeafError] = []


def _start() -> None:
    torch.set_num_threads(1)
    try:
        _OFFICIAL.append(Official())
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
    except NotInThisStackError as error:
        tally.not_run = f"the official interpreter lacks {error}"
    except (AssertionError, RuntimeError) as error:
        tally.failure = f"{layer}: {error}" if isinstance(error, RuntimeError) else str(error)
    return tally


def examples_of(layer: str, examples: int, seed: int) -> Tally:
    """Drawn examples of a layer."""

    def look(tally: Tally) -> None:
        drawn.check(all_specs()[layer], _official().answer, examples, seed, tally.see)

    return _tallied(layer, look)


def one(layer: str, text: str) -> Tally:
    """The one case that ``text`` holds, as a failure prints it."""

    def look(tally: Tally) -> None:
        results = checks.check(all_specs()[layer], Case.from_json(text), _official().answer)
        tally.see(results)
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
        needed = ", ".join(f"{name} {count}" for name, count in sorted(tally.needed.items()))
        worst = [f"{tally.worst[kind][0]:.1f}" if kind in tally.worst else "–" for kind in kinds]
        made.add_row(
            tally.layer, str(tally.examples), *worst, needed or "–", tally.not_run or verdict
        )
    return made


def _versions() -> dict[str, str]:
    return _official().versions


def run(
    layers: Sequence[str],
    examples: int,
    seed: int,
    case: str | None,
    console: Console,
    json_file: Path | None = None,
    workers: int = 2,
) -> bool:
    """Draws and compares; prints failures and the table; True if nothing is off."""
    context = multiprocessing.get_context("spawn")
    workers = min(workers, len(layers))
    with (
        ProcessPoolExecutor(workers, mp_context=context, initializer=_start) as pool,
        Progress(console=console, transient=True) as progress,
    ):
        versions = pool.submit(_versions).result()
        task = progress.add_task("layers", total=len(layers))
        arguments: Callable[[str], tuple[Any, ...]] = (
            (lambda layer: (examples_of, layer, examples, seed))
            if case is None
            else (lambda layer: (one, layer, case))
        )
        futures = [pool.submit(*arguments(layer)) for layer in layers]
        for _ in as_completed(futures):
            progress.advance(task)
    tallies = [future.result() for future in futures]
    _show(tallies, versions, seed, console)
    if json_file is not None:
        told: dict[str, Any] = {"official": versions, "seed": seed, "torch": torch.__version__}
        told["layers"] = [dataclasses.asdict(tally) for tally in tallies]
        json_file.write_text(json.dumps(told, indent=1) + "\n")
    return not any(tally.failure for tally in tallies)


def _show(tallies: Sequence[Tally], versions: dict[str, str], seed: int, console: Console) -> None:
    for tally in tallies:
        if tally.failure:
            console.print(tally.failure, markup=False, highlight=False, soft_wrap=True)
    console.print(table(tallies))
    console.print(f"official: {versions}; seed {seed}", soft_wrap=True)
    failed = sum(bool(tally.failure) for tally in tallies)
    compared = sum(tally.examples for tally in tallies)
    not_run = [f"{tally.layer}: {tally.not_run}" for tally in tallies if tally.not_run]
    console.print(
        f"{compared} examples; {len(tallies) - failed - len(not_run)} layers passed, "
        f"{failed} failed, not run: {'; '.join(not_run) or 'none'}"
    )
