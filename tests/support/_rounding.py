"""Tolerances from the rounding of the computation itself; no tests in here.

The unit of an element is the root mean square, over some runs, of what float32 rounding at every
operation does to it (:class:`parity.checks.monte_carlo.Noise`). That noise is uniform within a unit
roundoff of each result; rounding to the nearest errs 0.74 times as far (root mean square over the
mantissas), so the *difference* of two answers has a standard deviation of about one unit. A normal
variable over a root mean square of n runs has Student's distribution with n degrees of freedom,
whose quantile is what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from parity.checks import monte_carlo

RUNS = 16
FLOAT64_IN_FLOAT32 = 2.0**-29  # how much finer float64 rounds
BY_CHANCE = 1e-3  # that any element of an array is further off
SMALLEST = 1e-29  # taps below 1e-30 are zero, on purpose, and enter sums of order 10

Compute = Callable[[], Sequence[Tensor]]


def units(compute: Compute) -> list[Tensor]:
    """The unit of every element of what ``compute`` gives, in float64."""
    exact = [each.detach() for each in compute()]
    squares = [torch.zeros_like(each) for each in exact]
    for seed in range(RUNS):
        with monte_carlo.Noise(seed):
            disturbed = [each.detach() for each in compute()]
        for total, each, true in zip(squares, disturbed, exact, strict=True):
            total += (each - true) ** 2
    least = monte_carlo.UNIT_ROUNDOFF
    return [
        torch.maximum((total / RUNS).sqrt(), least * true.abs()).clamp(min=SMALLEST)
        for total, true in zip(squares, exact, strict=True)
    ]


def allowed(count: int) -> float:
    """How many units the difference of two answers of ``count`` elements may reach."""
    return float(stats.t.isf(BY_CHANCE / (2 * max(count, 1)), RUNS))


def chain(taps: int) -> float:
    """How many units a sum of products takes where kernels differ in the order they add up.

    The noise counts a convolution as one rounding (0.58 units of its magnitudes). A kernel adds in
    at least the four lanes of a register of 128 bits, so rounds n = taps / 4 partial sums, which
    grow linearly at the most: 0.42 sqrt(n / 3).
    """
    return max(1.0, 0.42 / 0.58 * math.sqrt(taps / 4 / 3))


def apart(first: Tensor, second: Tensor, unit: Tensor) -> float:
    """The greatest difference, as a part of what is allowed: at most 1."""
    assert first.dtype == second.dtype
    assert first.shape == second.shape == unit.shape
    scale = unit * (FLOAT64_IN_FLOAT32 if first.dtype == torch.float64 else 1.0)
    in_units = (first.detach().double() - second.detach().double()).abs() / scale
    return float(in_units.max()) / allowed(unit.numel())
