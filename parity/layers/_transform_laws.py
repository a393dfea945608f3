"""What no recorded answer shows of convolutions by FFT: the norm at edges, sizes of all factors."""

from __future__ import annotations

import warnings
from typing import get_args
from unittest import mock

import torch
from torch import Tensor
from torch.autograd import forward_ad

from leaf_port import fft_conv1d, overlap_add_conv1d
from leaf_port._ops import fourier
from leaf_port._ops.arithmetic import Arithmetic
from leaf_port._ops.fft_convolution import spectrum_norm
from parity.port.operations_watch import OperationsWatch
from parity.spec.invariant import unlike
from parity.spec.random_arrays import Source

_ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)
_CLIP = torch.ones(1, 4, 1)

# Sizes whose greatest factor is 15 of 45 and 1 of 2 * 37, a product of two large primes, and a
# prime that is one more than a multiple of 33, the least number that is no factor by itself.
_SIZES = (45, 74, 37 * 41, 1123)


def _taps(*values: float) -> Tensor:
    return torch.tensor(values).reshape(-1, 1, 1)


def norm() -> str:
    """The norm where parts of a spectrum are zero, and its derivatives where much is, or little."""
    for arithmetic in _ARITHMETICS:
        # Of four points: 3, -i, 1.
        for sign in (1.0, -1.0):
            found = fft_conv1d(_CLIP, sign * _taps(1.0, 1.0, 1.0), arithmetic)[1].item()
            if not abs(found - 5.0) <= 2.0**-20:
                return f"{arithmetic}: a norm of {found}, not 5"
        for scale in (0.0, 2.0**-80, 1.0, 2.0**80):
            first, second = _derivatives(scale * _taps(1.0, 0.5, 0.25), arithmetic)
            if not bool(torch.isfinite(first).all()) or (scale == 0.0 and bool(first.any())):
                return f"{arithmetic}: the gradient at {scale:g} is {first.flatten().tolist()}"
            if not bool(torch.isfinite(second).all()):
                return f"{arithmetic}: the second derivative at {scale:g} is not finite"
    return ""


def arithmetic_of_norm() -> str:
    """The norm by itself is computed in the arithmetic that is asked for."""
    asked: tuple[tuple[Arithmetic, bool], ...] = (
        ("complex", True),
        ("real", False),
        ("auto", True),
    )
    for arithmetic, complex_ in asked:
        with OperationsWatch() as watch:
            spectrum_norm(_taps(1.0, 1.0, 1.0), 4, arithmetic)
        if bool(watch.seen["_fft_r2c"]) is not complex_:
            return f"{arithmetic}: {watch.seen}"
    return ""


def _derivatives(filters: Tensor, arithmetic: Arithmetic) -> tuple[Tensor, Tensor]:
    """The gradient of the norm, without NaN on the way, and that of the gradient's first number."""
    filters.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that looking for NaN on the way takes time
        with torch.autograd.detect_anomaly():
            value = fft_conv1d(_CLIP, filters, arithmetic)[1]
            (first,) = torch.autograd.grad(value, filters, create_graph=True)
    (second,) = torch.autograd.grad(first[0].sum(), filters)
    return first.detach(), second


def forwards() -> str:
    """The derivative forwards by the clip is the same for all clips, be they infinite."""
    filters = _taps(1.0, 0.5, 0.25)
    found = []
    for value in (1.0, float("inf"), float("nan")):
        with forward_ad.dual_level():
            clip = forward_ad.make_dual(value * _CLIP, _CLIP)
            convolved = fft_conv1d(clip, filters, "real")[0]
            found.append(forward_ad.unpack_dual(convolved).tangent)
    same = all(torch.equal(each, found[0]) for each in found)
    return "" if same else "it is another one of numbers that are not finite"


def under_autocast() -> str:
    """Gradients are in float32 and near those without autocast, though products were in half."""
    source = Source(1)
    given = [torch.from_numpy(source.normal(shape)) for shape in ((2, 50, 1), (8, 1, 3))]
    for arithmetic in _ARITHMETICS:
        for function in (fft_conv1d, overlap_add_conv1d):
            usual, other = (
                _gradients(function, given, arithmetic, autocast) for autocast in (False, True)
            )
            for got, wanted in zip(other, usual, strict=True):
                off = (got - wanted).abs().max() / wanted.abs().max()
                if got.dtype != torch.float32 or not off <= 0.1:
                    return f"{function.__name__}, {arithmetic}: {got.dtype}, off by {off:.1e}"
    return ""


def _gradients(
    function: object, given: list[Tensor], arithmetic: Arithmetic, autocast: bool
) -> tuple[Tensor, ...]:
    leaves = [each.clone().requires_grad_() for each in given]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        made = function(*leaves, arithmetic=arithmetic)  # type: ignore[operator]
    made = made[0] if isinstance(made, tuple) else made
    return torch.autograd.grad(made.float().square().sum(), leaves)


def sizes() -> str:
    """Transforms of sizes with all kinds of factors are the same in both arithmetics."""
    source = Source(1)
    x = torch.from_numpy(source.normal((1, 60, 1))).double()
    taps = torch.from_numpy(source.normal((3, 1, 2))).double()
    for size in _SIZES:
        pair = (
            overlap_add_conv1d(x, taps, size, arithmetic).numpy()
            for arithmetic in ("real", "complex")
        )
        if problem := unlike(*pair):
            return f"a transform of {size}: {problem}"
    row = x[..., 0]
    with torch.device("meta"):
        found = fourier.rfft(row, 60)
    if not all(map(torch.equal, found, fourier.rfft(row, 60))):
        return "its tables are made where the default device is"
    return ""


def tables() -> str:
    """Whether a transform of a size with factors has tables of no more numbers than the signal."""
    for size in (1763, 2187, 2401):  # 41 x 43, powers of 3 and of 7
        with mock.patch.object(fourier, "_turns", wraps=fourier._turns) as made:
            fourier.rfft(torch.ones(1, size), size)
        largest = max(call.args[0] * call.args[1] for call in made.call_args_list)
        if largest > 43 / 41 * size:
            return f"a transform of {size}: a table of {largest}"
    return ""
