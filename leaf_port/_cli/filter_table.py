"""The table of filters: on a terminal, tab-separated, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from leaf_port._cli import tables
from leaf_port._cli.filter_models import Model

_TITLES = {
    "filter": "filter",
    "center_hz": "centre (Hz)",
    "bandwidth_hz": "bandwidth (Hz)",
    "center_moved_hz": "centre moved (Hz)",
    "bandwidth_moved_hz": "bandwidth moved (Hz)",
}

Row = dict[str, float]


def rows(model: Model, before: Model | None) -> list[Row]:
    """A row a filter, in Hz: where it is, how wide, and how far both moved."""
    centers, widths = _bands(model)
    columns = {"center_hz": centers, "bandwidth_hz": widths}
    if before is not None:
        for name, now, then in zip(
            ("center", "bandwidth"), _bands(model), _bands(before), strict=True
        ):
            columns[f"{name}_moved_hz"] = [b - a for a, b in zip(then, now, strict=True)]
    names = list(columns)
    lines = zip(*columns.values(), strict=True)
    return [
        {"filter": index, **dict(zip(names, line, strict=True))} for index, line in enumerate(lines)
    ]


def _bands(model: Model) -> tuple[list[float], list[float]]:
    frontend = model.frontend
    return frontend.center_frequencies().tolist(), frontend.bandwidths().tolist()


def show(found: Sequence[Row], console: Console) -> None:
    """Prints a table on a terminal, else names and a line a filter, tab-separated."""
    table = Table()
    for name in found[0]:
        table.add_column(_TITLES[name], justify="right", no_wrap=True)
    for row in found:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    cells = ([f"{value:.6g}" for value in row.values()] for row in found)
    tables.show(list(found[0]), cells, table, console)


def _cell(name: str, value: float) -> str:
    if name == "filter":
        return str(value)
    return f"{value:+.1f}" if name.endswith("moved_hz") else f"{value:.1f}"


def as_csv(found: Sequence[Row]) -> bytes:
    """With a line of names; numbers in full."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue().encode()


def as_json(found: Sequence[Row], model: Model, before: Model | None) -> bytes:
    """The same, with what it is a table of."""
    made = {
        "model": model.given,
        "frontend": type(model.frontend).__name__,
        "sample_rate_hz": model.rate,
        **({} if before is None else {"before": before.given}),
        "filters": list(found),
    }
    return (json.dumps(made, indent=1) + "\n").encode()
