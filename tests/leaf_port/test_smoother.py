"""The smoother without a loop over time, against the loop and against exact fractions.

The error of the doubling is bounded term by term. The term ``decay^k b[t - k]`` takes the rounding
of ``decay^k`` by repeated squaring (k units), one product and one sum at each of L = ceil(log2(T))
doublings, and three for the first frame: ``k + 2 L + 3`` units of the term's magnitude. In a loop
it takes ``2 k + 2``. So with ``A[t] = sum |decay|^k |b|`` and ``K[t] = sum k |decay|^k |b|`` they
differ by at most ``u (K + (2 L + 3) A) + u (2 K + 2 A)``, second orders aside (hence 1.01).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
import torch
from _layers import same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import leaf_port as lp
from leaf_port._ops import scan
from parity.spec.random_arrays import Source

Array = npt.NDArray[np.float64]
SINGLE, DOUBLE = 2.0**-24, 2.0**-53
DECAYS = [0.0, 1e-3, 0.5, 0.96, 0.9999, 1.0, -0.5, -1.0, 1.0005]


def _draw(*shape: int, seed: int = 1) -> Array:
    return Source(seed).uniform(shape).astype(np.float64)


def _loop(b: Array, decay: Array, initial: Array) -> Array:
    """``m[t] = m[t - 1] decay + b[t]``; a decay of two axes is a matrix."""
    frames, m = [], initial
    for t in range(b.shape[1]):
        m = (m @ decay if decay.ndim == 2 else m * decay) + b[:, t]
        frames.append(m)
    return np.stack(frames, axis=1)


def _bound(b: Array, decay: Array, initial: Array, unit: float) -> Array:
    """See above; a product with a matrix of n rows rounds n times as often as one of numbers."""
    b, decay, initial = np.abs(b), np.abs(decay), np.abs(initial)
    first = initial @ decay if decay.ndim == 2 else initial * decay
    magnitudes = b.copy()
    magnitudes[:, 0] += first
    nothing = np.zeros_like(initial)
    a = _loop(magnitudes, decay, nothing)
    earlier = np.concatenate([nothing[:, None], a[:, :-1]], axis=1)
    k = _loop(earlier @ decay if decay.ndim == 2 else earlier * decay, decay, nothing)
    times = decay.shape[0] if decay.ndim == 2 else 1
    doublings = math.ceil(math.log2(max(b.shape[1], 2)))
    ours, loops = k + (2 * doublings + 3) * a, 2 * k + 2 * a
    return np.asarray(1.01 * times * (unit * ours + DOUBLE * loops))


def _ours(b: Array, decay: Array, initial: Array, dtype: torch.dtype) -> Tensor:
    given = [torch.from_numpy(each).to(dtype) for each in (b, decay, initial)]
    run = scan.matrix_recurrence if decay.ndim == 2 else scan.diagonal_recurrence
    return run(*given)


def _within(b: Array, decay: Array, initial: Array, dtype: torch.dtype = torch.float64) -> bool:
    unit = DOUBLE if dtype == torch.float64 else SINGLE
    if dtype == torch.float32:  # what float32 is given
        b, decay, initial = (each.astype(np.float32).astype(float) for each in (b, decay, initial))
    apart = np.abs(_ours(b, decay, initial, dtype).double().numpy() - _loop(b, decay, initial))
    return bool((apart <= _bound(b, decay, initial, unit)).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decay", DECAYS)
def test_long_clips(decay: float, dtype: torch.dtype) -> None:
    """10,000 frames; a decay of either sign, at and beyond 0 and 1."""
    assert _within(_draw(2, 10_000, 3), np.array([decay]), _draw(2, 3, seed=2), dtype)


@pytest.mark.parametrize("frames", range(1, 18))
def test_every_length(frames: int) -> None:
    """Around the powers of two; a decay for each channel."""
    assert _within(_draw(2, frames, 3), np.array([0.9, 0.3, 1.0]), _draw(2, 3, seed=2))


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9, 1000])
def test_matrices(frames: int) -> None:
    """Channels that mix."""
    decay = 0.3 * _draw(3, 3, seed=3) + 0.6 * np.eye(3)
    assert _within(_draw(2, frames, 3), decay, _draw(2, 3, seed=2))


SMALL = st.integers(-1024, 1024).map(lambda n: n / 256.0)
DECAY = st.integers(-300, 300).map(lambda n: n / 256.0) | st.floats(0.0, 1.0, width=16)


@given(data=st.data(), frames=st.integers(1, 12), decay=DECAY)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_against_fractions(data: Any, frames: int, decay: float) -> None:
    """No rounding on the other side: within ``u sum (k + 2 L + 3) |decay|^k |b|`` of the truth."""
    b = data.draw(st.lists(SMALL, min_size=frames, max_size=frames))
    first = data.draw(SMALL)
    given = np.array(b)[None, :, None], np.array([decay]), np.array([[first]])
    got = _ours(*given, torch.float64)[0, :, 0].tolist()
    doublings = math.ceil(math.log2(max(frames, 2)))
    for t in range(frames):
        terms = [Fraction(decay) ** k * Fraction(b[t - k]) for k in range(t + 1)]
        terms.append(Fraction(decay) ** (t + 1) * Fraction(first))
        units = sum((min(k, t + 1) + 2 * doublings + 3) * abs(term) for k, term in enumerate(terms))
        error = abs(Fraction(got[t]) - sum(terms))
        assert error <= Fraction(1.01) * Fraction(DOUBLE) * units + Fraction(2) ** -1022


SHAPES = {"a channel's own": (3,), "one for all": (1,), "matrix": (3, 3)}


# torch's own, where it takes forward derivatives of many at once.
@pytest.mark.filterwarnings(r"ignore:.torch\.jit\.\w+. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("frames", [1, 2, 6])
def test_derivatives_of_every_kind(shape: tuple[int, ...], frames: int) -> None:
    """Backwards and forwards, of second order, and of many at once: the doubling has its own."""
    run = scan.matrix_recurrence if len(shape) == 2 else scan.diagonal_recurrence
    drawn = (_draw(2, frames, 3), 0.4 * _draw(*shape, seed=2) + 0.1, _draw(2, 3, seed=3))
    given = tuple(torch.from_numpy(each).requires_grad_() for each in drawn)
    assert torch.autograd.gradcheck(
        run, given, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True
    )
    assert torch.autograd.gradgradcheck(run, given, check_fwd_over_rev=True)


def test_batches_by_vmap() -> None:
    b, decay, initial = (torch.from_numpy(_draw(*s)) for s in ((4, 2, 7, 3), (4, 3), (4, 2, 3)))
    mapped = torch.func.vmap(scan.diagonal_recurrence)(b, decay, initial)
    one_by_one = [scan.diagonal_recurrence(*each) for each in zip(b, decay, initial, strict=True)]
    assert same_bits(mapped, torch.stack(one_by_one))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_under_autocast(learned: bool, dtype: torch.dtype) -> None:
    """In the precision of the output: sums of 40 frames, up to k + 15 roundings off each (top)."""
    layer, x = lp.PCEN(3, learn_smooth_coef=learned, trainable=True), _x() / 4.0
    found = []
    for run in (scan.recurrence, scan._doubling):
        given = x.clone().requires_grad_()
        with mock.patch.object(scan, "recurrence", run), torch.autocast("cpu", dtype):
            smoothed = layer.ema(given, given[:, 0])
        smoothed.float().sum().backward()
        found.append((smoothed.detach(), given.grad))
    (ours, ours_grad), (steps, steps_grad) = found
    assert torch.equal(ours, steps)
    units = torch.finfo(ours.dtype).eps * steps_grad.abs().max()  # gradients are all positive
    assert (ours_grad - steps_grad).abs().max() <= 40 * units


def test_no_step_of_the_doubling_is_kept_for_the_gradient() -> None:
    """Two tensors, the smoothed one and the decay, however many steps it takes."""
    kept: list[tuple[int, ...]] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    b, decay = torch.ones(2, 1000, 3, requires_grad=True), torch.full((3,), 0.9).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scan.recurrence(b, decay)
    assert sorted(kept) == [(2, 1000, 3), (3,)]


def _average(w: float, channels: int = 3) -> lp.ExponentialMovingAverage:
    return lp.ExponentialMovingAverage(channels, w)


def _x(frames: int = 40) -> Tensor:
    return torch.from_numpy(_draw(2, frames, 3)).float() + 2.0


@pytest.mark.parametrize("w", [1.0, 1.5, 1e9])
def test_coefficients_from_1_forget_everything(w: float) -> None:
    assert same_bits(_average(w)(_x(), _x()[:, 0]), _x())


@pytest.mark.parametrize("w", [0.0, -0.5, -1e9])
def test_coefficients_to_0_learn_nothing(w: float) -> None:
    state = _x()[:, 5]
    assert same_bits(_average(w)(_x(), state), state[:, None].expand(2, 40, 3))


def test_fixed_and_learned_smoothers_agree() -> None:
    """For w = 1/4, which no arithmetic rounds, the matrices are diagonal: the same bits."""
    fixed = lp.PCEN(3, smooth_coef=0.25)
    learned = lp.PCEN(3, smooth_coef=0.25, learn_smooth_coef=True)
    assert same_bits(fixed(_x()), learned(_x()))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("w", [0.0, 0.04, 0.5, 1.0])
@pytest.mark.parametrize("at", [0, 1, 17, 39])
def test_a_bad_frame_is_not_seen_before_it_comes(w: float, at: int, bad: float) -> None:
    """Its clip and channel are not finite from there on; all the rest is untouched."""
    x, state = _x(), _x()[:, 5]
    clean = _average(w)(x, state)
    x[1, at, 2] = bad
    spoilt = _average(w)(x, state)
    assert not spoilt[1, at:, 2].isfinite().any()
    spoilt[1, at:, 2] = clean[1, at:, 2]
    assert same_bits(spoilt, clean)


@pytest.mark.parametrize("decay", [0.5, 1e-3, -0.5, -1e-30])
def test_an_infinity_stays_one(decay: float) -> None:
    """As in the loop, also where the decay's power underflows."""
    b = np.array([1.0, 2.0, math.inf, *np.ones(600)])[None, :, None]
    given_decay, initial = np.array([decay]), np.ones((1, 1))
    ours = _ours(b, given_decay, initial, torch.float32).numpy()
    assert np.array_equal(np.isinf(ours), np.isinf(_loop(b, given_decay, initial)))
    assert not np.isnan(ours).any()


@pytest.mark.parametrize("learned", [False, True])
def test_a_bad_frame_of_pcen_spoils_no_earlier_one(learned: bool) -> None:
    """The fixed smoother's matrices carry it over to the clip's other channels."""
    layer, x = lp.PCEN(3, learn_smooth_coef=learned), _x()
    clean = layer(x)
    x[1, 17, 2] = math.nan
    spoilt = layer(x)
    assert spoilt[1, 17:, 2].isnan().all()
    assert same_bits(spoilt[1, :17], clean[1, :17])
    assert same_bits(spoilt[0], clean[0])
    assert spoilt[1, 17:, :2].isfinite().all() == learned
