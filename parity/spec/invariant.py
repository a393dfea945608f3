"""What a law is: something that holds of the port exactly, without any other implementation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from parity.spec.answer import Answer


@dataclasses.dataclass(frozen=True)
class Law:
    """Something that holds of the port bit by bit, so that it needs neither oracle nor bound.

    Attributes:
        name: what holds.
        broken: says how it does not; empty where it does.
    """

    name: str
    broken: Callable[[], str]


def difference(one: Answer, other: Answer) -> str:
    """Which array of two answers is not the same to the last bit; empty where all are."""
    ours, theirs = one.arrays(), other.arrays()
    if set(ours) != set(theirs):
        return f"arrays {sorted(ours)} and {sorted(theirs)}"
    for name, array in ours.items():
        like = theirs[name]
        if (array.dtype, array.shape) != (like.dtype, like.shape):
            return f"{name}: {array.dtype} {array.shape} and {like.dtype} {like.shape}"
        if not np.array_equal(array, like, equal_nan=array.dtype.kind == "f"):
            return f"{name}: {np.sum(array != like)} of {array.size} elements differ"
    return ""
