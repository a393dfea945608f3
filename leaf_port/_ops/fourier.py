"""Fourier transforms in real arithmetic, for devices without complex numbers.

Matrix products with tables of cosines and sines, by the factors of the size (Cooley and Tukey
1965): a transform of 512 points is one of 32 and one of 16, each a small matrix product, with a
rotation between them. Against the one product with the 512 by 512 matrix that is a tenth of the
work, and sums of 32 terms instead of 512, each of which rounds.

A spectrum is a pair of tensors, real and imaginary part.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port._ops.devices import lacks
from leaf_port._ops.precision import product

Spectrum: TypeAlias = tuple[Tensor, Tensor]

LARGEST_FACTOR = 32


def _factor(size: int) -> int:
    """The greatest divisor of up to 32 above 1; of a prime above 32, the prime itself."""
    divisors = (d for d in range(min(size, LARGEST_FACTOR), 1, -1) if size % d == 0)
    smallest = (d for d in range(LARGEST_FACTOR + 1, math.isqrt(size) + 1) if size % d == 0)
    return next(divisors, next(smallest, size))


def _turns(rows: int, columns: int, size: int, like: Tensor) -> Spectrum:
    """``exp(-2 pi i j k / size)``, ``(rows, columns)``: in float64 on the host, then rounded once.

    ``j k`` is reduced to one turn first, where an angle of thousands of radians loses its digits.
    """
    j = torch.arange(rows, device="cpu").unsqueeze(1)
    k = torch.arange(columns, device="cpu")
    angle = (j * k % size).to(torch.float64) * (-2.0 * math.pi / size)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return cosine.to(like.dtype).to(like.device), sine.to(like.dtype).to(like.device)


def _product(x: Spectrum, table: Spectrum) -> Spectrum:
    (real, imaginary), (cosine, sine) = x, table
    return (
        product(real, cosine) - product(imaginary, sine),
        product(real, sine) + product(imaginary, cosine),
    )


def _dft(x: Spectrum) -> Spectrum:
    """The transform along the last axis: ``X[k] = sum_n x[n] exp(-2 pi i n k / N)``.

    With ``N = a b``, ``n = b p + q`` and ``k = r + a s``: over ``p`` for each ``q``, a rotation by
    ``q r / N``, over ``q`` for each ``r``.
    """
    size = x[0].shape[-1]
    a = _factor(size)
    if a == size:
        return _product(x, _turns(size, size, size, x[0]))
    b = size // a
    columns = tuple(part.unflatten(-1, (a, b)).mT for part in x)  # (..., q, p)
    real, imaginary = _product((columns[0], columns[1]), _turns(a, a, a, x[0]))  # (..., q, r)
    cosine, sine = _turns(b, a, size, x[0])
    rotated = real * cosine - imaginary * sine, real * sine + imaginary * cosine
    inner = _dft((rotated[0].mT, rotated[1].mT))  # (..., r, s)
    return inner[0].mT.flatten(-2), inner[1].mT.flatten(-2)


def _sized(x: Tensor, size: int) -> Tensor:
    """The last axis cut or padded with zeros to ``size``."""
    return F.pad(x, (0, size - x.shape[-1]))


def rfft(x: Tensor, size: int) -> Spectrum:
    """``torch.fft.rfft(x, size)``: ``(..., time)`` to two of ``(..., size // 2 + 1)``."""
    x = _sized(x, size)
    real, imaginary = _dft((x, torch.zeros_like(x)))
    bins = size // 2 + 1
    return real[..., :bins], imaginary[..., :bins]


def irfft(spectrum: Spectrum) -> Tensor:
    """``torch.fft.irfft``: two of ``(..., bins)`` to ``(..., 2 * (bins - 1))``.

    ``x[n] = Re sum_k c_k X[k] exp(2 pi i n k / N) / N``, where every bin but the first and the last
    counts twice; that is the transform of the conjugate.
    """
    real, imaginary = spectrum
    size = 2 * (real.shape[-1] - 1)
    twice = real.new_full((real.shape[-1],), 2.0 / size)
    ends = F.pad(twice[1:-1], (1, 1), value=1.0 / size)
    back, _ = _dft((_sized(real * ends, size), _sized(-imaginary * ends, size)))
    return back


def fft(x: Spectrum) -> Spectrum:
    """``torch.fft.fft`` along the last axis."""
    return _dft(x)


def times_conjugate(x: Spectrum, y: Spectrum) -> Spectrum:
    """``x * conj(y)``."""
    (a, b), (c, d) = x, y
    return a * c + b * d, b * c - a * d


def absolute(x: Tensor) -> Tensor:
    """``|x|`` of a complex tensor, also where the device's own has no gradient."""
    return magnitude((x.real, x.imag)) if lacks(x.device, "complex") else x.abs()


def magnitude(x: Spectrum) -> Tensor:
    """``|x|`` with a gradient of zero where it is zero, as that of a complex ``abs``.

    Scaled by the greater part, so that no square leaves the range of the dtype.
    """
    real, imaginary = x
    greater = torch.where(real.abs() > imaginary.abs(), real, imaginary).detach().abs()
    zero = greater == torch.zeros_like(greater)
    scale = torch.where(zero, torch.ones_like(greater), greater)
    squares = (real / scale) ** 2 + (imaginary / scale) ** 2
    root = torch.sqrt(torch.where(zero, torch.ones_like(squares), squares))
    return torch.where(zero, torch.zeros_like(root), scale * root)
