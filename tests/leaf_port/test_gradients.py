"""Gradients against finite differences, in float64, away from kinks (ties are in test_clip.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from _layers import move
from torch import Tensor, nn
from torch.func import functional_call

import leaf_port as lp
from leaf_port import models, normalization
from leaf_port.initializers import Initializer
from parity.spec.random_arrays import Source

# A central difference of step H is off by H^2 / 6 times the third derivative (phases reach 40
# radians: 40^3) and by 2^-53 / H times the condition of the sums (1e3): 2e-7 together.
H = 2.0**-18
TOLERANCE = 1e-6

TAPS = 25
WAVE = (2, 41, 1)
FEATURES = (2, 13, 3)
MAP = (2, 1, 8, 6)


def _values(*rows: tuple[float, ...]) -> Initializer:
    """An initialiser of these very values: within the bounds."""
    return lambda shape, dtype: torch.tensor(rows, dtype=dtype).reshape(tuple(shape))


GABOR = _values((0.4, 2.5), (1.7, 4.0), (2.8, 6.0))
SINC = _values((300.0, 900.0), (-2000.0, 1500.0), (4000.0, -700.0))
WIDTHS = _values((0.2,), (0.35,), (0.45,))


def _gabor(**kwargs: Any) -> nn.Module:
    return lp.GaborConv1d(6, TAPS, kernel_initializer=GABOR, **kwargs)


def _frontend(frontend: Callable[..., nn.Module], **kwargs: Any) -> nn.Module:
    """With windows of 25 samples and a hop of 10."""
    return frontend(n_filters=3, sample_rate=2000, window_len=12.0, window_stride=5.0, **kwargs)


def _leaf(**kwargs: Any) -> nn.Module:
    return _frontend(lp.Leaf, complex_conv_init=GABOR, pooling_init=WIDTHS, **kwargs)


def _with_init(make: Callable[..., nn.Module], **kwargs: Any) -> nn.Module:
    return make(3, TAPS, 4, trainable=True, **kwargs)


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Conv1d": (lambda: lp.Conv1d(3, TAPS), WAVE),
    "FFTConv1d": (lambda: lp.FFTConv1d(3, TAPS), WAVE),
    "GaborConv1d, complex": (lambda: _gabor(arithmetic="complex", use_bias=True), WAVE),
    "GaborConv1d, real": (lambda: _gabor(arithmetic="real", strides=3), WAVE),
    "GaborConv1d, sorted": (lambda: _gabor(sort_filters=True), WAVE),
    "NormalizedConv1d": (lambda: lp.NormalizedConv1d(3, TAPS, use_bias=True), WAVE),
    "SincConv1d": (lambda: lp.SincConv1d(6, TAPS, kernel_initializer=SINC), WAVE),
    "GaussianLowpass": (
        lambda: _with_init(lp.GaussianLowpass, kernel_initializer=WIDTHS),
        (2, 41, 3),
    ),
    "LearnablePooling1d": (lambda: _with_init(lp.LearnablePooling1d), (2, 41, 3)),
    "ChannelWiseLearnablePooling1d": (
        lambda: _with_init(lp.ChannelWiseLearnablePooling1d),
        (2, 41, 3),
    ),
    "MaxPooling1d": (lambda: lp.MaxPooling1d(3, 5, 2), FEATURES),
    "PCEN, fixed": (lambda: lp.PCEN(3, trainable=True), FEATURES),
    "PCEN, learned": (
        lambda: lp.PCEN(3, trainable=True, learn_smooth_coef=True, smooth_coef=0.2),
        FEATURES,
    ),
    "PCEN, by channel": (
        lambda: lp.PCEN(3, trainable=True, learn_smooth_coef=True, per_channel_smooth_coef=True),
        FEATURES,
    ),
    "SquaredModulus": (lp.SquaredModulus, (2, 9, 4)),
    "InstanceNormalization": (lambda: normalization.InstanceNormalization(3), FEATURES),
    "LayerNormalization": (lambda: normalization.LayerNormalization(3), FEATURES),
    "BatchNormalization": (lambda: normalization.BatchNormalization(3, axis=2), FEATURES),
    "ConvNet": (lambda: models.ConvNet([2, 3]), MAP),
    "PANNConvBlock": (lambda: models.PANNConvBlock(2, (2, 2), in_channels=1), MAP),
    "PANNWavBlock": (lambda: models.PANNWavBlock(2, 3, in_channels=3), FEATURES),
    "Leaf, complex": (lambda: _leaf(arithmetic="complex"), (2, 47)),
    "Leaf, real": (lambda: _leaf(arithmetic="real", preemp=True), (2, 47)),
    "Leaf, normalised": (lambda: _leaf(mean_var_norm=True, compression_fn=None), (2, 47)),
    "TimeDomainFilterbanks": (
        lambda: _frontend(lp.TimeDomainFilterbanks, min_freq=60.0, max_freq=900.0),
        (2, 47),
    ),
    "SincNet": (lambda: _frontend(lp.SincNet), (2, 47)),
    "SincNetPlus": (lambda: _frontend(lp.SincNetPlus), (2, 47)),
    "MelFilterbanks": (lambda: _frontend(lp.MelFilterbanks, n_fft=32, max_freq=900.0), (2, 47)),
    "AudioClassifier": (
        lambda: models.AudioClassifier(2, _leaf(), models.ConvBlock(2, in_channels=1)),
        (2, 47),
    ),
}


def _input(shape: tuple[int, ...], seed: int = 2) -> Tensor:
    low = 0.2 if shape == FEATURES else -1.0  # energies are positive
    return torch.from_numpy(Source(seed).uniform(shape, low, 1.0)).double().requires_grad_()


def _check(layer: nn.Module, *inputs: Tensor) -> bool:
    """gradcheck over the inputs and the relative change of each trained weight."""
    weights = {name: w.detach() for name, w in layer.named_parameters() if w.requires_grad}
    assert all(weight.all() for weight in weights.values())  # a zero would not change

    def function(*values: Tensor) -> Tensor:
        given, changes = values[: len(inputs)], values[len(inputs) :]
        changed = {
            name: weight * (1.0 + change)
            for (name, weight), change in zip(weights.items(), changes, strict=True)
        }
        output: Tensor = functional_call(layer, changed, given)
        return output

    none = [torch.zeros_like(weight).requires_grad_() for weight in weights.values()]
    return torch.autograd.gradcheck(
        function, (*inputs, *none), eps=H, atol=TOLERANCE, rtol=TOLERANCE
    )


def _made(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return move(make()).double()


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_in_evaluation(name: str) -> None:
    make, shape = LAYERS[name]
    assert _check(_made(make).eval(), _input(shape))


@pytest.mark.parametrize("name", ["BatchNormalization", "ConvNet", "PANNConvBlock"])
def test_gradients_in_training(name: str) -> None:
    """Through the statistics of the batch."""
    make, shape = LAYERS[name]
    assert _check(_made(make).train(), _input(shape))


@pytest.mark.parametrize("per_channel", [False, True])
def test_gradients_of_the_moving_average(per_channel: bool) -> None:
    """To the initial state too."""
    layer = lp.ExponentialMovingAverage(3, 0.3, per_channel=per_channel, trainable=True)
    assert _check(layer.double(), _input(FEATURES), _input((2, 3), seed=5))


def test_gradients_through_augmentation() -> None:
    """On draws that warp and mask."""
    layer = lp.SpecAugment(time_mask_max_frames=4, freq_mask_max_bins=2)
    x = _input(FEATURES)
    draws = layer.draw(2, x, torch.Generator().manual_seed(3))
    assert torch.autograd.gradcheck(
        lambda t: layer(t, draws), x, eps=H, atol=TOLERANCE, rtol=TOLERANCE
    )


@pytest.mark.parametrize(
    "function",
    [lambda x, h: lp.fft_conv1d(x, h)[0], lambda x, h: lp.overlap_add_conv1d(x, h, 16)],
    ids=["fft_conv1d", "overlap_add_conv1d"],
)
def test_gradients_of_fourier_convolutions(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    inputs = _input(WAVE), _input((5, 1, 2), seed=5)
    assert torch.autograd.gradcheck(function, inputs, eps=H, atol=TOLERANCE, rtol=TOLERANCE)


class _Penalty(nn.Module):
    """A layer's regularisation as an output."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self) -> Tensor:
        return lp.regularization_loss(self.layer, 41)


def test_gradients_of_regularisation() -> None:
    """Of the kernel's own penalty and of that of its spectrum."""
    layer = lp.FFTConv1d(2, 5, use_bias=False, kernel_regularizer=lp.L1L2(l1=0.3, l2=0.2))
    assert _check(_Penalty(_made(lambda: layer)))
