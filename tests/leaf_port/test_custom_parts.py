"""Frontends from the user's own parts, and the official parts in unusual places."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from _layers import SAMPLES, clips, same_bits
from torch import Tensor, nn
from torch.nn import functional as F

import leaf_port as lp
from leaf_port.initializers import Initializer

FRAMES = 11


class MyConvolution(nn.Module):
    """Takes what the frontends give it, and keeps it."""

    def __init__(self, filters: int, kernel_size: int, strides: int, **others: Any) -> None:
        super().__init__()
        self.given = {"filters": filters, "kernel_size": kernel_size, "strides": strides, **others}
        values = others["kernel_initializer"]((kernel_size, 1, filters), torch.float32)
        self.weight = nn.Parameter(values, requires_grad=others["trainable"])

    def forward(self, x: Tensor) -> Tensor:
        taps = self.weight.permute(2, 1, 0)
        return F.conv1d(x.mT, taps, padding=taps.shape[-1] // 2).mT


class MyPooling(nn.Module):
    """Takes what the frontends give it, and keeps it."""

    def __init__(self, num_channels: int, strides: int, **others: Any) -> None:
        super().__init__()
        self.given = {"num_channels": num_channels, "strides": strides, **others}

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :: self.given["strides"]]


class MyActivation(nn.Module):
    """From 2 n_filters channels to any other number."""

    def forward(self, x: Tensor) -> Tensor:
        return x[..., :3].abs()


def _regularizer(weight: Tensor) -> Tensor:
    return weight.abs().sum()


def test_parts_are_told_what_the_official_ones_are_told() -> None:
    taps, widths = lp.GaborInit(), lp.Constant(0.3)
    leaf = lp.Leaf(
        conv1d_cls=MyConvolution,
        pooling_cls=MyPooling,
        activation=MyActivation(),
        n_filters=4,
        complex_conv_init=taps,
        pooling_init=widths,
        regularizer_fn=_regularizer,
        learn_pooling=False,
    )
    common = {"padding": "SAME", "use_bias": False, "kernel_size": 401}
    assert leaf.complex_conv.given == {
        **common,
        "filters": 8,
        "strides": 1,
        "kernel_initializer": taps,
        "kernel_regularizer": _regularizer,
        "trainable": True,
    }
    assert leaf.pooling.given == {
        **common,
        "num_channels": 3,
        "strides": 160,
        "kernel_initializer": widths,
        "kernel_regularizer": None,
        "trainable": False,
    }


def test_a_frontend_of_the_users_parts() -> None:
    """The compression is as wide as the activation's output."""
    leaf = lp.Leaf(
        conv1d_cls=MyConvolution, pooling_cls=MyPooling, activation=MyActivation(), n_filters=4
    )
    assert leaf.compress_fn.num_channels == 3
    output = leaf(clips(2, SAMPLES))
    assert output.shape == (2, FRAMES, 3)
    output.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in leaf.parameters())


def test_functions_serve_as_parts() -> None:
    """Of activation and compression."""
    leaf = lp.Leaf(n_filters=4, activation=torch.abs, compression_fn=torch.sqrt)
    x = clips(2, SAMPLES)
    energies = leaf.energies(x[..., None])
    assert energies.shape == (2, FRAMES, 8)
    assert same_bits(leaf(x), torch.sqrt(energies.clamp(min=1e-5)))


def test_a_module_of_the_user_compresses_and_is_part_of_the_state() -> None:
    leaf = lp.Leaf(n_filters=4, compression_fn=nn.LayerNorm(4))
    assert {"compress_fn.weight", "compress_fn.bias"} <= leaf.state_dict().keys()
    assert leaf(clips(2, SAMPLES)).shape == (2, FRAMES, 4)


class MyGabor(lp.GaborConv1d):
    """A convolution derived from the package's own takes the arithmetic of the frontend."""

    def forward(self, inputs: Tensor) -> Tensor:
        return 2.0 * super().forward(inputs)


def test_a_derived_convolution() -> None:
    leaf = lp.Leaf(n_filters=4, conv1d_cls=MyGabor, arithmetic="real", compression_fn=None)
    plain = lp.Leaf(n_filters=4, arithmetic="real", compression_fn=None)
    x = clips(2, SAMPLES)
    assert leaf.complex_conv.arithmetic == "real"
    assert same_bits(leaf.energies(x[..., None]), 4.0 * plain.energies(x[..., None]))


@pytest.mark.parametrize(
    "pooling_cls", [lp.LearnablePooling1d, lp.ChannelWiseLearnablePooling1d, lp.MaxPooling1d]
)
@pytest.mark.parametrize("conv1d_cls", [lp.GaborConv1d, lp.Conv1d, lp.NormalizedConv1d])
def test_official_parts_in_every_combination(
    conv1d_cls: type[nn.Module], pooling_cls: type[nn.Module]
) -> None:
    leaf = lp.Leaf(
        n_filters=4, conv1d_cls=conv1d_cls, pooling_cls=pooling_cls, pooling_init=lp.LowpassInit()
    )
    frames = 9 if pooling_cls is lp.LearnablePooling1d else FRAMES
    output = leaf(clips(2, SAMPLES))
    assert output.shape == (2, frames, 4)
    assert output.isfinite().all()


def test_a_partial_convolution() -> None:
    """functools.partial sets what the frontend does not."""
    sorting = functools.partial(lp.GaborConv1d, sort_filters=True)
    leaf = lp.Leaf(n_filters=4, conv1d_cls=sorting)
    assert leaf.complex_conv.sort_filters
    assert leaf(clips(2, SAMPLES)).shape == (2, FRAMES, 4)


def _my_init(shape: Any, dtype: torch.dtype) -> Tensor:
    """A function is an initialiser."""
    return torch.full(tuple(shape), 0.25, dtype=dtype)


@pytest.mark.parametrize("initializer", [_my_init, lp.Constant(0.25)])
def test_an_initialiser_of_the_user(initializer: Initializer) -> None:
    leaf = lp.Leaf(n_filters=4, pooling_init=initializer)
    assert torch.equal(leaf.pooling.kernel, torch.full((1, 1, 4, 1), 0.25))
