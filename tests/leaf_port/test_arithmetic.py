"""Real and complex arithmetic: the same function to rounding, and who computes in which."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from _layers import call, clips, move, same_bits
from _rounding import apart, chain, units
from torch import Tensor, nn
from torch.export import export
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

import leaf_port as lp
from leaf_port._ops import arithmetic as _arithmetic

Make = Callable[[str], nn.Module]
BOTH = ["complex", "real"]
DTYPES = [torch.float32, torch.float64]

LAYERS: dict[str, Make] = {
    "Leaf": lambda a: _leaf(a),
    "Leaf, no compression": lambda a: _leaf(a, compression_fn=None, preemp=True),
    "GaborConv1d": lambda a: _gabor(a, kernel_size=101),
    "GaborConv1d, even": lambda a: _gabor(a, kernel_size=100, strides=3, padding="VALID"),
    "GaborConv1d, bias": lambda a: _gabor(a, kernel_size=25, use_bias=True),
    "MelFilterbanks": lambda a: lp.MelFilterbanks(n_filters=5, window_len=6.25, arithmetic=a),  # type: ignore[arg-type]
    "FFTConv1d": lambda a: lp.FFTConv1d(5, 101, arithmetic=a),  # type: ignore[arg-type]
    "GaborConv1d, sorted": lambda a: _gabor(a, kernel_size=401, sort_filters=True),
}

# Real arithmetic computes the Fourier transform as sums of products: of 1,024 points, two of 32
# terms, one after the other; mel's gradient is a sum over all bins. The noise counts one rounding
# of a result that all terms add up to.
SUMS = {"MelFilterbanks": chain(257), "FFTConv1d": math.sqrt(2.0) * chain(32)}


def _leaf(arithmetic: str, **kwargs: Any) -> lp.Leaf:
    """With windows of 101 samples."""
    return lp.Leaf(n_filters=5, window_len=6.25, arithmetic=arithmetic, **kwargs)  # type: ignore[arg-type]


def _gabor(arithmetic: str, **kwargs: Any) -> lp.GaborConv1d:
    initializer = lp.GaborInit(16000, 60.0, 7800.0)
    return lp.GaborConv1d(10, kernel_initializer=initializer, arithmetic=arithmetic, **kwargs)  # type: ignore[arg-type]


def _made(name: str, arithmetic: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return move(LAYERS[name](arithmetic)).to(dtype)


def _input(dtype: torch.dtype = torch.float32) -> Tensor:
    return clips(2, 877, dtype)[..., None]


def _forward_and_gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """The output, and the gradients of a weighted sum of it to the input and every parameter."""
    x = x.clone().requires_grad_()
    output = layer(x)
    cotangent = torch.linspace(-1.0, 1.0, output.numel(), dtype=x.dtype).reshape(output.shape)
    watched = [x, *layer.parameters()]
    return [output.detach(), *torch.autograd.grad((cotangent * output).sum(), watched)]


@functools.cache
def _units(name: str) -> list[Tensor]:
    exact = _made(name, "complex", torch.float64)
    return units(lambda: _forward_and_gradients(exact, _input(torch.float64)))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (name, dtype)
        for name in LAYERS
        for dtype in DTYPES
        # torch's own float64 transform is less exact than float64: parity/layers/_reasons.py
        if (name, dtype) != ("MelFilterbanks", torch.float64)
    ],
)
def test_both_arithmetics_agree(name: str, dtype: torch.dtype) -> None:
    """Output and gradients, element by element, in float32 and (units 2^-29 as large) in float64.

    Observed: up to 4 units in float32, 2 in float64.
    """
    got, expected = (
        _forward_and_gradients(_made(name, arithmetic, dtype), _input(dtype)) for arithmetic in BOTH
    )
    for mine, theirs, unit in zip(got, expected, _units(name), strict=True):
        assert apart(mine, theirs, SUMS.get(name, 1.0) * unit) <= 1


class _Dtypes(TorchDispatchMode):
    """Notes the dtypes of all that is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        results = result if isinstance(result, (list, tuple)) else [result]
        self.seen |= {each.dtype for each in results if isinstance(each, Tensor)}
        return result

    @property
    def complex(self) -> bool:
        return any(dtype.is_complex for dtype in self.seen)


def _computes_in_complex(layer: nn.Module) -> bool:
    """Whether forward or backward hold a complex number anywhere."""
    with _Dtypes() as dtypes:
        _forward_and_gradients(layer, _input())
    return dtypes.complex


@pytest.mark.parametrize("name", LAYERS)
def test_real_arithmetic_has_no_complex_number(name: str) -> None:
    assert not _computes_in_complex(_made(name, "real"))
    assert _computes_in_complex(_made(name, "complex"))


@pytest.mark.parametrize("name", LAYERS)
def test_auto_is_complex_on_the_cpu(name: str) -> None:
    auto = _made(name, "auto")
    assert _computes_in_complex(auto)
    assert same_bits(call(auto, [_input()]), call(_made(name, "complex"), [_input()]))


@pytest.mark.parametrize("name", ["Leaf", "GaborConv1d"])
def test_the_traced_graph_of_real_arithmetic_has_no_complex_number(name: str) -> None:
    """Forward and backward in one graph."""
    assert not _traces_complex(_made(name, "real"))
    assert _traces_complex(_made(name, "complex"))


def _traces_complex(layer: nn.Module) -> bool:
    traced = make_fx(lambda x: _forward_and_gradients(layer, x))(_input())
    names = {str(node.target) for node in traced.graph.nodes}
    assert "aten.convolution_backward.default" in names
    values = [node.meta.get("tensor_meta") for node in traced.graph.nodes]
    return any(value.dtype.is_complex for value in values if hasattr(value, "dtype"))


def _exports_complex(layer: nn.Module) -> bool:
    values = [node.meta.get("val") for node in export(layer, (_input(),)).graph.nodes]
    return any(value.is_complex() for value in values if isinstance(value, Tensor))


def test_auto_is_real_when_exported_and_complex_stays_complex() -> None:
    assert not _exports_complex(_made("GaborConv1d", "auto"))
    assert _exports_complex(_made("GaborConv1d", "complex"))


def test_auto_is_real_when_compiled() -> None:
    """The graph that dynamo captures and autograd differentiates holds no complex number."""
    seen: set[torch.dtype] = set()

    def note(module: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        values = [node.meta.get("example_value") for node in module.graph.nodes]
        seen.update(value.dtype for value in values if isinstance(value, Tensor))
        return module.forward

    compiled = torch.compile(_made("GaborConv1d", "auto"), backend=note, fullgraph=True)
    compiled(_input())
    torch._dynamo.reset()
    assert torch.float32 in seen
    assert not any(dtype.is_complex for dtype in seen)


@pytest.mark.parametrize(
    ("device", "expected"), [("cpu", True), ("cuda", True), ("meta", False), ("xla", False)]
)
def test_auto_takes_complex_numbers_where_they_work(device: str, expected: bool) -> None:
    assert _arithmetic.uses_complex("auto", torch.device(device)) is expected
    assert _arithmetic.uses_complex("complex", torch.device(device))
    assert not _arithmetic.uses_complex("real", torch.device(device))
