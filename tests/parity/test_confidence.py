"""How well units are known: by a formula, by the runs themselves, by a package that is not ours."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from leaf_port import LeafError
from parity.checks import confidence, monte_carlo
from parity.layers import all_specs
from parity.port import runner
from parity.report import table

SPEC = all_specs()["squared_modulus"]


@pytest.mark.parametrize(
    ("runs", "low", "high"),
    # chi-square tables: 4.404 and 23.337 for 12, 74.222 and 129.561 for 100 degrees of freedom
    [(12, (12 / 23.337) ** 0.5, (12 / 4.404) ** 0.5), (100, 0.8786, 1.1607)],
)
def test_the_interval_is_that_of_the_tables(runs: int, low: float, high: float) -> None:
    """To the digits that are printed there."""
    found = confidence.of(runs)
    assert math.isclose(found.low, low, rel_tol=1e-4)
    assert math.isclose(found.high, high, rel_tol=1e-4)


def test_the_interval_holds_the_true_unit_as_often_as_it_says() -> None:
    """Normal deviations of a known size; the count is binomial."""
    trials = 20_000
    draws = np.random.default_rng(1).normal(size=(trials, monte_carlo.RUNS))
    measured = np.sqrt(np.mean(draws**2, axis=1))
    found = confidence.of(monte_carlo.RUNS)
    held = int(np.sum((found.low * measured <= 1.0) & (found.high * measured >= 1.0)))
    least, most = stats.binom.ppf([1e-6, 1.0 - 1e-6], trials, found.level)
    assert least <= held <= most


def test_more_runs_and_less_confidence_are_narrower() -> None:
    """And both ends lie around the measured unit."""
    widths = [confidence.of(runs).high - confidence.of(runs).low for runs in (2, 12, 100, 10_000)]
    assert widths == sorted(widths, reverse=True)
    assert confidence.of(12, 0.5).high < confidence.of(12).high
    assert all(confidence.of(n).low < 1.0 < confidence.of(n).high for n in (2, 12, 100))


@pytest.mark.parametrize(("runs", "level"), [(0, 0.95), (-3, 0.95), (12, 0.0), (12, 1.0)])
def test_what_has_no_confidence(runs: int, level: float) -> None:
    """One error each."""
    with pytest.raises(LeafError, match="confidence: "):
        confidence.of(runs, level)


def test_units_of_few_runs_are_within_it_of_those_of_many() -> None:
    """Of a real layer, in at least as many elements as it says, but for what chance explains."""
    case = next(case for case in SPEC.cases() if case.config["frames"] == 57)
    question = runner.ask(SPEC, case)
    few = monte_carlo.units(SPEC, question, runs=monte_carlo.RUNS).units["output/0"]
    many = monte_carlo.units(SPEC, question, runs=400).units["output/0"]
    known, settled = confidence.of(monte_carlo.RUNS), confidence.of(400, 0.999)
    held = (few * known.low <= many * settled.high) & (few * known.high >= many * settled.low)
    assert held.sum() >= stats.binom.ppf(1e-6, held.size, known.level)


def test_the_table_says_it() -> None:
    """For both numbers of runs."""
    text = " ".join(table.notes([]))
    assert "12 runs tell it to -28 % to +65 % (95 % confidence)" in text
    assert "100 runs, which tell it to -12 % to +16 % (95 % confidence)" in text


@pytest.fixture
def significantdigits() -> Any:
    """Verificarlo's package."""
    if importlib.util.find_spec("significantdigits") is None:
        pytest.skip("needs the package significantdigits: tox run -e independent-units")
    return importlib.import_module("significantdigits")


@pytest.mark.parametrize("runs", [monte_carlo.RUNS, monte_carlo.STURDY_RUNS])
def test_significantdigits_gives_the_same_upper_end(significantdigits: Any, runs: int) -> None:
    """Of the spread about a mean that is not known, which costs one degree of freedom.

    Its digits ``s`` are those of which one standard deviation is left, so that ``2^-s`` is the
    upper end of the relative unit.
    """
    draws = 1.0 + 2.0**-24 * np.random.default_rng(2).normal(size=(runs, 300))
    one_sigma = math.erf(1.0 / math.sqrt(2.0))
    digits = significantdigits.significant_digits(
        draws,
        reference=np.ones(300),
        axis=0,
        error=significantdigits.Error.Relative,
        method=significantdigits.Method.CNH,
        probability=one_sigma,
        confidence=confidence.LEVEL,
    )
    ours = confidence.of(runs - 1).high * draws.std(axis=0)
    # Each side takes a root, a logarithm or a power: some ulps of digits near 24, so 24 times that.
    np.testing.assert_allclose(2.0**-digits, ours, rtol=24 * 8 * np.finfo(float).eps)
