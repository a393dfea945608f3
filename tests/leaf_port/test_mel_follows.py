"""Mel filterbanks have no weights: their constants follow a state that is assigned around them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from _layers import SAMPLES, clips, same_bits
from torch import nn

import leaf_port as lp


def _mel() -> nn.Module:
    return lp.MelFilterbanks(n_filters=8)


def _classifier() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return lp.AudioClassifier(3, _mel(), lp.ConvNet([2])).eval()


def _chain() -> nn.Module:
    """In somebody's own model."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(_mel(), nn.Linear(8, 2))


MODELS = [_mel, _classifier, _chain]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_from_the_meta_device(make: Callable[[], nn.Module], dtype: torch.dtype) -> None:
    with torch.device("meta"):
        model = make().eval()
    original = make().to(dtype)
    model.load_state_dict(original.state_dict(), assign=True)
    x = clips(2, SAMPLES).to(dtype)
    assert same_bits(model(x), original(x))


@pytest.mark.parametrize("make", MODELS)
def test_from_another_precision_and_back(make: Callable[[], nn.Module]) -> None:
    model, single, double = make().eval(), make().eval(), make().double().eval()
    x = clips(2, SAMPLES)
    model.load_state_dict(double.state_dict(), assign=True)
    assert same_bits(model(x.double()), double(x.double()))
    model.load_state_dict(single.state_dict(), assign=True)
    assert same_bits(model(x), single(x))


def test_afterwards_another_precision_is_refused() -> None:
    mel = _mel()
    mel.load_state_dict({}, assign=True)
    mel(clips(2, SAMPLES).double())
    with pytest.raises(lp.LeafError, match="float64"):
        mel(clips(2, SAMPLES))


def test_a_conversion_settles_it() -> None:
    mel = _mel()
    mel.load_state_dict({})
    mel.double()
    with pytest.raises(lp.LeafError, match="float64"):
        mel(clips(2, SAMPLES))
