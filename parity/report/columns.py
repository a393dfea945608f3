"""The columns of the heat map: where and in which precision something was computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from parity.checks import case_checks
from parity.checks.case_checks import Result
from parity.checks.compare import DIRECT, DOUBLE, PORT, REFERENCE, SLOPE, Difference
from parity.report.rows import Row

OFFICIAL = "official"


@dataclasses.dataclass(frozen=True)
class Column:
    """A run of the port, or the official answers.

    Attributes:
        backend: where it ran; ``official`` for the official answers.
        precision: ``float32`` or ``float64``.
        arithmetic: of the port's filters; None where it has no choice.
    """

    backend: str
    precision: str = "float32"
    arithmetic: str | None = None

    @property
    def text(self) -> str:
        """Its name."""
        if self.backend == OFFICIAL:
            return OFFICIAL
        return " ".join(filter(None, (self.backend, self.precision, self.arithmetic)))


def of_port(result: Result) -> Column:
    """Where the float32 answer of a result was computed."""
    return Column(result.backend, "float32", result.arithmetic)


def of_difference(result: Result, difference: Difference) -> Column:
    """The column to which a difference belongs."""
    columns = {
        DIRECT: of_port(result),
        PORT: of_port(result),
        DOUBLE: Column(result.backend, "float64"),
        SLOPE: Column(result.backend, "float64"),
        REFERENCE: Column(OFFICIAL),
    }
    return columns[difference.check]


def raised_in(row: Row, result: Result) -> list[Column]:
    """The columns that an error concerns: without an answer its arithmetic is not told."""
    return [
        Column(result.backend, "float32", arithmetic)
        for arithmetic in case_checks.arithmetics(row.spec)
    ]


def columns(rows: Sequence[Row]) -> list[Column]:
    """Every column there is, the port's float32 runs first, the official answers last."""
    found: dict[Column, None] = {}
    for row in rows:
        for result in row.results:
            found |= dict.fromkeys(raised_in(row, result) if result.error else [of_port(result)])
            found |= dict.fromkeys(of_difference(result, each) for each in result.differences)
    backends = list(dict.fromkeys(column.backend for column in found))

    def place(column: Column) -> tuple[bool, int, str, str]:
        order = backends.index(column.backend)
        is_official = column.backend == OFFICIAL
        return is_official, order, column.precision, column.arithmetic or ""

    return sorted(found, key=place)
