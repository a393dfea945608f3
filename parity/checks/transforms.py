"""How much Fourier transforms round: torch's, and those of the official code.

Every output of a transform mixes all its inputs, so its rounding is that of their norm.

**Torch's** has ``log2(n)`` stages, each of which rounds sums of the whole norm once, independently
of the others: the square root of their number, in roundings of the norm (Schatzman, SIAM J. Sci.
Comput. 17, 1996: a root mean square error of ``0.6 eps sqrt(log2 n)``). The result is rounded once
more.

**TensorFlow's** round far more, since factors ``exp(2 pi i k / n)`` are computed one from the
other: each is off by many roundings. Errors of factors that go the same way make an error in
proportion to the result, others one in proportion to the norm.

The tables have TensorFlow 2.13's rounding by size, on an x86-64 processor with AVX-512: the root
mean square of what ``tf.signal.rfft`` and ``irfft`` (the greater of both) of 16 frames of noise are
off the same in float64, in eps (2^-23) of the frame's norm. TensorFlow 2.21's is a sixteenth of
that or less. A size that is no power of two is computed by transforms of the first power of two
that is at least twice the size less one (Bluestein), and all sizes of one such power have about the
same.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

# A unit is 2^-24 of the norm, evenly spread: a root mean square of so many eps.
_UNIT = 2.0**-24 / math.sqrt(3.0) / 2.0**-23

_POWERS_OF_TWO = {
    64: 2.7,
    128: 4.6,
    256: 6.0,
    512: 14.4,
    1024: 24.5,
    2048: 47.7,
    4096: 54.0,
    8192: 257.0,
    16384: 633.0,
}
# By the power of two that they are computed by.
_OTHERS = {
    256: 10.9,
    512: 31.7,
    1024: 38.5,
    2048: 110.6,
    4096: 138.9,
    8192: 605.0,
    16384: 1186.0,
    32768: 2408.0,
}


def torch_rounding(name: str, args: Any, out: Tensor) -> Tensor:
    """What the rounding of ``out``, which a transform of torch made of ``args``, is within."""
    stages = math.log2(max(2, _points(name, args)))
    return torch.hypot(math.sqrt(stages) * _norm(name, args), out.abs())


def official_rounding(name: str, args: Any, out: Tensor) -> Tensor:
    """The same as if a transform of TensorFlow 2.13 had made it."""
    return tensorflow(_points(name, args)) * torch.hypot(_norm(name, args), out.abs())


def tensorflow(size: int) -> float:
    """How many times as much as torch's a transform of TensorFlow rounds.

    Args:
        size: of the transform.

    Raises:
        LeafError: nobody measured a transform of that size.
    """
    is_power = size & (size - 1) == 0
    padded = size if is_power else 2 ** math.ceil(math.log2(2 * size - 1))
    measured = _POWERS_OF_TWO if is_power else _OTHERS
    least, most = min(measured), max(measured)
    if padded > most:
        from leaf_port.errors import (
            LeafError,  # no sooner: see parity/commands/mutants/runner.py, PRELOADED
        )

        raise LeafError(
            "TensorFlow's Fourier transform",
            "n_fft",
            f"at most {max(_POWERS_OF_TWO)} points, of which its rounding was measured",
            size,
            "compare without the official code, or measure it (parity/checks/transforms.py)",
        )
    return max(1.0, measured[max(padded, least)] / _UNIT)


def _points(name: str, args: Any) -> int:
    """The size of a transform, of an operation and its arguments."""
    source, dims = args[0], args[1]
    if name == "_fft_c2r":
        return int(args[3]) * math.prod(source.shape[dim] for dim in dims[:-1])
    return math.prod(source.shape[dim] for dim in dims)


def _norm(name: str, args: Any) -> Tensor:
    """The norm of what enters a transform, divided as its results are."""
    source, dims, normalization = args[0], args[1], args[2]
    norm = source.abs().square().sum(dim=dims, keepdim=True).sqrt()
    if name == "_fft_c2r":  # its inputs are one half of a spectrum
        norm = math.sqrt(2.0) * norm
    return norm / _points(name, args) ** (normalization / 2)
