"""The table of what was computed: for people on a terminal, tab-separated for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaf_port._cli import tables
from leaf_port._cli.extraction import Features
from leaf_port._cli.text import printable

HEADER = ("file", "rate_hz", "seconds", "frames", "filters", "min", "mean", "max")


@dataclass(frozen=True)
class Row:
    """A line of the table; ``rate`` (Hz) is the one used, ``own_rate`` what the file says."""

    file: str
    rate: int
    own_rate: int
    seconds: float
    frames: int
    filters: int
    least: float
    mean: float
    greatest: float


def row(features: Features) -> Row:
    """What the table says about a clip."""
    values = features.values
    frames, filters = values.shape
    mean = float(values.mean(dtype="float64"))
    file = printable(features.clip.path)
    least, greatest = float(values.min()), float(values.max())
    rates = (features.sample_rate, features.clip.sample_rate)
    return Row(file, *rates, features.seconds, frames, filters, least, mean, greatest)


def show(rows: Sequence[Row], console: Console) -> None:
    """Prints a table on a terminal, else :data:`HEADER` and a line a clip, tab-separated."""
    tables.show(HEADER, map(_cells, rows), _table(rows), console)


def _cells(one: Row) -> tuple[str, ...]:
    statistics = (f"{value:.6g}" for value in (one.least, one.mean, one.greatest))
    shape = (str(one.frames), str(one.filters))
    return (one.file, str(one.rate), f"{one.seconds:.6f}", *shape, *statistics)


def _table(rows: Sequence[Row]) -> Table:
    table = Table()
    table.add_column("file", overflow="fold")
    for title in ("Hz", "seconds", "frames x filters", "min", "mean", "max"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in rows:
        statistics = (f"{value:.3g}" for value in (one.least, one.mean, one.greatest))
        shape = f"{one.frames} x {one.filters}"
        table.add_row(Text(one.file), str(one.rate), f"{one.seconds:.3f}", shape, *statistics)
    return table
