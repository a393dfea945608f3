"""What a law is: something that holds of the port exactly, without any other implementation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from parity.spec.answer import Answer, Array

# Of the greatest element. A slip is about as large as the answer. float64 rounds by 1e-16, and what
# layers make of a few elements (a division by the root of an epsilon, say) magnifies that by less
# than a million.
ROUNDING = 1e-9


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


def unlike(got: Array, wanted: Array) -> str:
    """How an array in float64 is another one than rounding makes of it; empty where it is not."""
    if got.shape != wanted.shape:
        return f"shape {got.shape}, not {wanted.shape}"
    finite = np.isfinite(wanted)
    alike = np.array_equal(got[~finite], wanted[~finite], equal_nan=True)
    if not (alike and np.isfinite(got[finite]).all()):
        return "what is not finite differs"
    apart = np.abs(got[finite] - wanted[finite]).max(initial=0.0)
    size = np.abs(wanted[finite]).max(initial=0.0)
    return "" if apart <= ROUNDING * size else f"off by {apart:.1e}, of up to {size:.1e}"
