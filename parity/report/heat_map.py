"""Layers by columns: the worst difference of each as a part of its budget."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Sequence

from parity.checks import case_checks
from parity.checks.case_checks import Result
from parity.checks.compare import Difference
from parity.report.columns import OFFICIAL, Column, columns, of_difference, raised_in
from parity.report.rows import Row


@dataclasses.dataclass(frozen=True)
class Cell:
    """A layer in a column, forward or gradient.

    Attributes:
        state: ``ok``, ``off``, ``not run`` or ``none`` (there is nothing to run).
        used: the greatest part of a budget; NaN where nothing was compared.
        told: the difference behind it, or why there is none.
    """

    state: str
    used: float = math.nan
    told: str = ""

    @property
    def text(self) -> str:
        """What stands in the cell."""
        if self.state in ("none", "not run"):
            return "·" if self.state == "none" else "–"
        figure = f"{self.used:.2f}" if self.used < 9.995 else f"{self.used:.0e}"
        figure = figure if math.isfinite(self.used) else "off"
        return f"✗ {figure}" if self.state == "off" else figure


@dataclasses.dataclass(frozen=True)
class Line:
    """A layer of the heat map: for each column a forward and a gradient cell."""

    row: Row
    cells: Sequence[tuple[Cell, Cell]]


def _differences(row: Row, column: Column) -> Iterator[tuple[Result, Difference]]:
    for result in row.results:
        for difference in result.differences:
            if of_difference(result, difference) == column:
                yield result, difference


def _told(result: Result, difference: Difference) -> str:
    figures = f"{difference.units:.3g} units (allowed {difference.allowed:.3g})"
    if math.isfinite(difference.allowed_relative):
        explained = ", explained by rounding" if difference.explained else ""
        allowed = f"(allowed {difference.allowed_relative:.0e}{explained})"
        figures += f", relative {difference.relative:.1e} {allowed}"
    message = difference.message if difference.aspect != "values" else figures
    return f"{result.case}: {difference.check}: {difference.array}: {message}"


def _empty(row: Row, column: Column, gradient: bool) -> Cell:
    """Why nothing was compared."""
    is_run = column.precision == "float32" and column.backend != OFFICIAL
    if is_run and column.arithmetic not in case_checks.arithmetics(row.spec):
        return Cell("none", told="the layer does not run in this arithmetic")
    mine = [each for each in row.results if each.backend in (column.backend, "cpu")]
    any_gradient = any(d.is_gradient for each in mine for d in each.differences)
    if gradient and mine and not any_gradient and not any(each.error for each in mine):
        return Cell("none", told="nothing is differentiated")
    reasons = Counter(skip.reason for each in mine for skip in each.skips)
    if column.precision == "float64":
        reasons.update(each.single for each in mine if each.single)
    told = ", ".join(f"{count} × {reason}" for reason, count in reasons.items())
    raised = "an error was raised instead of an answer" if any(r.error for r in mine) else ""
    return Cell("not run", told=told or raised or "not run")


def _cell(row: Row, column: Column, gradient: bool) -> Cell:
    errors = [each for each in row.results if each.error and column in raised_in(row, each)]
    if errors:
        return Cell("off", math.inf, f"{errors[0].case}: {errors[0].error}")
    found = [each for each in _differences(row, column) if each[1].is_gradient == gradient]
    if not found:
        return _empty(row, column, gradient)
    result, worst = max(found, key=lambda each: each[1].budget_used)
    ok = all(difference.ok for _, difference in found)
    return Cell("ok" if ok else "off", worst.budget_used, _told(result, worst))


def lines(rows: Sequence[Row]) -> tuple[list[Column], list[Line]]:
    """The columns, and a line a layer."""
    heads = columns(rows)
    return heads, [
        Line(row, [(_cell(row, head, False), _cell(row, head, True)) for head in heads])
        for row in rows
    ]


def refusals(row: Row) -> Cell:
    """The layer's error cases: how many are refused as declared."""
    if not row.refusals:
        return Cell("not run", told="error cases are run with whole layers only")
    return _counted([refusal.problem for refusal in row.refusals if refusal.problem])


def laws(row: Row) -> Cell:
    """What must hold to the last bit (``parity/checks/invariants``): which does not."""
    if not row.laws:
        return Cell("not run", told="none is declared, or not the whole layer was run")
    return _counted([f"{law.law}: {law.problem}" for law in row.laws if law.problem])


def derivatives(row: Row) -> Cell:
    """Forward mode, second order and vmap (``parity/checks/derivatives``): which is wrong."""
    if not row.derivatives:
        return Cell("not run", told="not the whole layer was run")
    if all(each.without for each in row.derivatives):
        return Cell("none", told="; ".join(dict.fromkeys(e.without for e in row.derivatives)))
    return _counted([f"{each.kind}: {each.problem}" for each in row.derivatives if each.problem])


def _counted(problems: Sequence[str]) -> Cell:
    return Cell("off" if problems else "ok", math.inf if problems else 0.0, "; ".join(problems))
