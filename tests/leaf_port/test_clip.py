"""Clipping with TensorFlow's gradients: whole at a tie, none beyond, NaN passes without one."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from _layers import inputs_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import leaf_port as lp
from leaf_port._ops import clip
from leaf_port.constraints import GaborConstraint
from parity.spec.random_arrays import Source

DTYPES = [torch.float32, torch.float64]
NAN, INF = math.nan, math.inf
UNIT = math.sqrt(2 * math.log(2)) / math.pi

# Bounds are -1.5 and 0.1, which no float holds.
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "maximum": lambda x: clip.maximum(x, 0.1),
    "minimum": lambda x: clip.minimum(x, 0.1),
    "clip": lambda x: clip.clip_by_value(x, -1.5, 0.1),
    "clip to a point": lambda x: clip.clip_by_value(x, 0.1, 0.1),
}
# x, value, gradient
TABLE: dict[str, list[tuple[float, float, float]]] = {
    "maximum": [
        *[(0.1, 0.1, 1), (0.2, 0.2, 1), (0.0, 0.1, 0)],
        *[(INF, INF, 1), (-INF, 0.1, 0), (NAN, NAN, 0)],
    ],
    "minimum": [
        *[(0.1, 0.1, 1), (0.2, 0.1, 0), (0.0, 0.0, 1)],
        *[(INF, 0.1, 0), (-INF, -INF, 1), (NAN, NAN, 0)],
    ],
    "clip": [
        *[(0.1, 0.1, 1), (-1.5, -1.5, 1), (0.0, 0.0, 1), (0.2, 0.1, 0), (-2.0, -1.5, 0)],
        *[(INF, 0.1, 0), (-INF, -1.5, 0), (NAN, NAN, 0)],
    ],
    "clip to a point": [(0.1, 0.1, 1), (0.2, 0.1, 0), (0.0, 0.1, 0), (NAN, NAN, 0)],
}
ROWS = [(name, *row) for name, rows in TABLE.items() for row in rows]


def _gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Value, and the gradient of its sum."""
    x = x.clone().requires_grad_()
    value = function(x)
    return value.detach(), torch.autograd.grad(value.sum(), x)[0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "x", "value", "gradient"), ROWS)
def test_values_and_gradients(
    name: str, x: float, value: float, gradient: float, dtype: torch.dtype
) -> None:
    """A bound is rounded to the precision of x, so that a tie is one in either."""
    got, slope = _gradient(FUNCTIONS[name], torch.tensor([x], dtype=dtype))
    expected = torch.tensor([value], dtype=dtype)
    assert got.dtype == slope.dtype == dtype
    assert torch.equal(got.nan_to_num(1e9), expected.nan_to_num(1e9))
    assert slope.item() == gradient


@given(x=st.floats(width=32), bound=st.floats(-(2.0**100), 2.0**100, width=32))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_any_value(x: float, bound: float) -> None:
    """Python's own comparisons say what comes out and where the gradient goes."""
    at = torch.tensor([x])
    for function, passes in ((clip.maximum, x >= bound), (clip.minimum, x <= bound)):
        got, slope = _gradient(lambda t, function=function: function(t, bound), at)  # type: ignore[misc]
        expected = x if passes or math.isnan(x) else bound
        assert math.isnan(got.item()) if math.isnan(x) else got.item() == expected
        assert slope.item() == float(passes)


@given(x=st.floats(width=32), ends=st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_any_range(x: float, ends: tuple[float, float]) -> None:
    low, high = sorted(float(torch.tensor(end)) for end in ends)
    got, slope = _gradient(lambda t: clip.clip_by_value(t, low, high), torch.tensor([x]))
    assert math.isnan(got.item()) if math.isnan(x) else got.item() == min(max(x, low), high)
    assert slope.item() == float(low <= x <= high)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gabor_constraint_at_its_bounds(dtype: torch.dtype) -> None:
    """Centres of 0 and pi and the extreme deviations pass the whole gradient; beyond, none."""
    size = 401
    kernel = torch.tensor(
        [[0.0, 4 * UNIT], [math.pi, size * UNIT], [-0.1, 1.0], [3.2, 200.0]], dtype=dtype
    )
    _, slope = _gradient(GaborConstraint(size), kernel)
    assert torch.equal(slope, torch.tensor([[1.0, 1.0]] * 2 + [[0.0, 0.0]] * 2, dtype=dtype))


def test_sinc_edge_at_nyquist() -> None:
    layer = lp.SincConv1d(6, 25)
    with torch.no_grad():
        layer.kernel.copy_(torch.tensor([[1000.0, 6900.0], [1000.0, 6901.0], [1000.0, 6899.0]]))
    _, high = layer.edges()
    assert high.tolist() == [8000.0, 8000.0, 7999.0]
    slope = torch.autograd.grad(high.sum(), layer.kernel)[0]
    assert slope.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]


class _Through(nn.Module):
    """A convolution or pooling that does nothing, so that a frontend's energies are its input."""

    def __init__(self, **_: object) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize("dtype", DTYPES)
def test_energy_at_the_floor(dtype: torch.dtype) -> None:
    """1e-5 exactly is a tie: whole gradient; silence has none."""
    leaf = lp.Leaf(
        n_filters=1,
        conv1d_cls=_Through,
        pooling_cls=_Through,
        activation=nn.Identity(),
        compression_fn=None,
    )
    x = torch.tensor([[1e-5, 0.0, 2e-5, 9e-6]], dtype=dtype)
    value, slope = _gradient(leaf, x)
    assert torch.equal(value[..., 0], torch.tensor([[1e-5, 1e-5, 2e-5, 1e-5]], dtype=dtype))
    assert slope.tolist() == [[1.0, 0.0, 1.0, 0.0]]


def _pcen(alpha: float = 0.9, root: float = 2.0) -> lp.PCEN:
    layer = lp.PCEN(3, alpha=alpha, root=root, trainable=True, learn_smooth_coef=True)
    return layer.double()


def _unclipped(layer: lp.PCEN, x: Tensor) -> Tensor:
    """PCEN without its bounds, from the formula."""
    m = layer.ema(x, x[:, 0])
    power, delta = 1 / layer.root, layer.delta
    return (x / (layer.floor + m) ** layer.alpha + delta) ** power - delta**power


@pytest.mark.parametrize(("name", "at", "beyond"), [("alpha", 1.0, 1.001), ("root", 1.0, 0.999)])
def test_pcen_at_its_bounds(name: str, at: float, beyond: float) -> None:
    """At alpha 1 or root 1 the gradient is that of the formula without a bound; beyond, none.

    The same float64 operations in the same order: equal bit by bit.
    """
    x = inputs_of("PCEN", torch.float64)[0]
    layer = _pcen(**{name: at})
    weight = getattr(layer, name)
    expected = torch.autograd.grad(_unclipped(layer, x).sum(), weight)[0]
    assert torch.equal(torch.autograd.grad(layer(x).sum(), weight)[0], expected)
    assert (expected.abs() > 1).all()
    layer = _pcen(**{name: beyond})
    assert not torch.autograd.grad(layer(x).sum(), getattr(layer, name))[0].any()


@pytest.mark.parametrize(("at", "passes"), [(0.0, 1), (1.0, 1), (-1e-9, 0), (1.000001, 0)])
def test_smoothing_coefficient_at_its_bounds(at: float, passes: int) -> None:
    """The gradient of m[1] = w x[1] + (1 - w) m[0] to w is x[1] - m[0], or nothing."""
    layer = lp.ExponentialMovingAverage(1, at, trainable=True).double()
    x = torch.tensor([[[2.0], [7.0]]], dtype=torch.float64)
    slope = torch.autograd.grad(layer(x, x[:, 0])[:, 1].sum(), layer.smooth)[0]
    assert slope.item() == passes * 5.0


def _learns(layer: nn.Module, x: Tensor, kernel: Tensor) -> Tensor:
    """The size of the gradient of a weighted sum of the output, element by element."""
    output = layer(x)
    weights = torch.from_numpy(Source(6).uniform(output.shape))
    return torch.autograd.grad((weights * output).sum(), kernel)[0].abs()


def test_a_gabor_filter_at_zero_frequency_learns() -> None:
    """A step that put the centre onto its bound can be followed by one that takes it off."""
    layer = lp.GaborConv1d(4, 25, kernel_initializer=lp.Constant(3.0))
    with torch.no_grad():
        layer.kernel[:, 0] = 0.0
    assert (_learns(layer, inputs_of("GaborConv1d")[0], layer.kernel) > 0).all()


def test_a_gaussian_at_its_widest_learns() -> None:
    layer = lp.GaussianLowpass(3, 25, kernel_initializer=lp.Constant(0.5), trainable=True)
    assert (_learns(layer, inputs_of("GaussianLowpass")[0], layer.kernel) > 0).all()


def test_a_maximum_that_drops_nan_gets_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a device whose own maxima drop it (``leaf_port/_ops/devices.py``)."""
    pool = F.max_pool2d
    monkeypatch.setattr(F, "max_pool2d", lambda x, *args: pool(x.nan_to_num(-9.0), *args))
    monkeypatch.setattr(clip, "lacks", lambda *_: True)
    x = torch.tensor([[[[1.0, math.nan, 2.0, 3.0]]]])
    assert torch.isnan(clip.max_pool2d(x, (1, 2))).tolist() == [[[[True, False]]]]
    assert clip.max_pool2d(x, (1, 2))[0, 0, 0, 1] == 3.0
