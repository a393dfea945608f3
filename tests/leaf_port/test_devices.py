"""The other ways, for devices that lack an operation: the same function as the usual ones.

Run on the CPU, which is told to lack everything.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from leaf_port import _model_layers, frontend, normalization
from leaf_port._ops import clip, devices, fft_convolution
from leaf_port._ops.devices import Feature, lacks
from parity.spec.random_arrays import Source

FEATURES = typing.get_args(Feature)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the CPU lack everything from then on."""
    table = {**devices._LACKS, "cpu": frozenset(FEATURES)}
    return lambda: monkeypatch.setattr(devices, "_LACKS", table)


@pytest.mark.parametrize("feature", FEATURES)
def test_the_table(feature: Feature) -> None:
    """What has never been tried lacks everything."""
    assert not lacks(torch.device("cpu"), feature)
    assert not lacks(torch.device("cuda"), feature)
    assert lacks(torch.device("xla"), feature)
    assert lacks(torch.device("meta"), feature)


def _drawn(*shape: int) -> Tensor:
    return torch.from_numpy(Source(6).normal(shape)).double()


def _both(
    lacking: Callable[[], None], function: Callable[[Tensor], Tensor], x: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Output and gradient, the usual way and the other one."""
    found = []
    for step in (lambda: None, lacking):
        step()
        leaf = x.clone().requires_grad_()
        output = function(leaf)
        weights = torch.linspace(-1.0, 1.0, output.numel(), dtype=x.dtype).reshape(output.shape)
        (gradient,) = torch.autograd.grad((output * weights).sum(), leaf)
        found.append((output.detach(), gradient))
    return zip(*found, strict=True)


EPS = torch.finfo(torch.float64).eps

# How many terms each result is the sum or product of; 0 where both ways must give the same bits.
WAYS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "elu": (_model_layers.elu, 2),
    "selu": (_model_layers.selu, 3),
    "relu6": (_model_layers.relu6, 0),
    "average": (_model_layers.SameAvgPool2d("test", (3, 2)), 6),
    "layer norm": (normalization.LayerNormalization(11).double(), 11),
    "maximum": (lambda x: clip.max_pool2d(x, (2, 3)), 0),
    "maximum in time": (lambda x: clip.max_pool2d(x, (1, 5), (1, 2)), 0),
    "maximum of a map": (lambda x: clip.amax(x, (2, 3)), 0),
    "overlap": (lambda x: fft_convolution._overlap_and_add(x, 3), 0),
    "frames": (
        lambda x: (
            frontend.MelFilterbanks(4, window_len=2.0, window_stride=1.0, n_fft=64)
            .double()
            .frames(x.reshape(2, -1))
        ),
        0,
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_the_other_way_is_the_same_function(lacking: Callable[[], None], name: str) -> None:
    """Both in float64; ties and ends of the rectifiers among the values.

    Two sums of n terms in another order differ by at most (n - 1) eps of the magnitudes that enter:
    here the greatest result, or the weights of the gradient, which reach 1.
    """
    function, terms = WAYS[name]
    x = 4.0 * _drawn(2, 3, 8, 11)
    x[0, 0, 0, :4] = torch.tensor([0.0, -0.0, 6.0, 1e-300])
    for usual, other in _both(lacking, function, x):
        entering = max(1.0, usual.abs().max().item())
        assert (usual - other).abs().max().item() <= max(terms - 1, 0) * EPS * entering


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite(value: float) -> None:
    """A NaN does not disappear in a maximum."""
    x = _drawn(1, 1, 4, 6)
    x[0, 0, 1, 2] = value
    for name in ("elu", "relu6", "maximum"):
        function, terms = WAYS[name]
        usual = function(x)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(devices, "_LACKS", {})
            other = function(x)
        allowed = max(terms - 1, 0) * EPS  # of numbers in -1 to 0, where the two ways differ
        torch.testing.assert_close(usual, other, rtol=0, atol=allowed, equal_nan=True)


def test_a_bound_is_compared_in_the_dtype_of_its_argument() -> None:
    """1e-5 in float32 is below 1e-5 in float64: a tie is a tie in the argument's own numbers."""
    x = torch.tensor([1e-5, 0.4], requires_grad=True)
    lower, upper = clip.maximum(x[0], 1e-5), clip.minimum(x[1], 0.4)
    (gradient,) = torch.autograd.grad(lower + upper, x)
    assert gradient.tolist() == [1.0, 1.0]
