"""Draws some bugs by a seed: the same ones on every machine and by every version of Python."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

_Bug = TypeVar("_Bug")


def draw(
    bugs: Sequence[_Bug], name: Callable[[_Bug], str], count: int | None, seed: int
) -> list[_Bug]:
    """So many bugs in a drawn order; all of them without ``count``.

    Args:
        bugs: to draw from.
        name: tells one from the others.
        count: how many.
        seed: of the draw.
    """

    def place(bug: _Bug) -> bytes:
        return hashlib.sha256(f"{seed}|{name(bug)}".encode()).digest()

    return sorted(bugs, key=place)[:count]
