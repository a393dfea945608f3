"""TensorFlow's SAME and VALID padding.

SAME depends on the stride *and* on the length of the input, and when the total is odd the
extra sample goes to the right, so a fixed symmetric padding of ``kernel_size // 2`` is right only
by accident (16,000 samples, kernel 401, stride 160: TensorFlow pads 120 and 121, not 200 and 200).
Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2.

SYMMETRIC is that fixed padding, ``(kernel_size - 1) // 2`` before and ``kernel_size // 2`` after.
Models that were trained with leaf-pytorch or SpeechBrain need it: their pooling has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port.errors import LeafError

SAME = "SAME"
VALID = "VALID"
SYMMETRIC = "SYMMETRIC"


def same_padding(
    length: int, kernel_size: int, stride: int = 1, dilation: int = 1
) -> tuple[int, int]:
    """Samples that TensorFlow's SAME adds before and after an axis.

    ``total = max((ceil(length / stride) - 1) * stride + (kernel_size - 1) * dilation + 1 -
    length, 0)``, ``left = total // 2``, ``right = total - left``.

    Args:
        length: length of the axis, in samples.
        kernel_size: length of the window, in taps.
        stride: hop between windows, in samples.
        dilation: distance between two taps, in samples.

    Returns:
        ``(left, right)``, in samples.
    """
    extent = (kernel_size - 1) * dilation + 1
    if stride == 1:
        total = extent - 1  # whatever the length: keeps a dynamic length out of exported graphs
    else:
        frames = (length + stride - 1) // stride
        total = (frames - 1) * stride + extent - length
        if extent < stride:  # elsewhere the total cannot be negative
            total = not_negative(total)
    return total // 2, total - total // 2


def frames(length: int, kernel_size: int, stride: int, padding: str) -> int:
    """How many windows a padded axis of ``length`` has; 0 where VALID finds no room for one."""
    if padding == VALID:
        return max((length - kernel_size) // stride + 1, 0)
    return (length - 1) // stride + 1 if length > 0 else 0


def not_negative(size: int) -> int:
    """``max(size, 0)`` of a size that torch.export may make symbolic, torch.jit.trace a tensor."""
    if isinstance(size, Tensor):
        return size.clamp(min=0)
    return torch.sym_max(size, 0)


def check_padding(owner: str, padding: str, known: Sequence[str] = (SAME, VALID)) -> str:
    """The padding in capitals; refuses any that is not known (in any case, as Keras does)."""
    if not isinstance(padding, str) or padding.upper() not in known:
        expected = " or ".join(repr(each) for each in known)
        raise LeafError(owner, "padding", expected, repr(padding), "give one of them")
    return padding.upper()


def pad_time(
    x: Tensor,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
    padding: str = SAME,
    value: float = 0.0,
) -> Tensor:
    """Pads the last axis of ``x`` before a convolution or pooling, as TensorFlow or symmetrically.

    Args:
        x: ``(..., time)``.
        kernel_size: taps of the window that follows.
        stride: its hop, in samples.
        dilation: distance between two of its taps, in samples.
        padding: ``"SAME"``, ``"VALID"`` (which adds nothing) or ``"SYMMETRIC"`` (what SAME adds for
            a stride of 1, whatever the stride and the length).
        value: what the added samples hold (0 for a convolution, minus infinity for a maximum).

    Returns:
        ``(..., left + time + right)``.
    """
    if padding == VALID:
        return x
    if padding == SYMMETRIC:
        stride = 1
    return F.pad(x, same_padding(x.shape[-1], kernel_size, stride, dilation), value=value)
