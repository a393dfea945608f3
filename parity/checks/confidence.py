"""How well a unit is known that so many disturbed runs have measured.

A unit is the root mean square of ``n`` independent deviations from the float64 answer (see
``parity/checks/monte_carlo.py``). Where they are normal, ``n s^2 / sigma^2`` is chi-square with
``n`` degrees of freedom, so the true unit ``sigma`` lies between ``s sqrt(n / q)`` for the two
quantiles ``q``. The deviations of an answer that few roundings make are nearer to uniform, whose
squares scatter less: the interval is then wider than it need be.

(Sohier et al., Confidence intervals for stochastic arithmetic, ACM TOMS 47, 2021, whose package
``significantdigits`` gives the same upper end: ``tests/parity/test_confidence.py``.)
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import special

from leaf_port.errors import LeafError

LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Confidence:
    """Where the true unit lies, as multiples of the measured one.

    Attributes:
        low: the lower end.
        high: the upper end.
        level: the probability that it lies there.
    """

    low: float
    high: float
    level: float

    def __str__(self) -> str:
        percent = [round(100 * (end - 1)) for end in (self.low, self.high)]
        return f"{percent[0]:+d} % to {percent[1]:+d} % ({100 * self.level:g} % confidence)"


def of(runs: int, level: float = LEVEL) -> Confidence:
    """The confidence of a root mean square.

    Args:
        runs: how many deviations it is of.
        level: the probability, between 0 and 1.

    Raises:
        LeafError: no runs, or no probability.
    """
    if runs < 1:
        raise LeafError("confidence", "runs", "at least 1", runs, "measure first")
    if not 0.0 < level < 1.0:
        raise LeafError("confidence", "level", "a number between 0 and 1", level, "give 0.95")
    tail = (1.0 - level) / 2.0
    low, high = (float(np.sqrt(runs / _quantile(p, runs))) for p in (1.0 - tail, tail))
    return Confidence(low, high, level)


def _quantile(probability: float, degrees: int) -> float:
    """Of the chi-square distribution."""
    return 2.0 * float(special.gammaincinv(degrees / 2.0, probability))
