"""The frontends and layers that several tests share, and what they are fed; no tests in here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import leaf_port as lp
from leaf_port import models, normalization
from parity.spec.random_arrays import Source

torch.set_num_threads(1)  # small operations: the threads of two workers would wait for each other

Make = Callable[[], nn.Module]

FRONTENDS: dict[str, Make] = {
    "Leaf": lambda: lp.Leaf(n_filters=4),
    "TimeDomainFilterbanks": lambda: lp.TimeDomainFilterbanks(n_filters=4),
    "SincNet": lambda: lp.SincNet(n_filters=4),
    "SincNetPlus": lambda: lp.SincNetPlus(n_filters=4),
    "MelFilterbanks": lambda: lp.MelFilterbanks(n_filters=4),
}
LEARNED = [name for name in FRONTENDS if name != "MelFilterbanks"]
SAMPLES = 1700  # 11 frames; not a multiple of the stride
WAVE = (2, 300, 1)
FEATURES = (2, 31, 3)
MAP = (2, 1, 12, 10)


@dataclasses.dataclass(frozen=True)
class Made:
    """How a layer is made, and the shapes of its inputs."""

    make: Make
    shapes: Sequence[Sequence[int]]


def _leaf(**kwargs: Any) -> Make:
    return lambda: lp.Leaf(n_filters=4, **kwargs)


def _classifier() -> nn.Module:
    return models.AudioClassifier(3, lp.Leaf(n_filters=8), models.ConvNet([4], dropout=0.5))


LAYERS: dict[str, Made] = {
    "Conv1d": Made(lambda: lp.Conv1d(4, 25), [WAVE]),
    "FFTConv1d": Made(lambda: lp.FFTConv1d(4, 25), [WAVE]),
    "GaborConv1d": Made(lambda: lp.GaborConv1d(4, 25, use_bias=True), [WAVE]),
    "GaborConv1d-real": Made(lambda: lp.GaborConv1d(4, 25, 3, arithmetic="real"), [WAVE]),
    "GaborConv1d-sorted": Made(lambda: lp.GaborConv1d(8, 24, sort_filters=True), [WAVE]),
    "NormalizedConv1d": Made(lambda: lp.NormalizedConv1d(4, 25, use_bias=True), [WAVE]),
    "SincConv1d": Made(lambda: lp.SincConv1d(8, 25, kernel_initializer=lp.SincInit()), [WAVE]),
    "GaussianLowpass": Made(
        lambda: lp.GaussianLowpass(3, 25, 4, kernel_initializer=lp.Constant(0.4), trainable=True),
        [FEATURES],
    ),
    "GaussianLowpass-biased": Made(
        lambda: lp.GaussianLowpass(
            3, 24, 4, "symmetric", kernel_initializer=lp.Constant(0.4), additive_bias=True
        ),
        [FEATURES],
    ),
    "LearnablePooling1d": Made(lambda: lp.LearnablePooling1d(3, 25, 4, trainable=True), [FEATURES]),
    "ChannelWiseLearnablePooling1d": Made(
        lambda: lp.ChannelWiseLearnablePooling1d(3, 25, 4, trainable=True), [FEATURES]
    ),
    "MaxPooling1d": Made(lambda: lp.MaxPooling1d(3, 25, 4), [FEATURES]),
    "PCEN": Made(lambda: lp.PCEN(3, trainable=True), [FEATURES]),
    "PCEN-learned": Made(
        lambda: lp.PCEN(3, trainable=True, learn_smooth_coef=True, per_channel_smooth_coef=True),
        [FEATURES],
    ),
    "ExponentialMovingAverage": Made(
        lambda: lp.ExponentialMovingAverage(3, 0.1, trainable=True), [FEATURES, (2, 3)]
    ),
    "SpecAugment": Made(lp.SpecAugment, [FEATURES]),
    "SquaredModulus": Made(lp.SquaredModulus, [(2, 31, 6)]),
    "InstanceNormalization": Made(lambda: normalization.InstanceNormalization(3), [FEATURES]),
    "LayerNormalization": Made(lambda: normalization.LayerNormalization(3), [FEATURES]),
    "BatchNormalization": Made(lambda: normalization.BatchNormalization(3, axis=2), [FEATURES]),
    "ConvNet": Made(lambda: models.ConvNet([3, 4]), [MAP]),
    "PANN": Made(lambda: models.PANN(1, num_features=10), [MAP]),
    "EfficientNetB0": Made(lambda: lp.EfficientNetB0(blocks_args=[(3, 2, 8, 2, 2)]), [MAP]),
    "PANNWavBlock": Made(lambda: models.PANNWavBlock(5, 4, in_channels=3), [FEATURES]),
    "WaveGram": Made(models.WaveGram, [(2, SAMPLES)]),
    "AudioClassifier": Made(_classifier, [(2, SAMPLES)]),
    **{name: Made(make, [(2, SAMPLES)]) for name, make in FRONTENDS.items()},
    "Leaf-preemp-norm": Made(_leaf(preemp=True, mean_var_norm=True), [(2, SAMPLES)]),
    "Leaf-real": Made(_leaf(arithmetic="real"), [(2, SAMPLES)]),
    "Leaf-symmetric": Made(_leaf(pooling_padding="SYMMETRIC", pooling_bias=True), [(2, SAMPLES)]),
    "MelFilterbanks-real": Made(
        lambda: lp.MelFilterbanks(n_filters=4, arithmetic="real"), [(2, SAMPLES)]
    ),
    "Leaf-augmented": Made(_leaf(spec_augment=True), [(2, SAMPLES)]),
}


def move(module: nn.Module, seed: int = 1) -> nn.Module:
    """Moves the parameters a little off their initial values, which symmetry can make special."""
    source = Source(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            factor, step = (torch.from_numpy(source.uniform(parameter.shape)) for _ in range(2))
            parameter.mul_(1.0 + 0.05 * factor.to(parameter))
            if parameter.requires_grad:  # the fixed smoother's zeros stay: energies are positive
                parameter.add_(0.01 * step.to(parameter))
    return module


def make(name: str) -> nn.Module:
    """The layer of that name, with the same weights whenever it is made; off the initial ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return move(LAYERS[name].make()).eval()


def inputs_of(name: str, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """What that layer is called with: in (0, 1) for features, in (-1, 1) for waveforms."""
    source = Source(2)
    low = 0.01 if LAYERS[name].shapes[0] == FEATURES else -1.0
    shapes = LAYERS[name].shapes
    return [torch.from_numpy(source.uniform(shape, low, 1.0)).to(dtype) for shape in shapes]


def clips(batch: int, samples: int, dtype: torch.dtype = torch.float32, seed: int = 3) -> Tensor:
    """Clips like recordings."""
    return torch.from_numpy(Source(seed).audio(batch, samples)).to(dtype)


def call(module: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
    """The output without gradient, with the same random numbers whenever called."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(4)
        output: Tensor = module(*inputs)
    return output


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers, also the buffers that are no part of the state."""
    return dict(module.named_parameters()) | dict(module.named_buffers())


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether dtype, shape and every bit agree (NaN with NaN, but not 0 with -0)."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    integers = torch.int32 if first.dtype == torch.float32 else torch.int64
    return torch.equal(first.contiguous().view(integers), second.contiguous().view(integers))
