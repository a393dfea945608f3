"""How far float32 takes a sum that is added up one term after the other: part of every unit.

The k-th partial sum ``s_k`` of ``n`` terms is rounded by up to ``2^-24 |s_k|``, and independent
roundings add up to ``2^-24 sqrt(sum s_k^2)``. Of terms of either sign the partial sums wander and
that root is about ``A``, the sum of the magnitudes; of terms of one sign they grow evenly to the
result ``S``, and it is ``|S| sqrt(n / 3)``. Terms with a mean have both: the rounding of a sum is
proportional to ``sqrt(A^2 + S^2 n / 3)``.

The order is not known: a backend may add in blocks, and is then nearer.
(Higham, Accuracy and Stability of Numerical Algorithms, section 4.2, with independent roundings.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor


def magnitude(absolute: Tensor, result: Tensor, terms: int) -> Tensor:
    """What the rounding of a sum is proportional to.

    Args:
        absolute: the sum of the terms' magnitudes.
        result: the sum.
        terms: how many there are.
    """
    if terms < 2:
        return absolute
    return torch.sqrt(absolute.abs().square() + result.abs().square() * (terms / 3))


def _convolution(args: Sequence[Any], out: Tensor) -> list[int]:
    weight, transposed, groups = args[1], args[6], args[8]
    if not transposed:
        return [weight[0].numel()]
    return [weight.numel() // weight.shape[1] // groups]


def _convolution_backward(args: Sequence[Any], out: Sequence[Tensor]) -> list[int]:
    """Of the gradients of input, weight and bias."""
    grad, weight, groups = args[0], args[2], args[9]
    positions = grad.numel() // max(grad.shape[1], 1)
    return [weight.numel() // weight.shape[1] // groups, positions, positions]


def _reduction(args: Sequence[Any], out: Tensor) -> list[int]:
    return [args[0].numel() // max(out.numel(), 1)]


def _inner(args: Sequence[Any], out: Tensor) -> list[int]:
    return [args[0].shape[-1]]


def _windows(args: Sequence[Any], out: Tensor) -> list[int]:
    """Maximum pooling, backward: in how many windows a value may be the greatest."""
    sizes, hops = args[2], args[3] or args[2]
    return [math.prod(math.ceil(size / hop) for size, hop in zip(sizes, hops, strict=True))]


def _frames(args: Sequence[Any], out: Tensor) -> list[int]:
    """Unfolding, backward: in how many frames a value stands."""
    return [math.ceil(args[3] / args[4])]


_TERMS: Mapping[str, Callable[[Sequence[Any], Any], list[int]]] = {
    "convolution": _convolution,
    "convolution_backward": _convolution_backward,
    "sum": _reduction,
    "mean": _reduction,
    "var": _reduction,
    "std": _reduction,
    "linalg_vector_norm": _reduction,
    "max_pool2d_with_indices_backward": _windows,
    "unfold_backward": _frames,
    "mm": _inner,
    "bmm": _inner,
    "dot": _inner,
    "mv": _inner,
}


def terms(name: str, args: Sequence[Any], out: Any) -> list[int]:
    """How many terms each result of an operation is the sum of; 1 where it is no sum of many.

    Args:
        name: of the operation, without its namespace.
        args: what it is called with.
        out: what it gives: a tensor, or several.
    """
    if name in _TERMS:
        return _TERMS[name](args, out)
    return [1] * (1 if isinstance(out, Tensor) else len(out))
