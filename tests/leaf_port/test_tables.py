"""Tables of commands: drawn on a terminal, a line a row elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from leaf_port._cli import tables

HEADER = ("name", "number")
ROWS = [("x" * 300, "1"), ("[red]a\tb\nc", "2")]


def _shown(**kwargs: object) -> str:
    written = io.StringIO()
    console = Console(file=written, **kwargs)  # type: ignore[arg-type]
    tables.show(HEADER, ROWS, tables.folding(HEADER, ROWS), console)
    return written.getvalue()


def test_off_a_terminal_each_row_is_a_line_however_long() -> None:
    lines = _shown().splitlines()
    assert lines == ["name\tnumber", f"{'x' * 300}\t1", "[red]a\\tb\\nc\t2"]


def test_on_a_terminal_long_cells_are_folded_and_brackets_are_no_markup() -> None:
    shown = _shown(force_terminal=True, width=80, color_system=None)
    assert shown.count("x") == 300
    assert "[red]a\\tb\\nc" in shown
    assert max(map(len, shown.splitlines())) == 80
