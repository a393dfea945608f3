"""Long convolutions in float64, block by block: the same sums, in a fraction of the time.

torch has no library for float64 and writes out every window of the input before it multiplies. A
second of audio under 401 taps makes 50 MB of windows, and zero padding another, slower loop. Here
the padding is written out first and 256 windows are made at a time, which stay in the cache. The
units of rounding are 13 such convolutions a case; most of the suite's time was theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 256
_LONG = 64  # taps; with fewer there is little to gain

_aten = torch.ops.aten
_FORWARD, _BACKWARD = _aten.convolution.default, _aten.convolution_backward.default
_PLAIN = ([1], [1], False, 1)  # stride, dilation, transposed, groups


def _fits(inputs: Tensor, weight: Tensor, *how: Any) -> bool:
    plain = (list(how[0]), list(how[1]), *how[2:]) == _PLAIN
    return plain and inputs.dtype == torch.float64 and inputs.dim() == 3 and weight.shape[2] > _LONG


def faster(func: Callable[..., Any], args: Sequence[Any]) -> Callable[..., Any]:
    """What computes the same as ``func`` of these arguments: ``func``, or a function in here."""
    if func is _FORWARD and _fits(args[0], args[1], args[3], args[5], args[6], args[8]):
        return _forward
    if func is _BACKWARD and _fits(args[1], args[2], args[4], args[6], args[7], args[9]):
        return _backward
    return func


def _blocks(outputs: int) -> range:
    return range(0, outputs, BLOCK)


def _forward(*args: Any) -> Tensor:
    """``aten::convolution`` of its nine arguments."""
    inputs, weight, bias, _, (padding,), *_ = args
    padded = F.pad(inputs, (padding, padding))
    over = weight.shape[2] - 1
    outputs = padded.shape[2] - over
    if outputs <= BLOCK:
        return F.conv1d(padded, weight, bias)
    parts = [F.conv1d(padded[..., at : at + BLOCK + over], weight, bias) for at in _blocks(outputs)]
    return torch.cat(parts, 2)


def _backward(*args: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """``aten::convolution_backward`` of its eleven arguments."""
    grad, inputs, weight, sizes, _, (padding,), *_, wanted = args
    padded = F.pad(inputs, (padding, padding))
    over = weight.shape[2] - 1
    of_inputs = torch.zeros_like(padded) if wanted[0] else None
    of_weight = torch.zeros_like(weight) if wanted[1] else None
    of_bias = grad.sum((0, 2)) if wanted[2] else None
    for at in _blocks(grad.shape[2]):
        part, under = grad[..., at : at + BLOCK].contiguous(), padded[..., at : at + BLOCK + over]
        mask = [wanted[0], wanted[1], False]
        made = _BACKWARD(part, under, weight, sizes, [1], [0], [1], False, [0], 1, mask)
        if of_inputs is not None:
            of_inputs[..., at : at + BLOCK + over] += made[0]
        if of_weight is not None:
            of_weight += made[1]
    if of_inputs is not None:
        of_inputs = of_inputs[..., padding : padding + inputs.shape[2]]
    return of_inputs, of_weight, of_bias
