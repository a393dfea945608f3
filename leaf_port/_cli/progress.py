"""How far a run is: a bar on a terminal, else a line on stderr now and then."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

Item = TypeVar("Item")

_LEAST = 100
"""A line tells of at least so many clips, and of at least 2 % of all."""


def shown(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """``items``, of which there are ``total``; ``what`` begins each line."""
    console = Console(stderr=True)
    if total > 1 and console.is_terminal:
        with Progress(console=console, transient=True) as progress:
            yield from progress.track(items, total=total, description=what)
        return
    every = max(_LEAST, total // 50)
    for count, item in enumerate(items, 1):
        yield item
        if count % every == 0:
            print(f"{what}: {count} of {total} clips", file=sys.stderr, flush=True)
