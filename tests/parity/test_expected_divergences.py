"""The table of divergences: what it excuses, what it does not, and that it cannot grow stale."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from parity.checks import case_checks, expected_divergences
from parity.layers import all_specs
from parity.port import runner
from parity.spec import Answer, Array, Case, LayerSpec, Question

SPECS = all_specs()
POOLING = SPECS["max_pooling1d"]
BROKEN = Case("log_compression", SPECS["log_compression"].configs[0], signal="nan")


def asks(**changes: Array) -> case_checks.Ask:
    """A stand-in for the official code: the port's own answer, some arrays of it replaced."""

    def ask(spec: LayerSpec, question: Question) -> Answer:
        answer = runner.answer(
            spec, question, runner.Run(arithmetic=case_checks.arithmetics(spec)[0])
        )
        for name, array in changes.items():
            index = int(name.removeprefix("output"))
            answer.outputs[index] = array
        return answer

    return ask


def test_entries_are_complete() -> None:
    """Each says what, why and where; declarations name only entries that exist."""
    for entry in expected_divergences.TABLE:
        assert entry.what
        assert entry.reason
        assert "tensorflow" in entry.source
        assert entry.like_official is not None or entry.without
    named = {name for spec in SPECS.values() for name in spec.exceptions.divergences}
    everywhere = {entry.name for entry in expected_divergences.TABLE if entry.everywhere}
    assert named | everywhere == set(expected_divergences.NAMED)


def test_an_undeclared_divergence_fails() -> None:
    """A layer that does not name the entry is not excused."""
    spec = SPECS["log_compression"]
    question = runner.ask(spec, BROKEN)
    wrong = runner.answer(spec, question, runner.Run()).outputs[0]
    wrong[np.isnan(wrong)] = 0.0
    (result,) = case_checks.check(spec, BROKEN, asks(output0=wrong))
    assert not result.needed
    assert any("finite" in failure for failure in result.failures)


def test_plain_input_is_never_excused() -> None:
    """Whatever the declaration names."""
    case = POOLING.cases()[0]
    assert expected_divergences.of(POOLING, case) == []
    assert expected_divergences.of(POOLING, dataclasses.replace(case, signal="nan"))


def test_an_excuse_must_reproduce_the_official_answer() -> None:
    """With maxima that drop NaN the port must give the very same; another number still fails."""
    case = next(case for case in POOLING.sampling.explicit if case.signal == "nan")
    question = runner.ask(POOLING, case)
    entry = expected_divergences.NAMED["nan_in_max_pooling"]
    run = runner.Run(noise=entry.like_official)
    official = runner.answer(POOLING, question, run).outputs[0]
    result, *_ = case_checks.check(POOLING, case, asks(output0=official))
    assert result.needed == ("nan_in_max_pooling",)
    assert not result.failures
    at = np.isnan(runner.answer(POOLING, question, runner.Run()).outputs[0])
    wrong = np.where(at, np.float32(7.0), official)
    result, *_ = case_checks.check(POOLING, case, asks(output0=wrong))
    assert result.failures


def test_max_pooling_without_nan() -> None:
    """NaN is left out; a window of nothing else gives the lowest number."""
    x = torch.tensor([[[[1.0, torch.nan, torch.nan, torch.nan]]]])
    with expected_divergences.MaxPoolingWithoutNan():
        y = F.max_pool2d(x, (1, 2))
    assert y.ravel().tolist() == [1.0, torch.finfo(torch.float32).min]
    assert torch.isnan(F.max_pool2d(x, (1, 2))).all()


def test_flushing_ends() -> None:
    """Denormal numbers are back afterwards, also after an error."""
    tiny = torch.tensor([1e-40])
    within: list[float] = []

    def broken() -> None:
        with expected_divergences.Flushing():
            within.append(float(tiny * 1.0))
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        broken()
    assert within == [0.0]
    assert float(tiny * 1.0) > 0.0


def test_an_entry_that_nothing_needs_is_told() -> None:
    """By layer and name."""
    (line,) = expected_divergences.unneeded([POOLING], {(POOLING.name, "gradients_at_non_finite")})
    assert POOLING.name in line
    assert "nan_in_max_pooling" in line
    every = {(POOLING.name, name) for name in POOLING.exceptions.divergences}
    assert expected_divergences.unneeded([POOLING], every) == []


def _nearest(plain: float, like: float, theirs: float, undetermined: bool) -> float:
    def arrays(value: float) -> dict[str, np.ndarray]:
        return {"output/0": np.array([value], np.float32)}

    official = Answer(outputs=[arrays(theirs)["output/0"]])
    near = expected_divergences.nearest(arrays(plain), arrays(like), official, undetermined)
    return float(near["output/0"][0])


def test_what_is_not_determined_is_not_compared() -> None:
    """But what is finite in the port is."""
    assert _nearest(np.nan, np.inf, 0.5, undetermined=True) == 0.5
    assert np.isinf(_nearest(np.nan, np.inf, 0.5, undetermined=False))
    assert _nearest(1.0, 2.0, 9.0, undetermined=True) == 2.0
    assert _nearest(np.nan, 2.0, 3.0, undetermined=False) == 2.0
    assert _nearest(1.0, 5.0, 2.0, undetermined=False) == 1.0


@pytest.mark.parametrize(
    ("values", "factor", "undetermined"),
    [
        ([torch.nan, torch.nan], 0.5, True),
        ([torch.nan, torch.nan], 4.0, True),
        ([torch.nan, torch.nan], 1e-9, False),
        ([torch.nan, 2.0], 4.0, False),
        ([torch.nan, 1e35], 4.0, False),
    ],
)
def test_computing_with_the_lowest_number_is_not_determined(
    values: list[float], factor: float, undetermined: bool
) -> None:
    """In a sum of its size; a product is the same in any order."""
    with expected_divergences.MaxPoolingWithoutNan() as context:
        pooled = F.max_pool2d(torch.tensor([[[values]]]), (1, 2))
        pooled * factor
        assert not context.undetermined
        F.linear(pooled, torch.tensor([[factor]]))
    assert context.undetermined is undetermined


_FLUSHED = """
import torch
from parity.checks.expected_divergences import Flushing

torch.set_num_threads(4)
x = torch.full((1 << 20,), 1e-40)  # so many that torch shares the work out
with Flushing():
    print(int((x * 0.5 > 0).sum()))
print(int((x * 0.5 > 0).sum()), x.numel())
"""


def test_flushing_reaches_every_element_and_ends_in_every_thread() -> None:
    """A pool that started while its parent flushed went on flushing: another suite's answers."""
    line = [sys.executable, "-c", _FLUSHED]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1048576", "1048576"]
