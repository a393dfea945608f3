"""The comparison: each aspect that is off is told."""

from __future__ import annotations

import numpy as np
import pytest

from parity.checks import compare, histogram
from parity.checks.compare import Rounded
from parity.spec import Answer, Array, Bound, Budget

BUDGET = Budget(Bound(1, 1), Bound(1, 1), Bound(2.5, 2.5), Bound(2.5, 2.5))
VALUE = np.array([1.0, -2.0, 1e-3], np.float32)
UNIT = np.abs(VALUE) * 2.0**-24


def one(got: Array, expected: Array = VALUE, unit: Array = UNIT) -> compare.Difference:
    """The difference of one output."""
    return compare.compare_array("output/0", got, expected, unit, BUDGET)


def test_equal_is_fine() -> None:
    """No difference, no units."""
    difference = one(VALUE.copy())
    assert difference.ok
    assert difference.units == difference.relative == 0.0


def test_units_are_those_of_the_element() -> None:
    """An error that is small beside the loud elements is large beside its own rounding."""
    got = VALUE.copy()
    got[2] *= np.float32(1 + 2.0**-20)
    difference = one(got)
    assert not difference.ok
    assert difference.relative < BUDGET.relative
    assert difference.units == pytest.approx(16, rel=2.0**-3)
    assert "(2,)" in difference.message


@pytest.mark.parametrize(
    ("got", "aspect"),
    [
        (VALUE.astype(np.float64), "dtype"),
        (VALUE[:2], "shape"),
        (np.array([np.nan, -2.0, 1e-3], np.float32), "finite"),
        (np.array([np.inf, -2.0, 1e-3], np.float32), "finite"),
    ],
)
def test_aspects(got: Array, aspect: str) -> None:
    """Dtype, shape and finiteness are told as such."""
    difference = one(got)
    assert not difference.ok
    assert difference.aspect == aspect


def test_non_finite_must_agree_in_kind_and_sign() -> None:
    """NaN with NaN, infinity with the same infinity; the rest is still compared."""
    odd = np.array([np.nan, np.inf, 1e-3], np.float32)
    assert one(odd.copy(), odd).ok
    assert not one(np.array([np.nan, -np.inf, 1e-3], np.float32), odd).ok
    assert not one(np.array([np.nan, np.inf, 2e-3], np.float32), odd).ok


def test_relative_above_the_limit_must_be_rounding() -> None:
    """Accepted only where the units are as large."""
    got = VALUE * np.float32(1 + 1e-5)
    assert not one(got).ok
    rounded = one(got, unit=np.abs(VALUE) * 1e-5)
    assert rounded.ok
    assert rounded.explained


def test_missing_and_surplus_arrays_are_told() -> None:
    """A gradient that only one side has."""
    ours = Answer([VALUE], {"input/inputs": VALUE})
    theirs = Answer([VALUE], {"weight/kernel": VALUE})
    names = ours.arrays() | theirs.arrays()
    rounded = Rounded(dict(names), dict.fromkeys(names, UNIT))
    found = {d.array: d for d in compare.compare(ours.arrays(), theirs, rounded, BUDGET, set())}
    assert found["gradients/input/inputs"].message == "the official has none"
    assert found["gradients/weight/kernel"].message == "the port has none"
    assert found["output/0"].ok


def test_random_weights_are_compared_in_shape_only() -> None:
    """Glorot's draws differ; their shape does not."""
    ours, theirs = Answer([], initial={"k": VALUE}), Answer([], initial={"k": VALUE[::-1].copy()})
    rounded = Rounded(ours.arrays(), {"initial/k": UNIT})
    (difference,) = compare.compare(ours.arrays(), theirs, rounded, BUDGET, {"initial/k"})
    assert difference.ok
    theirs.initial["k"] = VALUE[:2]
    (difference,) = compare.compare(ours.arrays(), theirs, rounded, BUDGET, {"initial/k"})
    assert difference.aspect == "shape"


def test_the_part_of_the_budget_that_a_difference_uses() -> None:
    """The greater of units and relative difference; above 1 where anything is off."""
    difference = one(VALUE + np.array([2.0**-23, 0, 0], np.float32))
    assert difference.units == pytest.approx(2.0)
    assert difference.budget_used == pytest.approx(1.0)
    off = one(VALUE * np.float32(1 + 2.0**-20))
    assert off.budget_used == pytest.approx(off.units / BUDGET.forward)
    assert one(VALUE[:2]).budget_used == np.inf
    explained = one(VALUE * np.float32(1 + 1e-5), unit=np.abs(VALUE) * 1e-5)
    assert explained.budget_used == pytest.approx(explained.units / BUDGET.forward)
    assert compare.Difference("output/0", "values", False).budget_used == np.inf


@pytest.mark.parametrize("check", [compare.PORT, compare.REFERENCE])
def test_a_distance_from_the_exact_answer_counts_every_finite_element(check: str) -> None:
    """Each in the bin of its distance in units."""
    exact = np.array([1.0, 2.0, np.nan, 0.0, 4.0])
    got = np.array([1.0 + 2.0**-23, 2.0, np.nan, 0.0, 4.0], np.float32)
    rounded = Rounded({"output/0": exact}, {"output/0": np.full(5, 2.0**-23)})
    found = compare.to_exact(check, "output/0", got, rounded, 10.0)
    assert sum(found.histogram) == 4
    assert found.histogram[0] == 3
    (bin_of_one,) = [i for i, count in enumerate(found.histogram) if i and count]
    assert histogram.edges()[bin_of_one - 1] <= 1.0 < histogram.edges()[bin_of_one]


def test_histogram_bins() -> None:
    """Below the first edge and above the last too; sums; the median's bin."""
    distances = np.array([0.0, 1e-9, 0.5, 0.5, 0.5, 1e9, np.inf])
    counted = histogram.counts(distances)
    assert len(counted) == histogram.BINS
    assert (sum(counted), counted[0], counted[-1]) == (7, 2, 2)
    assert histogram.total([counted, (), counted])[0] == 4
    assert 0.5 < histogram.median(counted) <= 0.5 * 10 ** (1 / histogram.PER_DECADE)
    assert np.isnan(histogram.median(histogram.total([])))
