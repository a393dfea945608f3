"""Units of rounding: as large as what float32 really does, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leaf_port.normalization import LayerNormalization
from parity.checks import case_checks, monte_carlo
from parity.checks.compare import Rounded
from parity.layers import all_specs
from parity.oracles import recorded
from parity.port import runner
from parity.spec import Case

SPECS = all_specs()


@pytest.mark.parametrize("layer", ["gabor_conv1d", "pcen", "sinc_conv1d", "layer_normalization"])
def test_units_have_the_size_of_real_float32_errors(layer: str) -> None:
    """The port's own float32 error is of the order of a unit: no unit hides ten of them."""
    spec = SPECS[layer]
    case = [case for case in spec.cases() if not case.draw][-1]
    question = runner.ask(spec, case)
    rounded = monte_carlo.units(spec, question, None)
    single = runner.answer(spec, question, runner.Run()).arrays()["output/0"]
    error = np.abs(single - rounded.exact["output/0"])
    in_units = np.median(error / rounded.units["output/0"])
    assert 0.02 < in_units < 5


def test_a_quiet_channel_has_a_small_unit() -> None:
    """The unit follows the element, not the greatest value of the output."""
    with monte_carlo.Noise(1):
        loud_and_quiet = torch.tensor([1.0, 1e-6], dtype=torch.float64) * 3.0
    apart = (loud_and_quiet - torch.tensor([3.0, 3e-6], dtype=torch.float64)).abs()
    assert 0 < apart[0] <= 3 * 2.0**-24
    assert 0 < apart[1] <= 3e-6 * 2.0**-24


def test_cancellation_is_seen() -> None:
    """A sum is disturbed by the magnitudes that enter it, not by its own."""
    x = torch.tensor([1.0, -1.0, 1e-9], dtype=torch.float64)
    with monte_carlo.Noise(1):
        total = x.sum()
    assert abs(total.item() - 1e-9) > 1e-12


def test_views_and_choices_are_exact() -> None:
    """Nothing is disturbed that rounds nothing."""
    x = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    with monte_carlo.Noise(1):
        same = torch.cat([x.T.reshape(-1)[:4].flip(0), x[0].clamp(0, 1)])
    assert torch.equal(same, torch.cat([x.T.reshape(-1)[:4].flip(0), x[0].clamp(0, 1)]))


def test_units_are_the_same_twice() -> None:
    """The disturbances are seeded."""
    spec = SPECS["gaussian_lowpass"]
    question = runner.ask(spec, spec.cases()[0])
    first, second = (monte_carlo.units(spec, question, None).units for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_question_depends_on_the_case_alone() -> None:
    """The same numbers whenever asked; others for another case."""
    spec = SPECS["leaf"]
    case = [case for case in spec.cases() if not case.draw][-1]
    assert runner.ask(spec, case).digest() == runner.ask(spec, case).digest()
    other = Case(case.layer, {**case.config, "samples": 1112})
    assert runner.ask(spec, case).digest() != runner.ask(spec, other).digest()


def test_rounding_inside_of_composite_operations_is_seen() -> None:
    """A mean near zero carries the rounding of the magnitudes that make it up, not its own."""
    torch.manual_seed(0)
    x = torch.randn(1, 64, dtype=torch.float64)
    x -= x.mean()
    layer = LayerNormalization(64).double()
    with torch.no_grad():
        exact = layer(x)
        apart = []
        for seed in range(40):
            with monte_carlo.Noise(seed):
                apart.append(layer(x) - exact)
    unit = torch.stack(apart).square().mean(0).sqrt()
    smallest = int(exact.abs().argmin())
    assert unit[0, smallest] > 0.1 * monte_carlo.UNIT_ROUNDOFF * float(x.abs().mean())


def test_infinity_is_not_disturbed_into_nan() -> None:
    """An infinite product stays infinite; what is rectified of it stays zero."""
    x = torch.full((1, 1, 4), -torch.inf, dtype=torch.float64)
    kernel = torch.ones(1, 1, 1, dtype=torch.float64)
    for seed in range(8):
        with monte_carlo.Noise(seed):
            assert torch.relu(torch.conv1d(x, kernel)).tolist() == [[[0.0] * 4]]


def test_what_fails_is_judged_by_sturdy_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units that come out small by chance in few runs do not fail a case; many runs decide."""
    spec = all_specs()["log_compression"]
    case = spec.cases()[0]
    real, runs = monte_carlo.units, list[int]()

    def unlucky(*arguments: Any, **options: Any) -> Rounded:
        runs.append(arguments[3])
        found = real(*arguments, **options)
        if arguments[3] == monte_carlo.RUNS:
            return Rounded(found.exact, {name: unit * 1e-3 for name, unit in found.units.items()})
        return found

    monkeypatch.setattr(case_checks.monte_carlo, "units", unlucky)
    (result,) = case_checks.check(spec, case, recorded.load(spec).answer)
    assert not result.failures
    assert runs == [monte_carlo.RUNS, monte_carlo.STURDY_RUNS]


def test_an_envelope_is_disturbed_by_the_taps_that_are_dropped() -> None:
    """``exp(-100)`` is 4e-44, whose own rounding is nothing beside the port's taps below 1e-30."""
    with monte_carlo.Noise(0):
        far = torch.exp(torch.full((100,), -100.0, dtype=torch.float64))
        near = torch.exp(torch.zeros(100, dtype=torch.float64))
    assert 1e-28 < far.abs().max().item() <= 1.0001e-27
    assert (near - 1.0).abs().max().item() <= 1.0001 * monte_carlo.UNIT_ROUNDOFF
