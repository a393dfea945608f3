"""The rounding of sums that are added up one term after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from parity.checks import summation
from parity.checks.monte_carlo import UNIT_ROUNDOFF, Noise

DRAWS = 400
aten = torch.ops.aten


def one_after_the_other(terms: np.ndarray) -> np.ndarray:
    """Float32 sums over the last axis, every partial sum rounded."""
    total = np.zeros(terms.shape[:-1], np.float32)
    for term in np.moveaxis(terms, -1, 0):
        total = total + term
    return total


@pytest.mark.parametrize("count", [3, 30, 1000])
@pytest.mark.parametrize("mean", [0.0, 0.3, 5.0])
def test_magnitude_is_that_of_a_serial_sum(count: int, mean: float) -> None:
    """What it predicts is within a factor of 3 of what float32 does, whatever the terms' signs.

    Terms without a mean wander less than their magnitudes add up to: by a factor of about
    sqrt(pi) / 2 / sqrt(3) = 0.6 of the uniform roundings' root mean square.
    """
    generator = np.random.default_rng(count)
    terms = generator.normal(mean, 1, (DRAWS, count)).astype(np.float32)
    exact = terms.sum(-1, dtype=np.float64)
    error = np.sqrt(np.mean((one_after_the_other(terms) - exact) ** 2))
    absolute = torch.from_numpy(np.abs(terms).sum(-1, dtype=np.float64))
    predicted = summation.magnitude(absolute, torch.from_numpy(exact), count)
    unit = UNIT_ROUNDOFF / np.sqrt(3) * predicted.square().mean().sqrt().item()
    assert unit / 3 < error < 3 * unit


def _convolution(stride: int, groups: int, transposed: bool) -> tuple[Tensor, ...]:
    shape = (4, 6 // groups, 5) if transposed else (6, 4 // groups, 5)
    inputs, weight = torch.ones(3, 4, 40), torch.ones(shape)
    rest = (None, [stride], [0], [1], transposed, [0], groups)
    return inputs, weight, *rest  # type: ignore[return-value]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_terms_of_a_convolution(groups: int, transposed: bool) -> None:
    """Of ones, every sum is the number of its terms."""
    args = _convolution(1, groups, transposed)
    out = aten.convolution(*args)
    assert summation.terms("convolution", args, out) == [out.max().item()]


@pytest.mark.parametrize("groups", [1, 2])
def test_terms_of_the_gradients_of_a_convolution(groups: int) -> None:
    """Of ones, every gradient is the number of its terms."""
    inputs, weight, *rest = _convolution(1, groups, False)
    grad = torch.ones_like(aten.convolution(inputs, weight, *rest))
    args = (grad, inputs, weight, [6], *rest[1:], [True, True, True])
    out = aten.convolution_backward(*args)
    found = summation.terms("convolution_backward", args, out)
    assert found == [each.max().item() for each in out]


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("sum", lambda x: (x, [1])),
        ("mm", lambda x: (x, x.T)),
        ("bmm", lambda x: (x[None], x.T[None])),
        ("dot", lambda x: (x[0], x[0])),
        ("mv", lambda x: (x, x[0])),
    ],
)
def test_terms_of_sums_and_products(name: str, of: Callable[[Tensor], tuple[Tensor, ...]]) -> None:
    """Of ones, every result is the number of its terms."""
    args = of(torch.ones(3, 17))
    out = getattr(aten, name)(*args)
    assert summation.terms(name, args, out) == [out.max().item()] == [17]


def test_terms_of_overlapping_windows() -> None:
    """Of ones, the gradients of maximum pooling and of unfolding are the number of their terms."""
    rising = torch.arange(40.0).flip(0).reshape(1, 1, 1, 40).requires_grad_()
    pooled, where = aten.max_pool2d_with_indices(rising, [1, 7], [1, 2])
    rest = ([1, 7], [1, 2], [0, 0], [1, 1], False, where)
    args = (torch.ones_like(pooled), rising, *rest)
    assert summation.terms("max_pool2d_with_indices_backward", args, args[0]) == [4]

    frames = (torch.ones(17, 7), [40], 0, 7, 2)
    out = aten.unfold_backward(*frames)
    assert summation.terms("unfold_backward", frames, out) == [out.max().item()] == [4]


@pytest.mark.parametrize("name", ["mean", "var"])
def test_terms_of_statistics(name: str) -> None:
    """A mean is a sum of all that it reduces."""
    x = torch.randn(3, 17)
    args = (x, [1])
    assert summation.terms(name, args, getattr(aten, name)(*args)) == [17]


def test_operations_of_two_operands_are_no_sums() -> None:
    """One rounding each."""
    x = torch.ones(3)
    assert summation.terms("add", (x, x), x) == [1]
    assert torch.equal(summation.magnitude(x, 100 * x, 1), x)


@pytest.mark.parametrize(
    "reduce", [lambda x: x.sum(1), lambda x: x.mean(1), lambda x: x.var(1), lambda x: x @ x[0]]
)
def test_noise_disturbs_long_sums_more(reduce: Callable[[Tensor], Tensor]) -> None:
    """Relative to the result, by about sqrt(n / 3) roundings."""

    def spread(count: int) -> float:
        x = 1 + 0.1 * torch.rand((DRAWS, count), dtype=torch.float64)
        with Noise(1):
            noisy = reduce(x)
        return (noisy / reduce(x) - 1).square().mean().sqrt().item()

    assert 5 < spread(3000) / spread(30) < 20  # sqrt(100) = 10
