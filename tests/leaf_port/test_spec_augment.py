"""SpecAugment: how its random numbers are distributed, and when it does anything at all.

What it does with given draws is compared with the official code by ``parity``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from _layers import clips, inputs_of, same_bits
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

import leaf_port as lp
from leaf_port.postprocessing import SpecAugmentDraws

DRAWS = 100_000
FALSE_ALARM = 1e-9  # that a right distribution fails a test; the draws are seeded besides
SIZE = 40
NONE: dict[str, Any] = {"freq_mask_count": 0, "time_mask_count": 0, "time_warp_max_frames": 0}


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _fits(values: Tensor, chances: Sequence[float]) -> bool:
    """Whether whole numbers from 0 occur as often as they should: Pearson's chi-square."""
    counts = torch.bincount(values.long(), minlength=len(chances)).numpy()
    assert len(counts) == len(chances)
    expected = np.array(chances) * counts.sum()
    assert expected.min() > 5
    return float(stats.chisquare(counts, expected).pvalue) > FALSE_ALARM


def _uniform(values: Tensor, count: int) -> bool:
    return _fits(values, [1 / count] * count)


def _runs(axis: str, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Lengths and starts of the one run of zeros of each of many masked clips of ones."""
    layer = lp.SpecAugment(**{**NONE, f"{axis}_mask_count": 1, **kwargs})
    ones = torch.ones((DRAWS, SIZE, 1) if axis == "time" else (DRAWS, 1, SIZE))
    zeros = layer(ones, layer.draw(DRAWS, ones, _generator())).flatten(1) == 0
    changes = zeros[:, 1:] != zeros[:, :-1]
    assert (changes.sum(dim=1) <= 2).all()  # one run
    return zeros.sum(dim=1), zeros.int().argmax(dim=1)


@pytest.mark.parametrize("axis", ["time", "freq"])
def test_lengths_of_masks_are_uniform_and_exclude_the_longest(axis: str) -> None:
    lengths, _ = _runs(axis)
    assert _uniform(lengths, 10)


@pytest.mark.parametrize("axis", ["time", "freq"])
def test_starts_of_masks_are_uniform_over_where_they_fit(axis: str) -> None:
    lengths, starts = _runs(axis)
    for length in range(1, 10):
        assert _uniform(starts[lengths == length], SIZE - length + 1)


def test_long_masks_are_cut_to_their_share_of_the_clip() -> None:
    """0.1 of 40 frames: lengths 0 to 3 as before, all longer ones are 4."""
    lengths, _ = _runs("time", time_mask_max_ratio=0.1)
    assert _fits(lengths, [0.1, 0.1, 0.1, 0.1, 0.6])


def test_masks_are_cut_to_the_clip() -> None:
    lengths, starts = _runs("freq", freq_mask_max_bins=80)
    assert _fits(lengths, [1 / 80] * 40 + [0.5])
    assert (starts[lengths == SIZE] == 0).all()


def test_two_masks_are_independent() -> None:
    layer = lp.SpecAugment()
    draws = layer.draw(DRAWS, torch.ones(1), _generator())
    for lengths in (draws.time_lengths, draws.freq_lengths):
        assert lengths.shape == (DRAWS, 2)
        first, second = (lengths * 10).long().unbind(1)
        assert _uniform(10 * first + second, 100)
    both = torch.stack([draws.time_lengths[:, 0], draws.time_starts[:, 0]], dim=1)
    first, second = (both * 10).long().unbind(1)
    assert _uniform(10 * first + second, 100)


@pytest.mark.parametrize("most", [1, 8])
def test_shifts_are_uniform_over_whole_frames(most: int) -> None:
    """Both ends included."""
    layer = lp.SpecAugment(time_warp_max_frames=most)
    shift = layer.draw(DRAWS, torch.ones(1), _generator()).warp_shift
    assert torch.equal(shift, shift.round())
    assert _uniform(shift + most, 2 * most + 1)


def test_the_frame_that_is_moved_is_uniform_but_for_the_ends() -> None:
    """From 1 to frames - 2. With a ramp for a clip, a shift of 1 brings ``n`` to ``n + 1``.

    There the ramp lags by 1, elsewhere by less; sums of a dozen numbers up to 12 are rounded.
    """
    count, frames = 20_000, 12
    layer = lp.SpecAugment(**{**NONE, "time_warp_max_frames": 8})
    draws = layer.draw(count, torch.ones(1), _generator())._replace(warp_shift=torch.ones(count))
    ramp = torch.arange(float(frames))
    lag = ramp - layer(ramp[None, :, None].expand(count, frames, 1), draws)[..., 0]
    assert ((lag.amax(dim=1) - 1).abs() <= frames * frames * 2.0**-24).all()
    assert _uniform(lag.argmax(dim=1) - 2, frames - 2)


def test_draws_are_uniform_in_float64_too() -> None:
    draws = lp.SpecAugment().draw(DRAWS, torch.ones(1, dtype=torch.float64), _generator())
    for values in draws:
        assert values.dtype == torch.float64
    assert _uniform(draws.warp_origin * 50, 50)
    assert draws.warp_origin.min() >= 0
    assert draws.warp_origin.max() < 1


# When it does anything


def test_one_frame_is_masked_where_nothing_is_warped() -> None:
    """It is refused where something is: the official warp of one frame is NaN."""
    layer = lp.SpecAugment(time_warp_max_frames=0)
    outputs = layer(torch.ones(DRAWS, 1, 12), layer.draw(DRAWS, torch.ones(1), _generator()))
    assert set(outputs.unique().tolist()) == {0.0, 1.0}


def _nothing(**changes: Tensor) -> SpecAugmentDraws:
    """Draws that warp and mask nothing, but for the changes."""
    none = {name: torch.zeros(2, 2) for name in SpecAugmentDraws._fields}
    none |= {"warp_shift": torch.zeros(2), "warp_origin": torch.full((2,), 0.4)}
    return SpecAugmentDraws(**(none | changes))


@pytest.mark.parametrize(
    "layer",
    [
        lp.SpecAugment(**NONE),
        lp.SpecAugment(freq_mask_max_bins=0, time_mask_max_frames=0, time_warp_max_frames=0),
        lp.SpecAugment(freq_mask_count=0, time_mask_max_ratio=0.0, time_warp_max_ratio=0.0),
    ],
    ids=["no masks", "no lengths", "no share"],
)
def test_off_means_off(layer: lp.SpecAugment) -> None:
    x = inputs_of("SpecAugment")[0]
    assert same_bits(layer(x), x)


def test_masks_of_no_length_and_a_shift_of_no_frame_change_no_bit() -> None:
    x = inputs_of("SpecAugment")[0]
    assert same_bits(lp.SpecAugment()(x, _nothing()), x)


def test_outside_its_masks_nothing_changes() -> None:
    x = inputs_of("SpecAugment")[0]
    quarter = torch.full((2, 2), 0.25)
    output = lp.SpecAugment()(x, _nothing(time_lengths=quarter, freq_lengths=quarter))
    expected = x.clone()
    expected[:, :2] = 0  # int(0.25 * 10) frames from frame 0
    expected[:, :, :2] = 0
    assert same_bits(output.abs(), expected.abs())


def _leaf(**kwargs: Any) -> lp.Leaf:
    return lp.Leaf(n_filters=4, **kwargs)


def test_a_frontend_augments_in_training_only() -> None:
    augmented, plain, x = _leaf(spec_augment=True), _leaf(), clips(2, 4000)
    state = torch.get_rng_state()
    assert same_bits(augmented.eval()(x), plain(x))
    assert torch.equal(torch.get_rng_state(), state)
    assert not same_bits(augmented.train()(x), plain(x))
    assert same_bits(plain.train()(x), plain.eval()(x))


def test_a_frontend_augments_what_it_would_give_otherwise() -> None:
    """Compression and normalisation first; the draws are torch's global generator's."""
    frontend, x = _leaf(spec_augment=True, mean_var_norm=True), clips(2, 4000)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        augmented = frontend.train()(x)
        torch.manual_seed(7)
        draws = frontend.spec_augment_fn.draw(2, x)
    assert same_bits(augmented, frontend.spec_augment_fn(frontend.eval()(x), draws))


def test_the_same_draws_do_the_same() -> None:
    x, layer = inputs_of("SpecAugment")[0], lp.SpecAugment()
    first, second = (layer.draw(2, x, _generator()) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert same_bits(layer(x, first), layer(x, second))


def test_each_call_draws_anew() -> None:
    x, layer = torch.ones(50, 40, 40), lp.SpecAugment()
    assert not torch.equal(layer(x), layer(x))


def test_the_clips_of_a_batch_are_masked_on_their_own() -> None:
    layer = lp.SpecAugment(**{**NONE, "freq_mask_count": 1})
    masks = layer(torch.ones(200, 1, SIZE), layer.draw(200, torch.ones(1), _generator()))
    assert len(masks.flatten(1).unique(dim=0)) > 100


def test_masked_features_get_no_gradient() -> None:
    x = inputs_of("SpecAugment")[0].requires_grad_()
    layer = lp.SpecAugment(time_warp_max_frames=0)
    quarter = torch.full((2, 2), 0.25)
    output = layer(x, _nothing(time_lengths=quarter))
    slope = torch.autograd.grad(output.sum(), x)[0]
    assert not slope[:, :2].any()
    assert (slope[:, 2:] == 1).all()
