"""Padded batches with their lengths: each row is what its clip alone gives."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import leaf_port as lp

LENGTHS = [16000, 3000, 401, 16077, 3000, 1]
FRONTENDS: dict[str, Callable[[], lp.Leaf]] = {
    "Leaf": lp.Leaf,
    "Leaf, layer by layer": functools.partial(lp.Leaf, energies="direct"),
    "Leaf, normalised": functools.partial(lp.Leaf, mean_var_norm=True),
    "Leaf, pre-emphasis": functools.partial(lp.Leaf, preemp=True),
    "Leaf, symmetric": functools.partial(lp.Leaf, pooling_padding="SYMMETRIC"),
    "SincNet": lp.SincNet,
    "SincNet+": lp.SincNetPlus,
}


def padded(lengths: list[int], filler: float = float("nan")) -> Tensor:
    """Noise of these lengths; behind it what no frame may hear."""
    x = torch.full((len(lengths), max(lengths)), filler)
    for row, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(row)
        x[row, :length] = 0.1 * torch.randn(length, generator=generator)
    return x


@pytest.mark.parametrize("name", FRONTENDS)
@torch.no_grad()
def test_rows_are_their_clips(name: str) -> None:
    frontend = FRONTENDS[name]().eval()
    x = padded(LENGTHS)
    found = frontend(x, torch.tensor(LENGTHS))
    for row, length in enumerate(LENGTHS):
        wanted = frontend(x[row : row + 1, :length])[0]
        frames = int(frontend.frames(length))
        assert len(wanted) == frames
        # The order of a sum may change with the batch; a frame beside the right one is 1e-1 off.
        near = 1e-5 * float(wanted.abs().max())
        torch.testing.assert_close(found[row, :frames], wanted, rtol=0.0, atol=near)
        assert not found[row, frames:].any()


@pytest.mark.parametrize("energies", ["auto", "direct", "fft"])
def test_gradients_are_those_of_the_clips(energies: str) -> None:
    if energies == "fft" and lp.Leaf().why_layer_by_layer(torch.zeros(1, 401, 1)):
        pytest.skip("no kernel")
    frontend = lp.Leaf(energies=energies)  # type: ignore[arg-type]
    lengths = LENGTHS[:4]
    x = padded(lengths).requires_grad_()
    sources = [x, *frontend.parameters()]
    found = torch.autograd.grad(frontend(x, lengths).square().sum(), sources)
    alone = [frontend(x[i : i + 1, :n]).square().sum() for i, n in enumerate(lengths)]
    wanted = torch.autograd.grad(torch.stack(alone).sum(), sources)
    for one, other in zip(found, wanted, strict=True):
        assert float((one - other).norm() / other.norm()) < 1e-5
    for row, length in enumerate(lengths):
        assert not found[0][row, length:].any()


def test_second_order_gradients_are_those_of_the_clips() -> None:
    lengths = [900, 500]
    frontends = [lp.Leaf(n_filters=4), lp.Leaf(n_filters=4, energies="direct")]
    made = []
    for frontend in frontends:
        loss = frontend(padded(lengths, 0.0), lengths).square().sum()
        first = torch.autograd.grad(loss, list(frontend.parameters()), create_graph=True)
        total = sum((each.square().sum() for each in first[:2]), torch.zeros(()))
        made.append(torch.autograd.grad(total, frontend.complex_conv.parameters())[0])
    assert float((made[0] - made[1]).norm() / made[1].norm()) < 1e-4


def test_frames() -> None:
    leaf, valid = lp.Leaf(n_filters=4), lp.TimeDomainFilterbanks(n_filters=4)
    assert (leaf.frames(16000), leaf.frames(16001), leaf.frames(0)) == (100, 101, 0)
    assert (valid.frames(401), valid.frames(400), valid.frames(561)) == (1, 0, 2)
    assert torch.equal(leaf.frames(torch.tensor([1, 160, 161])), torch.tensor([1, 1, 2]))


def test_a_padded_clip_is_shifted_without_its_length() -> None:
    """What the argument is for."""
    leaf, x = lp.Leaf(n_filters=4), padded([1601], 0.0)
    longer = torch.nn.functional.pad(x, (0, 159))
    assert (leaf(longer) - leaf(x)).abs().max() > 1e-3
    assert torch.allclose(leaf(longer, [1601]), leaf(x), rtol=1e-5)


@pytest.mark.parametrize("lengths", [[1], [0, 5], [5, 11], [5, 2.5], [5, True]])
def test_wrong_lengths_are_refused(lengths: list[int]) -> None:
    with pytest.raises(lp.LeafError, match="2 whole numbers from 1 to 10"):
        lp.Leaf(n_filters=4)(torch.zeros(2, 10), lengths)


def test_a_clip_without_a_window_is_refused_as_it_is_alone() -> None:
    frontend = lp.TimeDomainFilterbanks(n_filters=4)
    with pytest.raises(lp.LeafError):
        frontend(torch.zeros(1, 300))
    with pytest.raises(lp.LeafError):
        frontend(torch.zeros(2, 500), [500, 300])


class Louder(lp.Leaf):
    """A class of the user's, whose energies know no lengths."""

    def energies(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return 2.0 * super().energies(inputs)


def test_a_class_with_energies_of_its_own() -> None:
    frontend, x = Louder(n_filters=4), padded([1600, 900])
    found = frontend(x, [1600, 900])
    torch.testing.assert_close(found[1:, :6], frontend(x[1:, :900]), rtol=1e-5, atol=1e-6)
