"""Frontends share nothing; clips of a batch, their order and their place change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from _layers import FRONTENDS, LEARNED, SAMPLES, call, clips, make, same_bits, tensors_of
from _rounding import apart, chain, units
from torch import Tensor, nn

import leaf_port as lp

STRIDE = 160
ADDED = chain(401)  # another batch or place: another order of the same sums

# Two frontends


@pytest.mark.parametrize("name", FRONTENDS)
def test_two_frontends_share_no_module_and_no_memory(name: str) -> None:
    """Two default Leafs of the official code share one PCEN."""
    first, second = FRONTENDS[name](), FRONTENDS[name]()
    modules = {id(module) for module in first.modules()}
    assert not modules & {id(module) for module in second.modules()}
    memory = {tensor.data_ptr() for tensor in tensors_of(first).values()}
    assert not memory & {tensor.data_ptr() for tensor in tensors_of(second).values()}


@pytest.mark.parametrize("name", LEARNED)
def test_training_one_frontend_leaves_the_other(name: str) -> None:
    first, second = FRONTENDS[name](), FRONTENDS[name]()
    before = {key: tensor.clone() for key, tensor in tensors_of(second).items()}
    optimizer = torch.optim.SGD(first.parameters(), lr=0.1)
    first(clips(2, SAMPLES)).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(tensors_of(second)[key], value) for key, value in before.items())
    assert all(weight.grad is None for weight in second.parameters())


@pytest.mark.parametrize(
    "frontend",
    [lp.Leaf, lp.TimeDomainFilterbanks, lp.SincNet, lp.SincNetPlus, lp.MelFilterbanks],
)
def test_frontends_of_different_widths_stand_side_by_side(
    frontend: Callable[..., nn.Module],
) -> None:
    """The official code fails with the second default Leaf of another width."""
    widths = (1, 5, 40)
    shapes = [call(frontend(n_filters=n), [clips(1, 800)]).shape[-1] for n in widths]
    assert shapes == list(widths)


def test_an_initialiser_can_be_used_twice() -> None:
    """Its values are copied into each layer."""
    values = torch.full((1, 1, 4, 1), 0.3)
    first, second = (
        lp.GaussianLowpass(4, 25, kernel_initializer=lambda *_: values, trainable=True)
        for _ in range(2)
    )
    with torch.no_grad():
        first.kernel.add_(0.1)
    assert torch.equal(second.kernel, values)
    assert (values == torch.tensor(0.3)).all()


# Clips of a batch


def _unit(name: str, x: Tensor) -> Tensor:
    exact = make(name).double()
    return ADDED * units(lambda: [exact(x.double())])[0]


@pytest.mark.parametrize("name", FRONTENDS)
def test_a_clip_alone_and_in_a_batch(name: str) -> None:
    frontend, x = make(name), clips(5, SAMPLES)
    batched, unit = call(frontend, [x]), _unit(name, x)
    for i in range(5):
        assert apart(call(frontend, [x[i : i + 1]]), batched[i : i + 1], unit[i : i + 1]) <= 1


@pytest.mark.parametrize("name", FRONTENDS)
def test_the_order_of_clips_does_not_matter(name: str) -> None:
    frontend, x = make(name), clips(5, SAMPLES)
    order = torch.tensor([3, 0, 4, 1, 2])
    got, expected = call(frontend, [x[order]]), call(frontend, [x])[order]
    assert apart(got, expected, _unit(name, x)[order]) <= 1


@pytest.mark.parametrize("name", FRONTENDS)
def test_a_loud_neighbour_is_not_heard(name: str) -> None:
    frontend, x = make(name), clips(2, SAMPLES)
    expected, unit = call(frontend, [x])[:1], _unit(name, x)[:1]
    x[1] *= 1e6
    assert apart(call(frontend, [x])[:1], expected, unit) <= 1


@pytest.mark.parametrize("name", FRONTENDS)
def test_a_channel_axis_and_memory_layouts_change_nothing(name: str) -> None:
    frontend, x = make(name), clips(2, SAMPLES)
    expected, unit = call(frontend, [x]), _unit(name, x)
    spread = torch.stack([x, -x], dim=-1)[..., 0]  # every other number in memory
    for same in (x[..., None], spread, x.T.contiguous().T):
        assert apart(call(frontend, [same]), expected, unit) <= 1


@pytest.mark.parametrize("name", FRONTENDS)
def test_the_same_bits_twice(name: str) -> None:
    frontend, x = make(name), clips(3, SAMPLES)
    before = x.clone()
    assert same_bits(call(frontend, [x]), call(frontend, [x]))
    assert same_bits(x, before)  # and the input is left alone
    assert same_bits(call(make(name), [x]), call(frontend, [x]))


@pytest.mark.parametrize("name", LEARNED)
def test_the_same_gradients_twice(name: str) -> None:
    frontend, x = make(name), clips(3, SAMPLES)
    trained = [weight for weight in frontend.parameters() if weight.requires_grad]
    first, second = (torch.autograd.grad(frontend(x).sum(), trained) for _ in range(2))
    assert all(same_bits(one, other) for one, other in zip(first, second, strict=True))


# Place in time

SHIFTED = {
    "Leaf": lambda: lp.Leaf(n_filters=4, compression_fn=None),
    "Leaf, log": lambda: lp.Leaf(n_filters=4, compression_fn=lp.log_compression),
    "Leaf, pre-emphasis": lambda: lp.Leaf(n_filters=4, compression_fn=None, preemp=True),
    "TimeDomainFilterbanks": FRONTENDS["TimeDomainFilterbanks"],
    "SincNet": FRONTENDS["SincNet"],
    "MelFilterbanks": FRONTENDS["MelFilterbanks"],
}


@pytest.mark.parametrize("strides", [1, 3])
@pytest.mark.parametrize("name", SHIFTED)
def test_a_clip_that_starts_later_gives_its_frames_earlier(name: str, strides: int) -> None:
    """By whole strides, away from the ends: those that hear neither (a filter's window and the
    pooling's, 401 samples each: under 3 frames).
    """
    frontend, long = SHIFTED[name](), clips(2, 4000 + strides * STRIDE)
    exact, early = SHIFTED[name]().double(), long[:, :4000]
    unit = ADDED * units(lambda: [exact(early.double())])[0]
    got, expected = call(frontend, [long[:, strides * STRIDE :]]), call(frontend, [early])
    inner = slice(3 + strides, expected.shape[1] - 3)
    moved = got[:, 3 : got.shape[1] - 3 - strides]
    assert apart(moved, expected[:, inner], unit[:, inner]) <= 1


@pytest.mark.parametrize("name", ["Leaf", "SincNetPlus"])
def test_pcen_hears_no_future(name: str) -> None:
    """A longer clip has the same first frames, but for those at the shorter one's end.

    SAME pads 4000 and 6400 samples (both multiples of the stride) alike on the left.
    """
    frontend, long = make(name), clips(2, 6400)
    short = call(frontend, [long[:, :4000]])
    unit = _unit(name, long[:, :4000])
    first = short.shape[1] - 3
    got = call(frontend, [long])[:, :first]
    assert apart(got, short[:, :first], unit[:, :first]) <= 1
