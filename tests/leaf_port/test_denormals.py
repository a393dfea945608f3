"""No filter holds a denormal number: a convolution with one takes three to ten times as long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from _layers import FRONTENDS, LEARNED
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import leaf_port as lp
from leaf_port import impulse_responses
from leaf_port.constraints import GaborConstraint
from leaf_port.initializers import Initializer

DTYPES = [torch.float32, torch.float64]
SIZES = st.sampled_from([1, 2, 25, 400, 401, 1201])
# Centres: 0, what is not within 1e-6 of it, and beyond the bounds, to which they are clipped.
CENTRES = st.floats(1e-6, 4.0) | st.floats(-1.0, -1e-6) | st.sampled_from([0.0, 3.14159265])
BELOW_NYQUIST = st.floats(1e-6, 3.0) | st.just(0.0)
DEVIATIONS = st.floats(0.0, 600.0)


def _denormals(taps: Tensor) -> int:
    """How many are neither zero nor normal."""
    taps = torch.view_as_real(taps) if taps.is_complex() else taps
    return int(((taps != 0) & (taps.abs() < torch.finfo(taps.dtype).tiny)).sum())


def test_denormals_are_counted() -> None:
    assert _denormals(torch.tensor([0.0, 1e-38, -1e-40, 1.2e-38])) == 2
    assert _denormals(torch.tensor([1e-40, 1e-310], dtype=torch.float64)) == 1


def _gabor_denormals(kernel: list[tuple[float, float]], size: int, dtype: torch.dtype) -> int:
    constrained = GaborConstraint(size)(torch.tensor(kernel, dtype=dtype))
    both = impulse_responses.gabor_filters, impulse_responses.gabor_filters_real
    return sum(_denormals(filters(constrained, size)) for filters in both)


def _kernels(centres: st.SearchStrategy[float]) -> st.SearchStrategy[list[tuple[float, float]]]:
    return st.lists(st.tuples(centres, DEVIATIONS), min_size=1, max_size=8)


@given(kernel=_kernels(CENTRES), size=SIZES)
@settings(deadline=None, derandomize=True, max_examples=100)
def test_gabor_filters(kernel: list[tuple[float, float]], size: int) -> None:
    assert _gabor_denormals(kernel, size, torch.float32) == 0


@given(kernel=_kernels(BELOW_NYQUIST), size=SIZES)
@settings(deadline=None, derandomize=True, max_examples=100)
def test_gabor_filters_in_float64(kernel: list[tuple[float, float]], size: int) -> None:
    assert _gabor_denormals(kernel, size, torch.float64) == 0


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    sigma=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=8),
    size=st.sampled_from([2, 25, 400, 401, 1201]),
)
@settings(deadline=None, derandomize=True, max_examples=100)
def test_gaussian_windows(dtype: torch.dtype, sigma: list[float], size: int) -> None:
    windows = torch.tensor(sigma, dtype=dtype).reshape(1, 1, -1, 1)
    assert _denormals(impulse_responses.gaussian_lowpass(windows, size)) == 0


@given(filters=st.integers(1, 80), band=st.tuples(st.floats(0, 7999), st.floats(0, 7999)))
@settings(deadline=None, derandomize=True, max_examples=40)
def test_gabor_taps_of_an_initialiser(filters: int, band: tuple[float, float]) -> None:
    low, high = min(band), max(band) + 1.0
    taps = lp.GaborInit(16000, low, high)((401, 1, 2 * filters), torch.float32)
    assert _denormals(taps) == 0


@pytest.mark.parametrize("arithmetic", ["complex", "real"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_default_filters(arithmetic: str, dtype: torch.dtype) -> None:
    """Some of their taps are zero because they would be denormal: the rule is at work."""
    leaf = lp.Leaf(arithmetic=arithmetic).to(dtype)  # type: ignore[arg-type]
    filters = leaf.complex_conv.impulse_responses()
    assert _denormals(filters) == 0
    assert bool((filters == 0).all(dim=-1).any()) == (dtype == torch.float32)


@pytest.mark.parametrize("name", LEARNED)
def test_what_the_frontends_convolve_with(name: str) -> None:
    frontend = FRONTENDS[name]()
    for layer in (frontend.complex_conv, frontend.pooling):
        responses = getattr(layer, "impulse_responses", None)
        if responses is not None:
            assert _denormals(responses()) == 0
        assert sum(_denormals(weight) for weight in layer.parameters()) == 0


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: lp.LowpassInit(), (401, 1, 3)),
        (lambda: lp.SincInit(), (40, 2)),
        (lambda: lp.GaborInit(normalize_energy=False), (40, 2)),
    ],
)
def test_initialisers(make: Callable[[], Initializer], shape: tuple[int, ...]) -> None:
    assert _denormals(make()(shape, torch.float32)) == 0
