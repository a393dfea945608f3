"""What torch's tools do with the batch normalisation: they see it, or are told off."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from _layers import same_bits
from torch import Tensor, nn
from torch.func import replace_all_batch_norm_modules_  # type: ignore[attr-defined]
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn

import leaf_port as lp
from leaf_port.normalization import BatchNormalization
from parity.spec.random_arrays import Source

# Axes of the input, the axis that keeps its statistics, whether Keras moves the unbiased variance.
CASES = [((6, 3), 1, False), ((2, 3, 7, 5), 1, True), ((2, 7, 5, 3), 3, False)]


def _batches(shape: tuple[int, ...]) -> list[Tensor]:
    return [torch.from_numpy(Source(i).normal(shape)).double() + i for i in range(4)]


@pytest.mark.parametrize(("shape", "axis", "unbiased"), CASES)
def test_update_bn_makes_the_means_over_the_batches(
    shape: tuple[int, ...], axis: int, unbiased: bool
) -> None:
    """Four statistics averaged one by one: to 3 roundings for each, of the greatest of them."""
    layer, batches = BatchNormalization(3, axis=axis).double(), _batches(shape)
    layer(batches[0])  # something to forget
    update_bn(batches, layer)
    others = [i for i in range(len(shape)) if i != axis]
    means = torch.stack([each.mean(others) for each in batches])
    variances = torch.stack([each.var(others, correction=int(unbiased)) for each in batches])
    eps = torch.finfo(torch.float64).eps
    for moved, each in ((layer.moving_mean, means), (layer.moving_variance, variances)):
        assert (moved - each.mean(0)).abs().max() <= 12 * eps * each.abs().max()
    assert layer.momentum == 0.99


def test_update_bn_of_a_classifier() -> None:
    """Every normalisation below it moves; without it nothing did."""
    model = lp.AudioClassifier(2, lp.MelFilterbanks(n_filters=8), lp.ConvNet([3, 4]))
    update_bn([torch.from_numpy(Source(i).normal((2, 4000))) for i in range(2)], model)
    layers = [each for each in model.modules() if isinstance(each, BatchNormalization)]
    assert len(layers) == 4
    for layer in layers:
        assert not torch.equal(layer.moving_mean, torch.zeros_like(layer.moving_mean))
        assert layer._batches == 2


def test_sync_batch_norm_is_refused() -> None:
    model = lp.ConvNet([3])
    with pytest.raises(lp.LeafError, match="torch's own batch normalisation"):
        nn.SyncBatchNorm.convert_sync_batchnorm(model)


def test_vmaps_patch_is_refused() -> None:
    with pytest.raises(lp.LeafError, match="track_running_stats"):
        replace_all_batch_norm_modules_(lp.ConvNet([3]))


def test_asking_whether_it_has_a_weight_is_no_error() -> None:
    """As functions that initialise weights ask."""
    layer = BatchNormalization(3)
    assert isinstance(layer, _BatchNorm)
    assert not hasattr(layer, "weight")
    assert getattr(layer, "running_mean", None) is None
    with pytest.raises(AttributeError, match="nothing"):
        layer.nothing  # noqa: B018


def test_its_state_is_what_it_was() -> None:
    layer = BatchNormalization(3)
    assert set(layer.state_dict()) == {"gamma", "beta", "moving_mean", "moving_variance"}
    old = {key: value + 1 for key, value in layer.state_dict().items()}  # without a version
    layer.load_state_dict(old)
    assert torch.equal(layer.moving_variance, torch.full((3,), 2.0))
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert same_bits(copied.moving_mean, layer.moving_mean)


def test_reset_parameters() -> None:
    layer = BatchNormalization(3)
    fresh = copy.deepcopy(layer.state_dict())
    layer(torch.from_numpy(Source(0).normal((5, 3))))
    nn.init.constant_(layer.gamma, 3.0)
    layer.reset_parameters()
    assert all(torch.equal(fresh[key], value) for key, value in layer.state_dict().items())
