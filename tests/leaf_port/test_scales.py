"""Initial filters on other scales than the official mel filters, against the published formulas."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.integrate import quad
from torch import nn

import leaf_port as lp
from leaf_port import scales

Map = Callable[[Any], Any]

SPACED = ("mel", "bark", "erb", "linear")
LOW, HIGH, RATE = 60.0, 7800.0, 16000

# The scales

# Upper edges of the critical bands 1 to 24, in Hz: E. Zwicker, "Subdivision of the audible
# frequency range into critical bands", J. Acoust. Soc. Am. 33 (1961), 248.
CRITICAL_BANDS = [
    *(100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720),
    *(2000, 2320, 2700, 3150, 3700, 4400, 5300, 6400, 7700, 9500, 12000, 15500),
]


@pytest.mark.parametrize(("bark", "hertz"), list(enumerate(CRITICAL_BANDS, start=1)))
def test_bark_is_the_number_of_critical_bands(bark: int, hertz: float) -> None:
    assert scales.hz2bark(hertz) == pytest.approx(bark, abs=0.05)


def test_bark_in_the_middle_is_the_plain_formula() -> None:
    assert scales.hz2bark(1000.0) == pytest.approx(26.81 / (1 + 1960 / 1000) - 0.53, rel=1e-14)


@pytest.mark.parametrize("hertz", [50.0, 1000.0, 8000.0])
def test_erb_counts_equivalent_rectangular_bandwidths(hertz: float) -> None:
    """The integral of 1 / (24.7 (4.37 f / 1000 + 1)); the published factor is rounded to 21.4."""
    count, _ = quad(lambda f: 1 / (24.7 * (4.37 * f / 1000 + 1)), 0.0, hertz)
    assert scales.hz2erb(hertz) == pytest.approx(count, rel=5e-3)


@pytest.mark.parametrize(
    ("there", "back"), [(scales.hz2bark, scales.bark2hz), (scales.hz2erb, scales.erb2hz)]
)
def test_each_scale_has_its_inverse(there: Map, back: Map) -> None:
    hertz = np.linspace(0.0, 24000.0, 4801)
    assert (np.diff(there(hertz)) > 0).all()
    np.testing.assert_allclose(back(there(hertz)), hertz, rtol=1e-12, atol=1e-9)


# The filters


def _on_scale(scale: str, hertz: float) -> float:
    """The published formulas once more."""
    if scale == "mel":
        return 2595 * math.log10(1 + hertz / 700)
    if scale == "erb":
        return 21.4 * math.log10(4.37 * hertz / 1000 + 1)
    if scale == "linear":
        return hertz
    z = 26.81 / (1 + 1960 / hertz) - 0.53
    if z < 2:
        return z + 0.15 * (2 - z)
    return z + 0.22 * (z - 20.1) if z > 20.1 else z


@pytest.mark.parametrize("filters", [1, 5, 40])
@pytest.mark.parametrize("scale", SPACED)
def test_centres_are_equally_spaced(scale: str, filters: int) -> None:
    leaf = lp.Leaf(n_filters=filters, complex_conv_init=lp.ScaleInit(scale, RATE, LOW, HIGH))
    points = [LOW, *leaf.center_frequencies().tolist(), HIGH]
    steps = np.diff([_on_scale(scale, hertz) for hertz in points])
    np.testing.assert_allclose(steps, steps.mean(), rtol=1e-4)  # of float32 centres


def _triangle(scale: str, hertz: float, low: float, peak: float, high: float) -> float:
    low, peak, high, at = (_on_scale(scale, f) for f in (low, peak, high, hertz))
    return min((at - low) / (peak - low), (high - at) / (high - peak))


@pytest.mark.parametrize("scale", SPACED)
def test_widths_are_those_of_the_triangles_roots(scale: str) -> None:
    """Where the square root of a triangle is a half, a triangle is a quarter."""
    leaf = lp.Leaf(n_filters=12, complex_conv_init=lp.ScaleInit(scale, RATE, LOW, HIGH))
    centers = [LOW, *leaf.center_frequencies().tolist(), HIGH]
    for i, width in enumerate(leaf.bandwidths().tolist(), start=1):
        corners = centers[i - 1 : i + 2]
        grid = np.linspace(corners[0], corners[2], 4001)
        inside = [_triangle(scale, hertz, *corners) >= 0.25 for hertz in grid]
        assert np.mean(inside) * (corners[2] - corners[0]) == pytest.approx(width, rel=2e-3)


def test_on_mel_the_filters_are_within_a_bin_of_the_official_ones() -> None:
    official, ours = lp.Leaf(), lp.Leaf(complex_conv_init=lp.ScaleInit("mel", RATE, LOW, HIGH))
    a_bin = RATE / 512
    for of in ("center_frequencies", "bandwidths"):
        apart = getattr(official, of)() - getattr(ours, of)()
        assert 0 < float(apart.abs().max()) <= a_bin


def test_constant_filters_are_all_alike() -> None:
    values = lp.ScaleInit("constant", RATE, LOW, HIGH)((5, 2), torch.float64)
    assert torch.equal(values, values[:1].expand(5, 2))
    geometric_mean = math.exp((math.log(LOW) + math.log(HIGH)) / 2)
    base = math.exp(math.log(LOW) + (math.log(HIGH) - math.log(LOW)) / 2.5)
    radians, sigma = values[0].tolist()
    assert radians * RATE / (2 * math.pi) == pytest.approx(geometric_mean)
    assert sigma == pytest.approx(RATE / 2 / base)


# Two frontends


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("scale", SPACED)
def test_for_a_sample_rate(scale: str, rate: int) -> None:
    high = min(7800.0, 0.975 * rate / 2)
    leaf = lp.Leaf.for_sample_rate(rate, scale=scale)
    by_hand = lp.Leaf(sample_rate=rate, complex_conv_init=lp.ScaleInit(scale, rate, 60.0, high))
    assert torch.equal(leaf.complex_conv.kernel, by_hand.complex_conv.kernel)
    centers = leaf.center_frequencies()
    assert bool((centers.diff() > 0).all())
    assert 60 < float(centers[0]) < float(centers[-1]) < high


@pytest.mark.parametrize("scale", scales.SCALES)
def test_taps_have_the_same_bands(scale: str) -> None:
    """Measured on the response of the taps; narrow filters are widened by the window of 25 ms."""
    leaf = lp.Leaf.for_sample_rate(RATE, scale=scale)
    banks = lp.TimeDomainFilterbanks.for_sample_rate(RATE, scale=scale)
    resolution = RATE / 8192  # of the measured spectrum
    apart = (banks.center_frequencies() - leaf.center_frequencies()).abs()
    assert float(apart.max()) <= resolution
    wide = leaf.bandwidths() > 100
    apart = (banks.bandwidths() - leaf.bandwidths()).abs()
    assert float((apart / leaf.bandwidths())[wide].max()) < 0.04
    assert banks(torch.zeros(1, 1600)).shape == (1, 8, 40)


def test_taps_have_the_energy_of_the_triangles() -> None:
    taps = lp.ScaleInit("linear", RATE, 0.0, 8000.0)((401, 1, 2 * 7), torch.float64)
    energy = taps.square().sum(dim=(0, 1)).reshape(7, 2).sum(dim=1)
    in_radians = math.pi / 8  # half of a base of 2000 Hz, of 8000 Hz to pi
    torch.testing.assert_close(energy, torch.full((7,), in_radians).double(), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("scale", scales.SCALES)
def test_a_folder_tells_the_scale(scale: str, tmp_path: Path) -> None:
    init = {"scale": scale, "sample_rate": 8000, "min_freq": 80.0, "max_freq": 3900.0}
    made = lp.Leaf(n_filters=4, sample_rate=8000, complex_conv_init=lp.ScaleInit(**init))
    tree = {"kind": "ScaleInit", "arguments": init}
    given = {"n_filters": 4, "sample_rate": 8000, "complex_conv_init": tree}
    loaded = _loaded(tmp_path, made, {"kind": "Leaf", "arguments": given})
    assert torch.equal(loaded.center_frequencies(), made.center_frequencies())


def test_a_folder_of_filterbanks_tells_the_scale(tmp_path: Path) -> None:
    made = lp.TimeDomainFilterbanks(n_filters=4, scale="erb")
    tree = {"kind": "TimeDomainFilterbanks", "arguments": {"n_filters": 4, "scale": "erb"}}
    clip = torch.randn(1, 1600, generator=torch.Generator().manual_seed(0))
    assert torch.equal(_loaded(tmp_path, made, tree)(clip), made(clip))


def _loaded(folder: Path, made: nn.Module, tree: dict[str, object]) -> lp.Leaf:
    save_file(made.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"format_version": 1, **tree}))
    return type(made).from_pretrained(folder)  # type: ignore[attr-defined]


# What is refused


@pytest.mark.parametrize(
    ("argument", "arguments"),
    [
        ("scale", ("cents",)),
        ("scale", (None,)),
        ("max_freq", ("bark", 8000)),
        ("min_freq", ("erb", 16000, 4000.0, 4000.0)),
        ("min_freq", ("constant", 16000, 0.0, 4000.0)),
        ("sample_rate", ("linear", -1)),
    ],
)
def test_refused_when_built(argument: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(lp.LeafError) as caught:
        lp.ScaleInit(*arguments)  # type: ignore[arg-type]
    assert (caught.value.owner, caught.value.argument) == ("ScaleInit", argument)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (401, 2, 8), (401, 1, 7)])
def test_a_shape_of_no_gabor_filters_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(lp.LeafError, match="ScaleInit: shape"):
        lp.ScaleInit("bark")(shape, torch.float32)


def test_the_default_stays_official() -> None:
    made = lp.Leaf.for_sample_rate(8000)
    official = lp.GaborInit(8000, 60.0, 3900.0)((40, 2), torch.float32)
    assert torch.equal(made.complex_conv.get_parameter("kernel"), official)
