"""Half precision around the layers: autocast, and a default dtype of half precision."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from _layers import FRONTENDS, SAMPLES, clips, make, same_bits
from torch import Tensor, nn

import leaf_port as lp
from leaf_port import models
from leaf_port._ops.precision import product
from parity.spec.random_arrays import Source

HALVES = (torch.bfloat16, torch.float16)


@pytest.fixture(params=HALVES)
def half(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    """A default dtype of half precision."""
    torch.set_default_dtype(request.param)
    try:
        yield request.param
    finally:
        torch.set_default_dtype(torch.float32)


def _gradients(layer: nn.Module, x: Tensor, dtype: torch.dtype, inside: bool) -> list[Tensor]:
    """Of input and parameters, of a sum that overflows float16."""
    given = x.clone().requires_grad_()
    wanted = [given, *(each for each in layer.parameters() if each.requires_grad)]
    torch.manual_seed(0)  # of SpecAugment's draws
    with torch.autocast("cpu", dtype):
        total = 1e5 * layer(given).sum()
        if inside:
            return list(torch.autograd.grad(total, wanted))
    return list(torch.autograd.grad(total, wanted))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", [*FRONTENDS, "MelFilterbanks-real", "Leaf-augmented"])
def test_backward_inside_autocast_is_the_one_outside(name: str, dtype: torch.dtype) -> None:
    layer, x = make(name).train(), clips(2, SAMPLES)
    inside, outside = (_gradients(layer, x, dtype, each) for each in (True, False))
    assert all(map(same_bits, inside, outside))
    assert all(torch.isfinite(each).all() for each in inside)


# torch's own, where it takes forward derivatives of many at once.
@pytest.mark.filterwarnings(r"ignore:.torch\.jit\.\w+. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("shapes", [((2, 5, 3), (3, 4)), ((2, 5, 3), (2, 3, 4)), ((5, 3), (3, 4))])
def test_derivatives_of_a_product(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = (torch.from_numpy(Source(i).normal(s)).double() for i, s in enumerate(shapes))
    given = (a.requires_grad_(), b.requires_grad_())
    assert torch.equal(product(*given), a @ b)
    assert torch.autograd.gradcheck(product, given, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(product, given, check_fwd_over_rev=True)


def test_a_product_keeps_what_its_gradients_need() -> None:
    """Of two matrices of which one is trained, the other."""
    kept: list[Tensor] = []
    a, b = torch.ones(4, 3, requires_grad=True), torch.ones(3, 2)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        product(a, b)
    assert [tuple(each.shape) for each in kept] == [(3, 2)]


def _classifier() -> nn.Module:
    return models.AudioClassifier(3, lp.SincNet(n_filters=8), models.ConvNet([2]))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", FRONTENDS)
def test_built_inside_autocast(name: str, dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype):
        built = FRONTENDS[name]()
    x = clips(2, SAMPLES)
    assert same_bits(built(x), FRONTENDS[name]()(x))


@pytest.mark.parametrize("name", FRONTENDS)
def test_built_under_a_default_of_half_precision(half: torch.dtype, name: str) -> None:
    """In float32, the same bits as ever: no layer computes in half precision."""
    x = clips(2, SAMPLES)
    built = FRONTENDS[name]()
    answer = built(x)
    torch.set_default_dtype(torch.float32)
    assert same_bits(answer, FRONTENDS[name]()(x))


def test_a_classifier_under_a_default_of_half_precision(half: torch.dtype) -> None:
    model = _classifier().eval()
    assert {each.dtype for each in model.state_dict().values()} == {torch.float32}
    assert model(clips(2, SAMPLES)).dtype == torch.float32
