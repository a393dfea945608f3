"""Who is closer to float64: medians and the sign test, on constructed results."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from parity.checks.case_checks import Result
from parity.checks.compare import DIRECT, PORT, Difference
from parity.layers import all_specs
from parity.report import closeness
from parity.report.rows import Row


def difference(array: str, port: float, official: float, **others: object) -> Difference:
    """A direct one with both distances from float64."""
    told = {"port_to_exact": port, "official_to_exact": official, "check": DIRECT, **others}
    return Difference(array, "values", True, **told)  # type: ignore[arg-type]


def row(layer: str, cases: Sequence[Sequence[Difference]], arithmetic: str | None = None) -> Row:
    """A row with a result for each list of differences."""
    made = Row(all_specs()[layer])
    for index, differences in enumerate(cases):
        made.add(Result(layer, f"case {index}", arithmetic, differences))
    return made


def test_medians_over_the_cases() -> None:
    """Of the outputs, and of the worst gradient of each case."""
    cases = [
        [
            difference("output/0", port, 2.0),
            difference("gradients/input/inputs", 5.0, 1.0),
            difference("gradients/weight/kernel", port + 10.0, 30.0),
            difference("initial/kernel", 1e9, 1e9),
            difference("output/0", 1e9, 1e9, check=PORT),
        ]
        for port in (1.0, 3.0, 100.0)
    ]
    forward, gradient = closeness.closeness([row("sincnet", cases)])
    assert (forward.kind, forward.cases, forward.port, forward.official) == ("forward", 3, 3.0, 2.0)
    assert (forward.closer, forward.farther) == (1, 2)
    assert (gradient.kind, gradient.port, gradient.official) == ("gradient", 13.0, 30.0)
    assert (gradient.closer, gradient.farther) == (2, 1)


def test_ill_conditioned_arrays_are_left_out() -> None:
    """As in the table."""
    cases = [
        [difference("output/0", 1.0, 2.0)],
        [difference("output/0", 500.0, 2.0, explained=True)],
    ]
    (forward,) = closeness.closeness([row("leaf", cases, "complex")])
    assert (forward.cases, forward.port) == (1, 1.0)


def test_each_arithmetic_by_itself_and_frontends_alone() -> None:
    """A layer that is no frontend has no line."""
    one = [[difference("output/0", 1.0, 2.0)]]
    leaf = row("leaf", one, "complex")
    leaf.add(Result("leaf", "case 0", "real", [difference("output/0", 3.0, 2.0)]))
    found = closeness.closeness([row("pcen", one), leaf])
    assert [(each.run.arithmetic, each.port) for each in found] == [("complex", 1.0), ("real", 3.0)]


@pytest.mark.parametrize(
    ("closer", "farther", "likely"), [(0, 0, 1.0), (5, 5, 1.0), (6, 0, 2 / 64), (1, 7, 18 / 256)]
)
def test_sign_test(closer: int, farther: int, likely: float) -> None:
    """Two-sided, against the binomial by hand."""
    assert closeness.sign_test(closer, farther) == pytest.approx(likely)


@pytest.mark.parametrize(
    ("port", "verdict"), [(1.0, "closer"), (3.0, "farther"), (2.0, "as close")]
)
def test_the_verdict_and_the_summary_say_where_not(port: float, verdict: str) -> None:
    """Eight cases that all say the same."""
    cases = [[difference("output/0", port, 2.0)] for _ in range(8)]
    found = closeness.closeness([row("leaf", cases, "real")])
    assert [each.verdict for each in found] == [verdict]
    assert verdict in found[0].text
    summary = closeness.summary(found)
    assert ("but for leaf (forward, cpu float32 real)" in summary) == (verdict == "farther")
    assert ("for every frontend" in summary) == (verdict != "farther")
