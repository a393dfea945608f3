"""What is seen of a long command: bars on a terminal, elsewhere a line for each unit of work."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import Progress


def bars(console: Console) -> Progress:
    """Bars that go when the work is done; nothing is seen of them off a terminal."""
    return Progress(console=console, transient=True)


def line(console: Console, text: str) -> None:
    """Prints a line on stderr at once where bars are not seen."""
    if not console.is_terminal:
        print(text, file=sys.stderr, flush=True)
