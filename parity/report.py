"""The table: every layer and frontend, forward and gradient, worst difference."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from leaf_port.errors import LeafError
from parity import checks
from parity.checks import Result
from parity.spec import LayerSpec


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

    def worst(self, gradient: bool, relative: bool) -> float | None:
        """Greatest difference among outputs or gradients; None where there are none."""
        found = [
            difference.relative if relative else difference.units
            for result in self.results
            for difference in result.differences
            if difference.is_gradient == gradient
        ]
        return max(found) if found else None


def _row(spec: LayerSpec, case: str | None, progress: Progress) -> Row:
    row = Row(spec)
    total = len(spec.cases()) * len(checks.arithmetics(spec)) if case is None else None
    task = progress.add_task(spec.name, total=total)
    try:
        for result in checks.check_all(spec, case):
            row.results.append(result)
            row.failures += [
                f"{spec.name} [{result.case.name}] {result.arithmetic or ''}: {failure}\n  {result.again}"
                for failure in result.failures
            ]
            progress.advance(task)
    except LeafError as error:
        row.failures.append(str(error))
    for error_case in spec.errors if case is None else ():
        problem = checks.check_error(error_case)
        row.refused += problem is None
        row.failures += [f"{spec.name}: {problem}"] if problem else []
    progress.remove_task(task)
    return row


def _figure(value: float | None, pattern: str) -> str:
    return "–" if value is None else format(value, pattern)


def table(rows: Sequence[Row]) -> Table:
    """The rich table of all rows."""
    made = Table(title="Port against the official implementation, worst difference")
    made.add_column("layer")
    for head in ("cases", "forward\nrelative", "units", "gradient\nrelative", "units", "errors\nrefused"):
        made.add_column(head, justify="right")
    made.add_column("verdict")
    for row in rows:
        made.add_row(
            row.spec.name,
            str(len(row.results)),
            _figure(row.worst(False, True), ".1e"),
            _figure(row.worst(False, False), ".1f"),
            _figure(row.worst(True, True), ".1e"),
            _figure(row.worst(True, False), ".1f"),
            f"{row.refused}/{len(row.spec.errors)}",
            f"[red]{len(row.failures)} off[/red]" if row.failures else "[green]ok[/green]",
        )
    return made


def run(specs: Sequence[LayerSpec], case: str | None, console: Console) -> bool:
    """Runs everything declared and prints the table; True if nothing is off."""
    rows = []
    with Progress(console=console, transient=True) as progress:
        total = progress.add_task("all layers", total=len(specs))
        for spec in specs:
            rows.append(_row(spec, case, progress))
            progress.advance(total)
    failures = [failure for row in rows for failure in row.failures]
    if case is not None and not failures and not any(row.results for row in rows):
        failures.append(f"no layer among {len(specs)} has a case named {case!r}")
    for failure in failures:
        console.print(failure, markup=False, highlight=False, soft_wrap=True)
    console.print(table(rows))
    console.print(
        "units: of each element's own float32 rounding (parity/rounding.py); official answers: recorded, "
        f"{_versions(rows)}",
        soft_wrap=True,
    )
    checked = sum(len(row.results) + row.refused for row in rows)
    console.print(f"{checked} passed, {len(failures)} failed", highlight=False)
    return not failures


def _versions(rows: Sequence[Row]) -> str:
    from parity.oracles import recorded

    told = set()
    for row in rows:
        try:
            versions = recorded.load(row.spec).versions
        except LeafError:
            continue
        told.add(f"TensorFlow {versions['tensorflow']}, leaf_audio {versions['leaf_audio']}")
    return "; ".join(sorted(told)) or "none"
