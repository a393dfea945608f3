"""The law of random initial values: what it lets pass, what it refuses, how often it is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from parity.checks.invariants import first_values


def test_limit_is_glorots() -> None:
    assert first_values.limit((3, 3, 2, 4)) == pytest.approx(math.sqrt(6 / (9 * 6)))
    assert first_values.limit((8,)) == pytest.approx(math.sqrt(6 / 16))
    assert first_values.limit((40, 2)) == pytest.approx(math.sqrt(6 / 42))


@pytest.mark.parametrize("seed", range(50))
def test_uniform_values_pass(seed: int) -> None:
    values = np.random.default_rng(seed).uniform(-0.5, 0.5, (10, 80))
    assert list(first_values.wrong(values, 0.5)) == []


def _repeated(values: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.repeat(values[:, ::2], 2, axis=1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x: x * 1.01, "of the greatest magnitude"),
        (lambda x: x * 0.9, "none above"),
        (np.abs, "mean"),
        (lambda x: np.sign(x) * np.abs(x) ** 3, "variance"),
        (_repeated, "product of neighbours"),
        (lambda x: np.repeat(x[::2], 2, axis=0), "product of two layers"),
    ],
)
def test_others_are_told(change: object, told: str) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (40, 80))
    found = list(first_values.wrong(change(values), 1.0))  # type: ignore[operator]
    assert any(told in each for each in found), found


def test_error_probability() -> None:
    """Hoeffding's inequality at the distance that is allowed gives the stated probability."""
    count, spread = 2000, 2.0
    off = first_values.within(spread, count)
    assert 2 * math.exp(-2 * count * (off / spread) ** 2) == pytest.approx(first_values.MISS)
    assert math.isclose(first_values.MISS * first_values.MOST, 1e-6)
