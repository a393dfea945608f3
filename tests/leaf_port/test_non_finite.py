"""NaN and infinity in a waveform: never hidden where they are heard, never heard elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from _layers import clips, same_bits
from torch import Tensor, nn

import leaf_port as lp

SAMPLES, STRIDE, WINDOW = 6400, 160, 401
AT = 3200

# Frontends whose frames hear a stretch of the waveform and nothing else. Leaf is computed layer by
# layer: at once the frames of a block share their rounding (test_energies).
LOCAL: dict[str, Callable[[], nn.Module]] = {
    "Leaf": lambda: lp.Leaf(n_filters=4, compression_fn=None, energies="direct"),
    "Leaf, real": lambda: lp.Leaf(n_filters=4, compression_fn=None, arithmetic="real"),
    "Leaf, log": lambda: lp.Leaf(n_filters=4, compression_fn=lp.log_compression, energies="direct"),
    "TimeDomainFilterbanks": lambda: lp.TimeDomainFilterbanks(n_filters=4),
    "SincNet": lambda: lp.SincNet(n_filters=4),
    "MelFilterbanks": lambda: lp.MelFilterbanks(n_filters=4),
}
# Those whose frames hear all that came before.
CAUSAL: dict[str, Callable[[], nn.Module]] = {
    "Leaf, PCEN": lambda: lp.Leaf(n_filters=4, energies="direct"),
    "Leaf, PCEN, real": lambda: lp.Leaf(n_filters=4, arithmetic="real"),
    "Leaf, fixed PCEN": lambda: lp.Leaf(n_filters=4, compression_fn=lp.PCEN(4), energies="direct"),
    "SincNetPlus": lambda: lp.SincNetPlus(n_filters=4),
}


def _hears(name: str) -> list[bool]:
    """Which frames hear the sample: those whose pooling window meets a filter's window around it.

    SAME pooling pads 120 of 241 samples on the left of 6,400; VALID none. The mel filterbank's
    frames start at their own sample and have one window.
    """
    half = WINDOW // 2
    if name == "MelFilterbanks":
        left, first, last = 0, AT, AT
    else:
        left = 0 if name == "TimeDomainFilterbanks" else (39 * STRIDE + WINDOW - SAMPLES) // 2
        first, last = AT - half, AT + half
    frames = 38 if name == "TimeDomainFilterbanks" else SAMPLES // STRIDE
    starts = [n * STRIDE - left for n in range(frames)]
    return [start <= last and start + WINDOW > first for start in starts]


def _spoilt(frontend: nn.Module, bad: float) -> tuple[Tensor, Tensor]:
    """The features of two clips as they are, and with a bad sample in the second."""
    x = clips(2, SAMPLES)
    with torch.no_grad():
        clean = frontend(x)
        x[1, AT] = bad
        return clean, frontend(x)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", LOCAL)
def test_frames_that_hear_it_are_not_finite_and_others_are_untouched(name: str, bad: float) -> None:
    clean, spoilt = _spoilt(LOCAL[name](), bad)
    heard = torch.tensor(_hears(name))
    assert clean.isfinite().all()
    assert 3 <= heard.sum() <= 6
    if name == "SincNet" and math.isinf(bad):  # a maximum may be of taps that give minus infinity
        heard_surely = heard & heard.roll(1) & heard.roll(-1)
        assert not spoilt[1, heard_surely].isfinite().any()
    else:
        assert not spoilt[1, heard].isfinite().any()
    assert same_bits(spoilt[1, ~heard], clean[1, ~heard])
    assert same_bits(spoilt[0], clean[0])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", CAUSAL)
def test_frames_before_it_are_untouched(name: str, bad: float) -> None:
    """PCEN remembers: a NaN stays for the rest of the clip."""
    clean, spoilt = _spoilt(CAUSAL[name](), bad)
    heard = torch.tensor(_hears(name))
    first = int(heard.int().argmax())
    assert first > 15
    assert same_bits(spoilt[1, :first], clean[1, :first])
    assert same_bits(spoilt[0], clean[0])
    assert not spoilt[1, heard].isfinite().any()
    if math.isnan(bad):
        assert spoilt[1, first:].isnan().all()


def test_normalisation_over_the_clip_spreads_it_over_the_clip() -> None:
    frontend = lp.Leaf(n_filters=4, mean_var_norm=True, compression_fn=None)
    clean, spoilt = _spoilt(frontend, math.nan)
    assert spoilt[1].isnan().all()
    assert same_bits(spoilt[0], clean[0])


@pytest.mark.parametrize("name", [*LOCAL, *CAUSAL])
def test_silence_and_loudness_are_finite(name: str) -> None:
    """No 0 / 0 in silence; energies of a clip at 1e15 are still within float32."""
    frontend = {**LOCAL, **CAUSAL}[name]()
    with torch.no_grad():
        for level in (0.0, 1e-30, 1e15):
            assert frontend(level * clips(2, 2000)).isfinite().all()


@pytest.mark.parametrize("name", [*LOCAL, *CAUSAL])
def test_gradients_of_silence_are_finite(name: str) -> None:
    frontend = {**LOCAL, **CAUSAL}[name]()
    x = torch.zeros(2, 2000, requires_grad=True)
    frontend(x).sum().backward()
    trained = [weight for weight in frontend.parameters() if weight.requires_grad]
    assert all(each.grad is not None and each.grad.isfinite().all() for each in [x, *trained])
