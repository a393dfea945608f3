"""Units beside those of a tool that is not ours: ``tox run -e independent-units``.

noisefloat rounds every result of an operation up or down with equal probability (CESTAC). Take a
result ``v`` with ``v / 2^e`` between 1 and 2. The root mean square of its rounding is at least half
a unit in the last place (in the middle of two floats) and at most one (where ``v`` is a float
already, which it moves all the same). Our disturbance is uniform up to ``2^-24 |v|``: a root mean
square of between ``1 / sqrt(12)`` and ``1 / sqrt(3)`` of that unit. So for each rounding theirs is
between ``sqrt(3) / 2`` and ``2 sqrt(3)`` times ours. The same holds for an answer: the effects of
independent roundings add up in squares, with the same weights on both sides.

Where an operation's magnitudes exceed its result, ours is wider by that ratio (``Made.least``). A
sum counts once here and term by term there (``Made.terms``).
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from parity.checks import monte_carlo
from parity.layers import all_specs
from parity.port import runner
from parity.spec import Array, Case, LayerSpec, Question

SPECS = all_specs()
RUNS = 100
NARROWEST, WIDEST = np.sqrt(3.0) / 2.0, 2.0 * np.sqrt(3.0)
CASES = {
    "squared_modulus": {"frames": 57, "channels": 14},
    "log_compression": {"frames": 50, "channels": 40, "offset": 1e-3},
    "gaussian_lowpass": {"taps": 64, "channels": 7},
    "conv1d": {
        "samples": 100,
        "taps": 25,
        "filters": 4,
        "stride": 1,
        "padding": "VALID",
        "bias": False,
    },
    "pcen": {"frames": 50, "channels": 5, "learned": True, "per_channel": True, "floor": 1e-6},
}


@pytest.fixture
def noisefloat() -> Any:
    """The package, with its random numbers from the start."""
    if importlib.util.find_spec("noisefloat") is None:
        pytest.skip("needs the package noisefloat: tox run -e independent-units")
    found = importlib.import_module("noisefloat")
    found.configure(backend="numpy", exp_bits=8, sig_bits=23, n_samples=RUNS, random_state=1)
    return found


def spread(spec: LayerSpec, question: Question) -> tuple[Array, Array]:
    """The float64 output and the root mean square of our disturbances of each element."""
    exact = runner.answer(spec, question, runner.Run(torch.float64)).outputs[0]
    total = np.zeros(exact.shape)
    for seed in range(RUNS):
        noise = monte_carlo.Noise(seed)
        run = runner.Run(torch.float64, None, lambda noise=noise: noise, seed)
        total += (runner.answer(spec, question, run).outputs[0] - exact) ** 2
    return exact, np.sqrt(total / RUNS)


def compare(layer: str) -> None:
    """Every element's unit, within what either rounding is by its definition and what chance adds.

    Raises:
        AssertionError: one is not.
    """
    import _noisefloat  # it needs the package

    spec = SPECS[layer]
    question = runner.ask(spec, Case(layer, CASES[layer]))
    exact, ours = spread(spec, question)
    made = _noisefloat.LAYERS[layer](question, RUNS)
    theirs = np.sqrt(np.mean((made.result.samples - exact) ** 2, axis=0))
    asked = (ours > 0.0) & np.isfinite(made.least)
    assert asked.mean() > 0.9
    ratio = (theirs / np.where(ours > 0.0, ours, 1.0))[asked]
    low = (NARROWEST * made.terms / made.least)[asked]
    high = (WIDEST * made.terms)[asked]
    # Both are measured: their squares' ratio is F-distributed, once in a million for all elements.
    chance = np.sqrt(stats.f.isf(1e-6 / ratio.size, RUNS, RUNS))
    assert (ratio >= low / chance).all(), (ratio / low).min()
    assert (ratio <= high * chance).all(), (ratio / high).max()
    # Over all elements chance averages out.
    assert np.median(ratio / low) >= 1.0
    assert np.median(ratio / high) <= 1.0
    print(f"{layer}: theirs / ours, quantiles {np.quantile(ratio, [0, 0.05, 0.5, 0.95, 1])}")


@pytest.mark.usefixtures("noisefloat")
@pytest.mark.parametrize("layer", CASES)
def test_units_are_those_of_noisefloat(layer: str) -> None:
    """Five layers: products, sums, powers, an exponential, a logarithm, a recurrence."""
    compare(layer)


def test_the_units_are_this_spread() -> None:
    """What the test above compares is what budgets are in."""
    spec = SPECS["squared_modulus"]
    question = runner.ask(spec, Case("squared_modulus", CASES["squared_modulus"]))
    exact, ours = spread(spec, question)
    unit = monte_carlo.units(spec, question, runs=RUNS).units["output/0"]
    np.testing.assert_array_equal(unit, np.maximum(ours, monte_carlo.UNIT_ROUNDOFF * np.abs(exact)))


@pytest.mark.usefixtures("noisefloat")
@pytest.mark.parametrize("factor", [0.125, 8.0])
def test_units_that_are_wrong_are_noticed(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    """Disturbances of another size."""
    monkeypatch.setattr(monte_carlo, "UNIT_ROUNDOFF", factor * monte_carlo.UNIT_ROUNDOFF)
    with pytest.raises(AssertionError):
        compare("squared_modulus")
