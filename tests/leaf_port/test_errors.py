"""What is refused, and how it is told. What every layer refuses is listed in ``parity/layers``."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import leaf_port as lp
from leaf_port import models, normalization
from leaf_port.constraints import UnitNorm
from leaf_port.impulse_responses import gaussian_lowpass

HUGE = 10**14  # samples: 400 TB

Act = Callable[[], object]


def _refused(act: Act) -> lp.LeafError:
    with pytest.raises(lp.LeafError) as caught:
        act()
    return caught.value


def _example() -> lp.LeafError:
    return _refused(lambda: lp.GaborConv1d(8, 0))


def test_an_error_carries_its_parts() -> None:
    error = _example()
    assert error.owner == "GaborConv1d"
    assert error.argument == "kernel_size"
    assert error.expected == "an integer of at least 1"
    assert error.got == "0"
    assert error.fix


def test_a_message_holds_all_parts_in_one_line() -> None:
    error = _example()
    message = str(error)
    for part in (error.owner, error.argument, error.expected, str(error.got), error.fix):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy]
)
def test_an_error_crosses_processes(copied: Callable[[lp.LeafError], lp.LeafError]) -> None:
    """As a worker of a DataLoader sends it."""
    error = _example()
    other = copied(error)
    assert type(other) is lp.LeafError
    assert (str(other), vars(other)) == (str(error), vars(error))


def test_an_error_is_a_value_error() -> None:
    assert isinstance(_example(), ValueError)


def _gives(value: float) -> Callable[..., Tensor]:
    """An initialiser of the user's."""
    return lambda shape, dtype: torch.full(tuple(shape), value, dtype=dtype)


def _of_shape(*shape: int) -> Callable[..., Tensor]:
    return lambda _shape, dtype: torch.zeros(shape, dtype=dtype)


NAN, INF = float("nan"), float("inf")

# Where, which argument, what is done.
CONSTRUCTION: list[tuple[str, str, Act]] = [
    # Longer than memory: told before anything is allocated.
    ("Conv1d", "kernel_size", lambda: lp.Conv1d(8, HUGE)),
    ("GaborConv1d", "kernel_size", lambda: lp.GaborConv1d(8, HUGE)),
    ("NormalizedConv1d", "kernel_size", lambda: lp.NormalizedConv1d(8, HUGE)),
    ("SincConv1d", "kernel_size", lambda: lp.SincConv1d(8, HUGE + 1)),
    ("FFTConv1d", "kernel_size", lambda: lp.FFTConv1d(8, HUGE)),
    ("GaussianLowpass", "kernel_size", lambda: lp.GaussianLowpass(8, HUGE)),
    ("LearnablePooling1d", "kernel_size", lambda: lp.LearnablePooling1d(8, HUGE)),
    ("MelFilterbanks", "window_len", lambda: lp.MelFilterbanks(window_len=1e13)),
    ("SincNet", "window_len", lambda: lp.SincNet(window_len=1e13)),
    # A name, as Keras takes one, or a class instead of a module.
    ("Leaf", "activation", lambda: lp.Leaf(activation="relu")),  # type: ignore[arg-type]
    ("Leaf", "activation", lambda: lp.Leaf(activation=torch.nn.ReLU)),
    ("FFTConv1d", "activation", lambda: lp.FFTConv1d(2, 5, activation="relu")),  # type: ignore[arg-type]
    ("UnitNorm", "axis", lambda: UnitNorm(1.5)),  # type: ignore[arg-type]
    # Initialisers of the user's.
    ("GaborConv1d", "kernel_initializer", lambda: lp.GaborConv1d(4, 25, **_init(_gives(NAN)))),
    ("SincConv1d", "kernel_initializer", lambda: lp.SincConv1d(4, 25, **_init(_gives(INF)))),
    ("Conv1d", "kernel_initializer", lambda: lp.Conv1d(4, 25, **_init(_gives(-INF)))),
    (
        "GaussianLowpass",
        "kernel_initializer",
        lambda: lp.GaussianLowpass(4, 25, **_init(_gives(NAN))),
    ),
    ("GaborConv1d", "kernel_initializer", lambda: lp.GaborConv1d(4, 25, **_init(_of_shape(3, 2)))),
    ("Conv1d", "kernel_initializer", lambda: lp.Conv1d(4, 25, **_init(_of_shape(4, 1, 25)))),
    (
        "NormalizedConv1d",
        "kernel_initializer",
        lambda: lp.NormalizedConv1d(4, 25, **_init(_of_shape())),
    ),
    ("GaborConv1d", "kernel_initializer", lambda: lp.Leaf(complex_conv_init=_gives(NAN))),
    ("GaussianLowpass", "kernel_initializer", lambda: lp.Leaf(pooling_init=_of_shape(40))),
    ("Conv1d", "kernel_initializer", lambda: lp.Leaf(preemp=True, preemp_init=_gives(INF))),
    (
        "LowpassInit",
        "shape",
        lambda: lp.Leaf(
            pooling_cls=lp.LearnablePooling1d, pooling_init=lp.LowpassInit(window_len=20.0)
        ),
    ),
    # Windows of one sample, whose Gaussian is 0 / 0.
    ("GaussianLowpass", "kernel_size", lambda: lp.GaussianLowpass(4, 1, **_init(_gives(0.4)))),
    ("GaussianLowpass", "kernel_size", lambda: lp.Leaf(window_len=0.05)),
    ("gaussian_lowpass", "filter_size", lambda: gaussian_lowpass(torch.ones(1, 1, 3, 1), 1)),
    # Numbers out of range, or no numbers.
    ("Leaf", "n_filters", lambda: lp.Leaf(n_filters=True)),
    ("Leaf", "window_stride", lambda: lp.Leaf(window_stride=0.01)),
    ("Leaf", "window_len", lambda: lp.Leaf(window_len=-25.0)),
    ("Leaf", "sample_rate", lambda: lp.Leaf(sample_rate="16000")),  # type: ignore[arg-type]
    ("Leaf", "compression_fn", lambda: lp.Leaf(compression_fn=3)),  # type: ignore[arg-type]
    ("MelFilterbanks", "n_fft", lambda: lp.MelFilterbanks(n_fft=1)),
    ("MelFilterbanks", "min_freq", lambda: lp.MelFilterbanks(min_freq=-1.0)),
    ("MelFilterbanks", "max_freq", lambda: lp.MelFilterbanks(max_freq=8001.0)),
    ("SincNet", "n_filters", lambda: lp.SincNet(n_filters=0)),
    ("SincNetPlus", "n_filters", lambda: lp.SincNetPlus(n_filters=-1)),
    ("SincConv1d", "min_low_hz", lambda: lp.SincConv1d(4, 25, min_low_hz=NAN)),
    ("Conv1d", "in_channels", lambda: lp.Conv1d(4, 25, in_channels=0)),
    ("Conv1d", "padding", lambda: lp.Conv1d(4, 25, padding=None)),  # type: ignore[arg-type]
    ("PCEN", "floor", lambda: lp.PCEN(4, floor=NAN)),
    ("PCEN", "smooth_coef", lambda: lp.PCEN(4, smooth_coef=INF)),
    ("SpecAugment", "freq_mask_max_bins", lambda: lp.SpecAugment(freq_mask_max_bins=2.5)),  # type: ignore[arg-type]
    ("SpecAugment", "time_warp_max_ratio", lambda: lp.SpecAugment(time_warp_max_ratio=NAN)),
    ("Constant", "value", lambda: lp.Constant(INF)),
    ("SincInit", "sample_rate", lambda: lp.SincInit(sample_rate=0)),
    ("GaborInit", "n_fft", lambda: lp.GaborInit(n_fft=0)),
    ("L1L2", "l2", lambda: lp.L1L2(l2=INF)),
    ("BatchNormalization", "axis", lambda: normalization.BatchNormalization(4, axis=0)),
    ("BatchNormalization", "momentum", lambda: normalization.BatchNormalization(4, momentum=1.5)),
    ("LayerNormalization", "epsilon", lambda: normalization.LayerNormalization(4, epsilon=0.0)),
    ("AudioClassifier", "num_features", lambda: models.AudioClassifier(3, None, nn.Identity())),
    ("ConvBlock", "dropout", lambda: models.ConvBlock(4, dropout=-0.1, in_channels=1)),
]


def _init(initializer: Callable[..., Tensor]) -> dict[str, Any]:
    return {"kernel_initializer": initializer}


def _on(layer: Callable[[], nn.Module], *shape: int, dtype: torch.dtype = torch.float32) -> Act:
    return lambda: layer()(torch.ones(shape, dtype=dtype))


CALLS: list[tuple[str, str, Act]] = [
    ("Conv1d", "inputs", _on(lambda: lp.Conv1d(4, 25), 2, 24, 1)),  # VALID: shorter than its window
    ("LearnablePooling1d", "inputs", _on(lambda: lp.LearnablePooling1d(4, 25), 2, 24, 4)),
    ("LearnablePooling1d", "inputs", _on(lp.TimeDomainFilterbanks, 2, 400)),
    ("Leaf", "inputs", _on(lambda: lp.Leaf(n_filters=3), 2, 0, 1)),
    ("Leaf", "inputs", _on(lambda: lp.Leaf(n_filters=3), 2, 1, 800)),  # channels first
    ("Leaf", "inputs", _on(lambda: lp.Leaf(n_filters=3), 800)),
    ("Leaf", "inputs", lambda: lp.Leaf(n_filters=3)([0.0] * 800)),
    ("Leaf", "inputs", _on(lambda: lp.Leaf(n_filters=3), 2, 800, dtype=torch.bfloat16)),
    ("Leaf", "inputs", _on(lambda: lp.Leaf(n_filters=3), 2, 800, dtype=torch.complex64)),
    ("MelFilterbanks", "inputs", _on(lp.MelFilterbanks, 2, 800, dtype=torch.float64)),
    ("MelFilterbanks", "inputs", _on(lambda: lp.MelFilterbanks().double(), 2, 800)),
    ("GaborConv1d", "inputs", _on(lambda: lp.Leaf(n_filters=3).double(), 2, 800)),
    ("SquaredModulus", "x", _on(lp.SquaredModulus, 2, 0, 4)),
    ("SpecAugment", "inputs", _on(lp.SpecAugment, 2, 5, 0)),
    ("SpecAugment", "inputs", _on(lp.SpecAugment, 2, 1, 4)),  # its warp would be 0 / 0
    ("LayerNormalization", "inputs", _on(lambda: normalization.LayerNormalization(3), 3)),
    ("ConvNet", "inputs", _on(lambda: models.ConvNet([4]), 2, 30, 40)),
    ("AudioClassifier", "frontend", _on(lambda: models.AudioClassifier(2, nn.Identity()), 2, 800)),
]


@pytest.mark.parametrize(("where", "argument", "act"), CONSTRUCTION)
def test_refused_when_built(where: str, argument: str, act: Act) -> None:
    error = _refused(act)
    assert (error.owner, error.argument) == (where, argument)


@pytest.mark.parametrize(("where", "argument", "act"), CALLS)
def test_refused_when_called(where: str, argument: str, act: Act) -> None:
    error = _refused(act)
    assert (error.owner, error.argument) == (where, argument)


@pytest.mark.parametrize("act", [act for *_, act in CONSTRUCTION + CALLS])
def test_every_error_tells_all(act: Act) -> None:
    """All parts are there, in one line, and survive a process boundary."""
    error = _refused(act)
    assert all([error.owner, error.argument, error.expected, str(error.got), error.fix])
    assert "\n" not in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_refused_call_leaves_the_layer_usable() -> None:
    leaf = lp.Leaf(n_filters=3)
    _refused(lambda: leaf(torch.ones(800)))
    assert leaf(torch.ones(1, 800)).isfinite().all()
