"""Tables of commands: drawn on a terminal, tab-separated lines elsewhere.

A pipe has no width: a drawn table would be cut at 80 columns, and no program reads one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaf_port._cli.text import printable


def folding(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table to draw, in which cells that are too long go on in the next line."""
    table = Table()
    for name in header:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table


def show(
    header: Sequence[str], rows: Iterable[Sequence[str]], drawn: Table, console: Console
) -> None:
    """Prints ``drawn`` on a terminal, else the header and a line a row, tab-separated.

    Args:
        header: the names of the columns, for programs.
        rows: the cells; what would end a cell or a line is escaped.
        drawn: the same for people.
        console: where to.
    """
    if console.is_terminal:
        console.print(drawn)
        return
    lines = ("\t".join(map(printable, row)) + "\n" for row in (header, *rows))
    console.file.write("".join(lines))
