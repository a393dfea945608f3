"""What streams and batches of different lengths need to know of a frontend, or its refusal.

Frontends are ``Any`` here: their module imports this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port import convolution, padding, pooling
from leaf_port._lengths import Lengths
from leaf_port._ops import segments
from leaf_port._ops.energies import blocks
from leaf_port._ops.segments import Segments
from leaf_port.errors import LeafError
from leaf_port.streaming import Parts

_CONVOLUTIONS = (convolution.GaborConv1d, convolution.SincConv1d, convolution.Conv1d)
_POOLINGS = (pooling.GaussianLowpass, pooling.LearnablePooling1d, pooling.MaxPooling1d)


def frames_of(leaf: Any, lengths: int | Lengths) -> int | Tensor:
    """How many frames clips of so many samples have; see ``Leaf.frames``."""
    pool = leaf.pooling
    if type(pool) not in (*_POOLINGS, pooling.ChannelWiseLearnablePooling1d):
        expected, fix = "one of this package's poolings", "leave pooling_cls at its default"
        got = type(pool).__name__
        raise LeafError(type(leaf).__name__, "pooling_cls", expected, got, fix)
    assert isinstance(pool, pooling._Pooling1d)  # noqa: S101

    def frames(length: int) -> int:
        return padding.frames(length, pool.kernel_size, pool.strides, pool.padding)

    if isinstance(lengths, int):
        return frames(lengths)
    return torch.tensor([frames(each) for each in _whole(leaf, lengths)], dtype=torch.int64)


def _whole(leaf: Any, lengths: Lengths) -> list[int]:
    """Lengths as integers, if they are whole numbers along one axis; NumPy's too."""
    given: Any = lengths.tolist() if isinstance(lengths, (Tensor, np.ndarray)) else lengths
    several: list[Any] = [*given] if isinstance(given, Sequence) else [None]
    if not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in several):
        expected, fix = "whole numbers of samples", "give one for each clip, along one axis"
        raise LeafError(type(leaf).__name__, "lengths", expected, str(given)[:80], fix)
    return [int(each) for each in several]


def parts_of(leaf: Any) -> Parts:
    """Of a frontend whose frames depend on a bounded stretch of the waveform.

    Raises:
        LeafError: a layer that may need more of it.
    """
    _refuse_whole_clip(leaf)
    conv, pool, ahead = leaf.complex_conv, leaf.pooling, int(leaf.preemp_conv is not None)
    assert isinstance(conv, convolution._Conv1d)  # noqa: S101
    assert isinstance(pool, pooling._Pooling1d)  # noqa: S101

    def segments_of(samples: int | None) -> Segments:
        shape = blocks.shape(pool.kernel_size, pool.strides)
        window = torch.zeros(1, pool.kernel_size, 1, dtype=pool_dtype(leaf), device="cpu")
        if shape is not None and not leaf.why_layer_by_layer(window):
            return segments.blockwise(shape, ahead, pool.padding, samples)
        taps, hop = conv.kernel_size, pool.strides
        return segments.layered(taps, ahead, pool.kernel_size, hop, pool.padding, samples)

    channels = pool.num_channels
    return Parts(type(leaf).__name__, leaf.pooled, segments_of, leaf.compress_fn, channels)


def pool_dtype(leaf: nn.Module) -> torch.dtype:
    """The dtype of a frontend's waveforms."""
    return next(leaf.parameters()).dtype


def parts_of_mel(mel: Any) -> Parts:
    """Of frames that start at their first sample."""

    def segments_of(_: int | None) -> Segments:
        return segments.framed(mel.window_size, mel.window_stride)

    return Parts(type(mel).__name__, mel.energies, segments_of, mel.compression_fn, mel.n_filters)


def _refuse_whole_clip(leaf: Any) -> None:
    owner = f"{type(leaf).__name__}.stream"
    if leaf.instance_norm is not None:
        expected, fix = "a frontend that needs no whole clip", "build it without mean_var_norm"
        raise LeafError(owner, "mean_var_norm", expected, "statistics of each clip", fix)
    if leaf.training and leaf.spec_augment_fn is not None:
        expected, fix = "a frontend that needs no whole clip", "call eval() first"
        raise LeafError(owner, "spec_augment", expected, "augmentation, in training", fix)
    conv = leaf.complex_conv
    usual = type(conv) in _CONVOLUTIONS and getattr(conv, "padding", "") == padding.SAME
    if not usual or getattr(conv, "strides", 0) != 1:
        expected = "this package's convolutions with SAME padding and no stride"
        raise LeafError(owner, "conv1d_cls", expected, _name(conv), "leave it at its default")
    if type(leaf.pooling) not in _POOLINGS:
        expected = "GaussianLowpass, LearnablePooling1d or MaxPooling1d"
        raise LeafError(owner, "pooling_cls", expected, _name(leaf.pooling), "take one of them")
    activation = leaf.activation
    if type(activation).__name__ != "SquaredModulus" and type(activation) is not nn.LeakyReLU:
        expected = "SquaredModulus or LeakyReLU"
        raise LeafError(owner, "activation", expected, _name(activation), "take one of them")


def _name(layer: object) -> str:
    return type(layer).__name__
