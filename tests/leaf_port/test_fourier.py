"""Fourier transforms by matrix products, against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import torch
from torch import Tensor

from leaf_port._ops import fourier
from parity.spec.random_arrays import Source

# Powers of two, primes below and above the greatest factor, products of both, a square of a prime.
SIZES = [2, 3, 4, 31, 37, 64, 74, 128, 401, 402, 512, 1369, 4096]
ROUNDOFF = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.from_numpy(Source(5).normal(shape)).to(dtype)


def _bound(size: int, x: Tensor, dtype: torch.dtype) -> Tensor:
    """What rounding makes of a transform of ``x``, by its factors: see the test below."""
    terms, rest = 0, size
    while rest > 1:
        factor = fourier._factor(rest)
        terms, rest = terms + factor, rest // factor
    return (2.0 * terms**0.5 + 4.0) * ROUNDOFF[dtype] * x.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(
    ("size", "factor"),
    [(2, 2), (25, 25), (33, 11), (37, 37), (74, 2), (512, 32), (1369, 37), (1517, 37)],
)
def test_factors(size: int, factor: int) -> None:
    """Small ones: a wrong one changes no more than the time and the rounding."""
    assert fourier._factor(size) == factor


@pytest.mark.parametrize("dtype", ROUNDOFF)
@pytest.mark.parametrize("size", SIZES)
def test_real_transform(size: int, dtype: torch.dtype) -> None:
    """In units of the rounding of the signal's norm.

    Each of the sums rounds at most once a term, at random: twice the square root of the terms that
    one output adds up, over all factors, and a unit each for the tables.
    """
    x = drawn(3, size, dtype=dtype)
    exact = scipy.fft.rfft(x.numpy().astype(np.longdouble))  # torch's float64 one is less exact
    expected = torch.from_numpy(exact.astype(np.complex128))
    got = torch.complex(*(part.double() for part in fourier.rfft(x, size)))
    assert ((got - expected).abs() <= _bound(size, x.double(), dtype)).all()


@pytest.mark.parametrize(("samples", "size"), [(100, 128), (200, 128), (1, 7)])
def test_cut_or_padded(samples: int, size: int) -> None:
    x = drawn(2, samples)
    got = torch.complex(*fourier.rfft(x, size))
    exact = scipy.fft.rfft(x.numpy().astype(np.longdouble), n=size)
    expected = torch.from_numpy(exact.astype(np.complex128))
    assert ((got - expected).abs() <= _bound(size, x[:, :size], x.dtype)).all()


@pytest.mark.parametrize("bins", [2, 3, 17, 50, 129])
def test_inverse(bins: int) -> None:
    """Imaginary parts of the first and last bin count for nothing, there as here."""
    real, imaginary = drawn(2, bins), drawn(2, bins).flip(-1)
    got = fourier.irfft((real, imaginary))
    spectrum = real.numpy().astype(np.longdouble) + 1j * imaginary.numpy().astype(np.longdouble)
    expected = torch.from_numpy(scipy.fft.irfft(spectrum).astype(np.float64))
    # The transform's input is the spectrum times 2 / size: two more roundings of its norm.
    size = 2 * (bins - 1)
    scaled = torch.cat([real, imaginary], dim=-1) * (2.0 / size)
    more = 2.0 * ROUNDOFF[real.dtype] * scaled.norm(dim=-1, keepdim=True) * size**0.5
    assert ((got - expected).abs() <= _bound(size, scaled, real.dtype) + more).all()


def test_gradients() -> None:
    x = drawn(2, 24).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: fourier.rfft(x, 24), x)
    assert torch.autograd.gradcheck(
        lambda x: fourier.irfft((x, x.flip(-1))), drawn(2, 13).requires_grad_()
    )
    assert torch.autograd.gradcheck(
        lambda x: fourier.magnitude((x, x.flip(-1))), drawn(9).requires_grad_()
    )


def test_magnitude_of_zero_has_no_gradient() -> None:
    """As that of torch's complex abs; a square root's would be NaN."""
    parts = torch.tensor([[0.0, 3.0], [0.0, -4.0]], requires_grad=True)
    magnitude = fourier.magnitude((parts[0], parts[1]))
    (gradient,) = torch.autograd.grad(magnitude.sum(), parts)
    assert magnitude.tolist() == [0.0, 5.0]
    torch.testing.assert_close(gradient, torch.tensor([[0.0, 0.6], [0.0, -0.8]]))


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_magnitude_squares_nothing_out_of_range(size: float) -> None:
    """Whose square float32 does not hold."""
    three, four = torch.tensor([3.0 * size]), torch.tensor([4.0 * size])
    torch.testing.assert_close(fourier.magnitude((three, four)), torch.tensor([5.0 * size]))


def test_an_infinite_part_is_infinite_or_nan() -> None:
    got = fourier.magnitude((torch.tensor([torch.inf, torch.nan]), torch.tensor([1.0, 1.0])))
    assert not torch.isfinite(got).any()


def test_the_default_device_computes_no_table() -> None:
    x = drawn(2, 12)
    expected = fourier.rfft(x, 12)
    with torch.device("meta"):
        found = fourier.rfft(x, 12)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
