"""The experiment that shows what statistics in float32 do to the official answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leaf_port.errors import LeafError
from parity import report
from parity.commands.blame import report as blame_report
from parity.commands.blame import sequential_sums
from parity.layers import all_specs
from parity.oracles import recorded

MAP = 3.0 + torch.rand((2, 5, 7, 3), generator=torch.Generator().manual_seed(1)).double()


def one_by_one(values: np.ndarray) -> float:
    """In float32, in the order of ``values``; compared with as float64."""
    total = np.float32(0)
    for value in values.astype(np.float32).ravel():
        total += value
    return float(total)


@pytest.mark.parametrize("keepdim", [False, True])
def test_sums_are_added_up_one_by_one(keepdim: bool) -> None:
    with sequential_sums.SerialStatistics():
        total = MAP.sum((0, 2, 3), keepdim=keepdim)
    wanted = [one_by_one(MAP[:, channel].numpy()) for channel in range(5)]
    assert total.flatten().tolist() == wanted
    assert total.shape == MAP.sum((0, 2, 3), keepdim=keepdim).shape


def test_means_and_variances_are_of_such_sums() -> None:
    with sequential_sums.SerialStatistics():
        mean = MAP.mean((0, 2, 3))
        variance, same = torch.var_mean(MAP, (0, 2, 3), correction=0)
    assert torch.equal(mean, same)
    assert mean[0].item() == float(np.float32(one_by_one(MAP[:, 0].numpy())) / np.float32(42))
    exact = MAP.var((0, 2, 3), correction=0)
    rounded = 42 * 2.0**-24  # of 42 positive terms every partial sum, at most the whole
    assert ((variance / exact - 1).abs() <= rounded).all()
    assert not torch.equal(variance, exact)


def test_other_operations_stay_in_float64() -> None:
    with sequential_sums.SerialStatistics():
        assert torch.equal(MAP * 3 - 1, torch.add(MAP * 3, -1))
        total = MAP.sum()
    assert total.item() == MAP.sum().item()


def test_they_make_the_official_distance() -> None:
    """Behind a constant map, array by array, nearly all of it."""
    spec = all_specs()["pann_wav_block"]
    name = spec.exceptions.adverse.reference_gradient.at if spec.exceptions.adverse else ""
    case = next(case for case in recorded.cases(spec) if case.name == name)
    farthest = sequential_sums.likeness(spec, case)[:3]
    assert farthest[0].official > 5
    for each in farthest:
        assert 0.8 < each.serial / each.official < 1.25


def test_a_case_that_is_not_recorded_is_refused() -> None:
    """Only a recording tells what the official code answered."""
    spec = all_specs()["pann_wav_block"]
    with pytest.raises(LeafError, match="--keep"):
        blame_report.run_official(spec, spec.cases()[0].as_json(), 1, report.console())
