"""The table: every layer and frontend, forward and gradient, worst difference."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from leaf_port.errors import LeafError
from parity import backends, checks, divergences
from parity.backends import CPU
from parity.checks import Result
from parity.compare import DIRECT, DOUBLE, SLOPE
from parity.oracles import recorded
from parity.spec import EXPLAINED_BY_ROUNDING, Budget, LayerSpec

LONGEST_NAME = 32  # no name of a layer is cut
WIDTH = 175  # of the table where the output is no terminal


def console() -> Console:
    """Where the table goes; wide enough for it in a file or a pipe."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=max(WIDTH, terminal.width))


@dataclasses.dataclass
class Row:
    """What a line of the table says of a layer.

    Attributes:
        spec: the declaration.
        results: of its cases.
        refused: error cases that were refused as declared.
        failures: everything that is wrong, with the command that runs it again.
    """

    spec: LayerSpec
    results: list[Result] = dataclasses.field(default_factory=list)
    refused: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    def add(self, result: Result) -> None:
        """Takes in what came of a case."""
        self.results.append(result)
        head = f"{result.layer} [{result.case}] {result.arithmetic or ''}"
        self.failures += [f"{head}: {failure}\n  {result.again}" for failure in result.failures]

    def refuse(self) -> None:
        """Runs the error cases."""
        for error_case in self.spec.errors:
            problem = checks.check_error(error_case)
            self.refused += problem is None
            self.failures += [f"{self.spec.name}: {problem}"] if problem else []

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


def _rows(
    specs: Sequence[LayerSpec], only: str | None, backend: str, progress: Progress
) -> list[Row]:
    """Runs all cases, spread over the machine's cores."""
    rows = {spec.name: Row(spec) for spec in specs}
    asked = [
        (spec.name, case.name)
        for spec in specs
        for case in recorded.cases(spec)
        if only in (None, case.name)
    ]
    task = progress.add_task("recorded cases", total=len(asked))
    context = multiprocessing.get_context("spawn")
    workers = min(os.cpu_count() or 1, len(asked) or 1)
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(checks.check_named, *names, backend) for names in asked]
        for future in as_completed(futures):
            for result in future.result():
                rows[result.layer].add(result)
            progress.advance(task)
    for row in rows.values() if only is None else ():
        row.refuse()
    return list(rows.values())


def _figures(row: Row, gradient: bool) -> list[str]:
    """Relative difference, both sides' distance to float64, units."""
    figures = {
        "relative": ".1e",
        "port_to_exact": ".1e",
        "official_to_exact": ".1e",
        "units": ".1f",
    }
    worst = {figure: row.worst(gradient, figure) for figure in figures}
    return [
        "–" if (value := worst[figure]) is None else format(value, pattern)
        for figure, pattern in figures.items()
    ]


def table(rows: Sequence[Row], backend: str = CPU.name) -> Table:
    """The rich table of all rows."""
    made = Table(title=f"Port ({backend}) against the official implementation: worst differences")
    made.add_column("layer", no_wrap=True, min_width=LONGEST_NAME)
    made.add_column("cases", justify="right")
    for kind in ("forward", "gradient"):
        for head in (f"{kind}\nrelative", "port to\nfloat64", "official\nto float64", "units"):
            made.add_column(head, justify="right")
    made.add_column("above limit,\nby rounding", justify="right")
    made.add_column("errors\nrefused", justify="right")
    made.add_column("verdict")
    for row in rows:
        made.add_row(
            row.spec.name,
            str(len(row.results)),
            *_figures(row, gradient=False),
            *_figures(row, gradient=True),
            str(row.explained or "–"),
            f"{row.refused}/{len(row.spec.errors)}",
            f"[red]{len(row.failures)} off[/red]" if row.failures else "[green]ok[/green]",
        )
    return made


def run(
    specs: Sequence[LayerSpec], case: str | None, console: Console, backend: str = CPU.name
) -> bool:
    """Runs everything declared and prints the table; True if nothing is off.

    Raises:
        LeafError: the backend is unknown or cannot run here.
    """
    if reason := backends.named(backend).missing():
        raise LeafError("parity", "--backend", "one that runs here", backend, reason)
    with Progress(console=console, transient=True) as progress:
        rows = _rows(specs, case, backend, progress)
    failures = [failure for row in rows for failure in row.failures]
    if case is None:
        needed = {(r.layer, name) for row in rows for r in row.results for name in r.needed}
        failures += divergences.unneeded(specs, needed)
    if case is not None and not failures and not any(row.results for row in rows):
        failures.append(f"no layer among {len(specs)} has a case named {case!r}")
    for failure in failures:
        console.print(failure, markup=False, highlight=False, soft_wrap=True)
    console.print(table(rows, backend))
    console.print(
        "units: of each element's own float32 rounding (parity/rounding.py); official answers: "
        f"recorded, {_versions(rows)}",
        soft_wrap=True,
    )
    console.print(
        "above limit, by rounding: arrays left out of the relative columns. Their relative "
        "difference is above the limit (1e-6, gradients 1e-5, unless declared) because they are "
        f"ill-conditioned: its norm is at most {EXPLAINED_BY_ROUNDING:g} times that of the units "
        "(or as many as are declared, with their reason)",
        soft_wrap=True,
    )
    for line in _exactness([result for row in rows for result in row.results]):
        console.print(line, soft_wrap=True, highlight=False)
    met = Counter(name for row in rows for result in row.results for name in result.needed)
    told = ", ".join(f"{name} {count}" for name, count in sorted(met.items()))
    console.print(f"known divergences (parity/divergences.py): {told or 'none met'}")
    checked = sum(len(row.results) + row.refused for row in rows)
    console.print(f"{checked} passed, {len(failures)} failed", highlight=False)
    return not failures


def _exactness(results: Sequence[Result]) -> list[str]:
    """What was compared with the exact oracle, and what was not."""
    differences = [each for result in results for each in result.differences]
    doubles = [each.units for each in differences if each.check == DOUBLE]
    slopes = sum(each.check == SLOPE for each in differences)
    reasons = Counter(skip.reason for result in results for skip in result.skips)
    single = sum(bool(result.single) for result in results)
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return [
        "float64: the exact oracle, written from the formulas without the port. The port in "
        f"float64 is at most {max(doubles, default=0.0):.1f} units of float64 from it (allowed "
        f"{Budget.double.allowed:g} unless declared); {single} results are of values that the "
        "port has in float32 alone",
        f"gradients: {slopes} of the float64 port agree with differences of the exact oracle; not "
        f"wholly compared: {skipped or 'none'}",
    ]


def _versions(rows: Sequence[Row]) -> str:
    told = set()
    for row in rows:
        try:
            versions = recorded.load(row.spec).versions
        except LeafError:
            continue
        told.add(f"TensorFlow {versions['tensorflow']}, leaf_audio {versions['leaf_audio']}")
    return "; ".join(sorted(told)) or "none"
