"""How many elements are how far off: counts in logarithmic bins, small enough to travel."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from parity.spec import Array

# Decades of units of rounding. What is nearer (most of it equal) is in a first bin of its own, what
# is farther in a last one.
LOWEST, HIGHEST, PER_DECADE = -3, 3, 5
BINS = (HIGHEST - LOWEST) * PER_DECADE + 2


def edges() -> Array:
    """The ``BINS - 1`` distances between which the bins lie."""
    return np.logspace(LOWEST, HIGHEST, BINS - 1)


def counts(distances: Array) -> tuple[int, ...]:
    """The number of distances in each bin; a lower edge belongs to its bin."""
    bins = np.searchsorted(edges(), distances.ravel(), side="right")
    return tuple(int(count) for count in np.bincount(bins, minlength=BINS))


def total(histograms: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The sum of histograms, bin by bin; empty ones count nothing."""
    filled = [histogram for histogram in histograms if histogram]
    return tuple(sum(each) for each in zip(*filled, strict=True)) if filled else (0,) * BINS


def median(histogram: Sequence[int]) -> float:
    """The upper edge of the bin in which the median element lies; NaN where there is none."""
    if not sum(histogram):
        return float("nan")
    bounds = [*edges(), np.inf]
    reached = itertools.accumulate(histogram)
    index = next(i for i, count in enumerate(reached) if 2 * count >= sum(histogram))
    return float(bounds[index])
