"""Convolutions block by block are torch's own, to the rounding of float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from parity.checks import blocked_convolution
from parity.checks.blocked_convolution import BLOCK, faster

_aten = torch.ops.aten
FORWARD, BACKWARD = _aten.convolution.default, _aten.convolution_backward.default
EPS = 2.0**-53


def _drawn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _how(padding: int) -> tuple[object, ...]:
    return [1], [padding], [1], False, [0], 1


def _same(got: Tensor, expected: Tensor, magnitudes: Tensor, terms: int) -> None:
    """Two sums of so many terms in other orders (Higham 2002, section 4.2)."""
    assert got.shape == expected.shape
    assert bool(((got - expected).abs() <= 2 * terms * EPS * magnitudes).all())


@pytest.mark.parametrize("samples", [101, BLOCK + 100, BLOCK + 101, 3 * BLOCK + 37])
@pytest.mark.parametrize("padding", [0, 50])
@pytest.mark.parametrize("channels", [1, 3])
def test_blocks_add_up_what_one_call_does(samples: int, padding: int, channels: int) -> None:
    x, h, b = _drawn(2, channels, samples), _drawn(4, channels, 101), _drawn(4)
    arguments = x, h, b, *_how(padding)
    assert faster(FORWARD, arguments) is not FORWARD
    terms = channels * 101 + 1
    magnitudes = FORWARD(x.abs(), h.abs(), b.abs(), *_how(padding))
    expected = FORWARD(*arguments)
    _same(faster(FORWARD, arguments)(*arguments), expected, magnitudes, terms)

    g = _drawn(*expected.shape)
    arguments = g, x, h, [4], *_how(padding), [True, True, True]
    absolute = g.abs(), x.abs(), h.abs(), [4], *_how(padding), [True, True, True]
    assert faster(BACKWARD, arguments) is not BACKWARD
    terms = 4 * 101 + 2 * g.shape[2]
    for got, one, magnitude in zip(
        faster(BACKWARD, arguments)(*arguments),
        BACKWARD(*arguments),
        BACKWARD(*absolute),
        strict=True,
    ):
        _same(got, one, magnitude, terms)


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False)])
def test_only_what_is_wanted_is_computed(wanted: tuple[bool, bool, bool]) -> None:
    x, h, g = _drawn(1, 1, 400), _drawn(2, 1, 101), _drawn(1, 2, 300)
    arguments = g, x, h, None, *_how(0), list(wanted)
    made = faster(BACKWARD, arguments)(*arguments)
    assert [one is not None for one in made] == list(wanted)


@pytest.mark.parametrize(
    "change",
    [{3: [2]}, {5: [2]}, {6: True}, {8: 3}, {0: _drawn(1, 3, 300).float()}, {1: _drawn(6, 3, 9)}],
    ids=["stride", "dilation", "transposed", "groups", "float32", "short"],
)
def test_what_it_does_not_know_is_left_to_torch(change: dict[int, object]) -> None:
    arguments = [_drawn(1, 3, 300), _drawn(6, 3, 101), None, [1], [0], [1], False, [0], 1]
    assert blocked_convolution.faster(FORWARD, arguments) is not FORWARD
    for at, value in change.items():
        arguments[at] = value
    assert blocked_convolution.faster(FORWARD, arguments) is FORWARD
