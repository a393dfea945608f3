"""Bounds are tight, and what makes a distance can be shown."""

from __future__ import annotations

import dataclasses

import pytest

from leaf_port.errors import LeafError
from parity.checks import case_checks, tightness
from parity.checks.case_checks import Result
from parity.checks.compare import DIRECT, DOUBLE, PORT, Difference
from parity.commands.blame import report as blame_report
from parity.commands.blame.blame import Experiment
from parity.layers import all_specs
from parity.oracles import recorded
from parity.spec import Case

SPEC = all_specs()["conv_block"]  # it has a budget for adverse inputs too
PLAIN, ADVERSE = (
    next(case.name for case in recorded.cases(SPEC) if (case.signal == "plain") == plain)
    for plain in (True, False)
)


def _result(case: str, *differences: Difference, backend: str = "cpu") -> Result:
    return Result(SPEC.name, case, None, differences, backend=backend)


def _difference(check: str, units: float, array: str = "output/0") -> Difference:
    return Difference(array, "values", True, units=units, check=check)


def _used(*results: Result) -> dict[tightness.Place, tightness.Used]:
    return {(u.adverse, u.check, u.kind): u for u in tightness.used(SPEC, results)}


def test_each_budget_is_judged_by_its_own_cases() -> None:
    found = _used(
        _result(PLAIN, _difference(PORT, 2.0), _difference(PORT, 1.0)),
        _result(ADVERSE, _difference(PORT, 3.0), _difference(PORT, 5.0, "gradients/x")),
    )
    assert found[False, PORT, "forward"].worst == 2.0
    assert found[True, PORT, "forward"].worst == 3.0
    assert found[True, PORT, "gradient"].worst == 5.0
    assert found[False, PORT, "gradient"].worst == 0.0


def test_one_bound_of_float64_is_for_all() -> None:
    found = _used(_result(ADVERSE, _difference(DOUBLE, 4.0, "gradients/x")))
    assert found[False, DOUBLE, "both"].worst == 4.0


def test_other_backends_do_not_count() -> None:
    found = _used(_result(PLAIN, _difference(PORT, 2.0), backend="cuda"))
    assert found[False, PORT, "forward"].worst == 0.0


@pytest.mark.parametrize(
    ("allowed", "worst", "loose"),
    [(6.0, 2.0, False), (6.1, 2.0, True), (5.0, 0.0, False), (5.1, 0.5, True), (9.0, 9.5, False)],
)
def test_three_times_the_worst_is_the_most(allowed: float, worst: float, loose: bool) -> None:
    used = tightness.Used("leaf", False, DIRECT, "forward", allowed, worst, "default")
    assert used.loose == loose


def test_a_loose_bound_tells_the_case_and_the_figure() -> None:
    message = tightness.Used("leaf", True, DIRECT, "forward", 99.0, 1.5, "samples=3").message
    assert "leaf: adverse budget" in message
    assert "1.5 (samples=3)" in message


def test_blame_finds_the_operation() -> None:
    """A convolution's taps are added one after the other in float32."""
    spec = all_specs()["learnable_pooling1d"]
    (found,) = Experiment(spec, blame_report.named(spec, _worst(spec.name))).blame(1)
    # Which array is worst, an output or a gradient, depends on the processor's kernels.
    assert found.shares[0].operation in {"convolution", "convolution_backward"}
    assert found.shares[0].units < 2.0 < found.units


def _worst(layer: str) -> str:
    """The recorded case in which the port is farthest from exact, forward."""
    spec = all_specs()[layer]
    recording = recorded.load(spec)

    def units(case: Case) -> float:
        return max(
            difference.units
            for result in case_checks.check(spec, case, recording.answer)
            for difference in result.differences
            if difference.check == PORT and not difference.is_gradient
        )

    plain = [case for case in spec.cases() if case.signal == "plain"]
    return max(plain, key=units).name


def test_a_case_may_be_given_whole() -> None:
    case = dataclasses.replace(SPEC.cases()[0], draw=7)
    assert blame_report.named(SPEC, case.as_json()).as_json() == case.as_json()


def test_an_unknown_case_is_refused() -> None:
    with pytest.raises(LeafError, match="--case"):
        blame_report.named(SPEC, "no such case")
