"""How far rounding may take a derivative in float64, known by what float32 makes of it.

The same operations in float32 round 2^29 times as coarsely: what float32 is off is a sample of the
rounding, and ``2^-29`` of it one of float64's. A sample may be small by chance. Of two that are
normally distributed alike one is ``k`` times the other or more with a probability of
``2 / (pi k)``: 2^13 times once in 13,000. So ``2^-16`` of what float32 is off is the bound. It is
1e-12 where float32 is right to seven digits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import torch
from torch import Tensor

OF_SINGLE = 2.0**-29 * 2.0**13
UNIT_ROUNDOFF = 2.0**-53

# Where rounding may be more than this part of something, its comparison tells nothing.
DROWNED = 2.0**-10


@dataclasses.dataclass(frozen=True)
class Sum:
    """A sum of products.

    Attributes:
        value: the sum.
        size: the root of the sum of the squared products, what it is by random signs.
        rounding: how far rounding may take it.
    """

    value: float
    size: float
    rounding: float

    @property
    def tells(self) -> bool:
        """Whether it is more than rounding."""
        return self.rounding < DROWNED * self.size < math.inf

    def __add__(self, other: Sum) -> Sum:
        size = math.hypot(self.size, other.size)
        return Sum(self.value + other.value, size, self.rounding + other.rounding)

    def times(self, factor: float) -> Sum:
        """The sum, as if of other products."""
        return Sum(self.value * factor, self.size * factor, self.rounding * factor)


def total(double: Tensor, single: Tensor, along: Tensor) -> Sum:
    """``sum double along``.

    Args:
        double: in float64.
        single: the same in float32.
        along: what it is multiplied with, in float64.
    """
    terms = double * along
    off = ((single.double() - double) * along).abs().sum()
    adding = terms.numel() * UNIT_ROUNDOFF * terms.abs().sum()
    rounding = OF_SINGLE * off + adding
    return Sum(terms.sum().item(), torch.linalg.vector_norm(terms).item(), rounding.item())


def totals(each: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Sum:
    """The sum of several."""
    return sum((total(*one) for one in each), start=Sum(0.0, 0.0, 0.0))


def of_norm(double: Tensor, single: Tensor) -> float:
    """How far the norm of the rounding of a tensor may be; at least that of its last places."""
    off = torch.linalg.vector_norm(single.double() - double)
    return (OF_SINGLE * off + UNIT_ROUNDOFF * torch.linalg.vector_norm(double)).item()
