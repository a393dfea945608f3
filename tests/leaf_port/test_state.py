"""Copies, saved states, precisions and devices: every layer stays what it is, bit by bit."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from _layers import FRONTENDS, LAYERS, SAMPLES, call, inputs_of, make, same_bits, tensors_of
from safetensors.torch import load, save
from torch import Tensor, nn

import leaf_port as lp
from leaf_port.mel_filterbanks import periodic_hann
from leaf_port.melfilters import linear_to_mel_weight_matrix

MEL_BAND = (16000, 60.0, 7800.0)


def _pickled(name: str, module: nn.Module) -> nn.Module:
    copied: nn.Module = pickle.loads(pickle.dumps(module))
    return copied


def _deep_copied(name: str, module: nn.Module) -> nn.Module:
    return copy.deepcopy(module)


def _loaded(name: str, state: dict[str, Tensor]) -> nn.Module:
    """A freshly made layer, other weights and all, that takes the state."""
    fresh = LAYERS[name].make().eval()
    fresh.load_state_dict(state)
    return fresh


def _through_torch(name: str, module: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    return _loaded(name, torch.load(file, weights_only=True))


def _through_safetensors(name: str, module: nn.Module) -> nn.Module:
    return _loaded(name, load(save(module.state_dict())))


WAYS = [_pickled, _deep_copied, _through_torch, _through_safetensors]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LAYERS)
def test_copies_are_the_same_bits(name: str, way: Callable[[str, nn.Module], nn.Module]) -> None:
    original = make(name)
    copied = way(name, original)
    ours, theirs = tensors_of(original), tensors_of(copied)
    assert ours.keys() == theirs.keys()
    assert all(same_bits(ours[key], theirs[key]) for key in ours)
    assert same_bits(call(copied, inputs_of(name)), call(original, inputs_of(name)))


@pytest.mark.parametrize("name", LAYERS)
def test_copies_are_apart(name: str) -> None:
    """A copy shares no memory with its original."""
    original = make(name)
    copied = copy.deepcopy(original)
    before = {key: tensor.clone() for key, tensor in tensors_of(original).items()}
    with torch.no_grad():
        for tensor in tensors_of(copied).values():
            tensor.add_(1)
    assert all(torch.equal(tensor, before[key]) for key, tensor in tensors_of(original).items())


@pytest.mark.parametrize("name", LAYERS)
def test_double_takes_and_gives_float64(name: str) -> None:
    output = call(make(name).double(), inputs_of(name, torch.float64))
    assert output.dtype == torch.float64
    assert output.isfinite().all()


@pytest.mark.parametrize("name", LAYERS)
def test_double_and_back_changes_no_bit(name: str) -> None:
    original = make(name)
    converted = make(name).double().float()
    ours, theirs = tensors_of(original), tensors_of(converted)
    assert all(same_bits(ours[key], theirs[key]) for key in ours)
    assert same_bits(call(converted, inputs_of(name)), call(original, inputs_of(name)))


def _hamming(size: int) -> Tensor:
    n = torch.arange(size, dtype=torch.float64)
    return 0.54 - 0.46 * torch.cos(2 * torch.pi * n / size)


@pytest.mark.parametrize("make_it", [lp.SincNet, lp.SincNetPlus])
def test_the_sinc_window_of_float64_is_no_cast_one(make_it: Callable[[], lp.Leaf]) -> None:
    """A phase below 2 pi, rounded twice, and three more roundings: 9 units of 2^-53, on each side.

    The float32 window is off by 2^-25 and more.
    """
    window = tensors_of(make_it().double())["complex_conv.window"]
    assert window.dtype == torch.float64
    assert (window - _hamming(401)).abs().max() <= 18 * 2.0**-53
    assert not torch.equal(window, window.float().double())


def test_the_mel_constants_of_float64_are_no_cast_ones() -> None:
    mel = lp.MelFilterbanks().double()
    exact = linear_to_mel_weight_matrix(40, 257, *MEL_BAND, np.float64)
    assert torch.equal(mel.mel_filters, torch.from_numpy(exact))
    assert torch.equal(mel.window, torch.from_numpy(periodic_hann(401, np.float64)))
    for constant in (mel.mel_filters, mel.window):
        assert not torch.equal(constant, constant.float().double())


@pytest.mark.parametrize("make_it", [lp.SincNet, lp.MelFilterbanks])
def test_the_default_dtype_makes_the_constants(make_it: Callable[[], nn.Module]) -> None:
    converted = tensors_of(make_it().double())
    torch.set_default_dtype(torch.float64)
    try:
        made = tensors_of(make_it())
    finally:
        torch.set_default_dtype(torch.float32)
    assert {tensor.dtype for tensor in made.values()} == {torch.float64}
    for key in made.keys() & {"complex_conv.window", "window", "mel_filters"}:
        assert torch.equal(made[key], converted[key])


@pytest.mark.parametrize("name", LAYERS)
def test_made_without_memory_then_given_some(name: str) -> None:
    """On the meta device nothing is allocated; to_empty and a state make it whole again."""
    with torch.device("meta"):
        module = LAYERS[name].make().eval()
    assert {tensor.device.type for tensor in tensors_of(module).values()} <= {"meta"}
    original = make(name)
    module.to_empty(device="cpu").load_state_dict(original.state_dict())
    assert same_bits(call(module, inputs_of(name)), call(original, inputs_of(name)))


@pytest.mark.parametrize("name", FRONTENDS)
def test_shapes_are_known_without_memory(name: str) -> None:
    with torch.device("meta"):
        output = FRONTENDS[name]()(torch.empty(2, SAMPLES))
    frames = 9 if name == "TimeDomainFilterbanks" else 11  # VALID; else ceil(1700 / 160)
    assert output.shape == (2, frames, 4)
    assert output.device.type == "meta"
