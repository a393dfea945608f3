"""What the device types lack: the one table, as the parity suite found it.

Whoever has another way to compute something asks :func:`lacks`. The other ways use operations that
every backend has, so a device type that is not in the table is taken to lack everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import torch

Feature: TypeAlias = Literal[
    "complex",  # complex numbers, with gradients: Gabor filters, Fourier transforms
    "frames",  # Tensor.unfold and F.fold
    "average pooling",  # the gradient of F.avg_pool2d with a divisor
    "activations",  # the gradients of ELU and SELU, and of ReLU6 at 0
    "layer normalisation",  # F.layer_norm to float32 rounding
    "maximum of NaN",  # a maximum over values with a NaN is NaN
]

_LACKS: Mapping[str, frozenset[Feature]] = {
    "cpu": frozenset(),
    "cuda": frozenset(),
    # torch_xla 2.9.0 on its CPU device. Complex: abs has no gradient, division drops the imaginary
    # part, transforms, frames and the pooling's gradient run on the host; ELU's gradient is that of
    # another function (-2 at -3); a maximum leaves NaN out; F.layer_norm takes its variance as
    # mean(x^2) - mean(x)^2, which cancels.
    "xla": frozenset(get_args(Feature)),
}


def lacks(device: torch.device, feature: Feature) -> bool:
    """Whether the device type lacks a feature, or has never been tried."""
    return device.type not in _LACKS or feature in _LACKS[device.type]
