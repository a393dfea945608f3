"""Keeps the last answer of a costly function, for differences that come back to it."""

from __future__ import annotations

import functools
from collections.abc import Callable

from parity.oracles.exact.types import Array


def last_kept(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """The function, which answers the same two arrays again from memory.

    A difference along the weights behind a long convolution asks for it twice a weight, and most of
    its time was that. Arrays are the same if all their bits are.
    """
    kept: list[tuple[object, Array]] = []

    @functools.wraps(function)
    def answer(first: Array, second: Array) -> Array:
        asked = [(each.shape, each.dtype, each.tobytes()) for each in (first, second)]
        if not kept or kept[0][0] != asked:
            kept[:] = [(asked, function(first, second))]
        return kept[0][1].copy()

    return answer
