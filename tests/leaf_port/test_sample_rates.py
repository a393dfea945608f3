"""Frontends for other sample rates: where their filters lie, and how wide they are."""

from __future__ import annotations

import json
import math
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import leaf_port as lp
from leaf_port import _rates, pretrained

ROOT = Path(__file__).resolve().parents[2]
BANDED = [lp.Leaf, lp.TimeDomainFilterbanks, lp.MelFilterbanks]
ALL = [*BANDED, lp.SincNet, lp.SincNetPlus]


@pytest.mark.parametrize("kind", ALL)
def test_at_16_khz_it_is_the_official_one(kind: type[lp.Leaf]) -> None:
    x = 0.1 * torch.randn(1, 3200, generator=torch.Generator().manual_seed(0))
    assert torch.equal(kind.for_sample_rate(16000)(x), kind()(x))


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("kind", BANDED)
def test_filters_span_the_band_and_are_distinct(kind: type[lp.Leaf], rate: int) -> None:
    centers = kind.for_sample_rate(rate).center_frequencies()
    assert bool((centers.diff() > 0).all())
    assert 60.0 < float(centers[0]) < 120.0
    highest = min(7800.0, 0.975 * rate / 2)
    assert 0.9 * highest < float(centers[-1]) < highest


@pytest.mark.parametrize("kind", BANDED)
def test_a_band_of_the_users(kind: type[lp.Leaf]) -> None:
    centers = kind.for_sample_rate(44100, min_freq=2000.0, max_freq=20000.0).center_frequencies()
    assert 2000.0 < float(centers[0]) < float(centers[-1]) < 20000.0


@pytest.mark.parametrize("kind", [lp.SincNet, lp.SincNetPlus])
def test_sinc_filters_scale_with_the_rate(kind: type[lp.Leaf]) -> None:
    one, other = kind.for_sample_rate(8000), kind.for_sample_rate(16000)
    torch.testing.assert_close(2 * one.center_frequencies(), other.center_frequencies())
    torch.testing.assert_close(2 * one.bandwidths(), other.bandwidths())


def test_widths_of_gabor_filters_are_those_of_their_response() -> None:
    """Half of the greatest magnitude, as measured on the taps themselves."""
    leaf = lp.Leaf()
    taps = leaf.complex_conv.impulse_responses()
    whole = torch.view_as_complex(taps.double())
    spectra = torch.fft.fft(whole, n=1 << 16, dim=-1).abs()
    measured = (spectra >= spectra.amax(-1, keepdim=True) / 2).sum(-1) * 16000 / (1 << 16)
    wide = leaf.bandwidths() > 100  # narrower ones are cut off by the window of 25 ms
    torch.testing.assert_close(
        measured[wide].double(), leaf.bandwidths()[wide], rtol=2e-2, atol=0.0
    )


def test_centers_follow_the_weights() -> None:
    leaf = lp.Leaf(n_filters=4)
    with torch.no_grad():
        leaf.complex_conv.kernel[:, 0] = math.pi / 2
    assert leaf.center_frequencies().tolist() == pytest.approx([4000.0] * 4)
    assert (leaf.n_filters, leaf.sample_rate) == (4, 16000)


def test_log_by_name() -> None:
    x = 0.1 * torch.randn(1, 3200, generator=torch.Generator().manual_seed(0))
    energies = lp.Leaf(compression_fn=None)(x)
    assert torch.equal(lp.Leaf(compression_fn="log")(x), lp.log_compression(energies))


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert lp.__version__ == project["version"]


# The warning of filters for another rate


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was not warned yet."""
    monkeypatch.setattr(_rates, "_warned", set())


def _told(act: Callable[[], object]) -> list[str]:
    """What is warned of, in words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    assert all(each.category is lp.SampleRateWarning for each in caught)
    assert all(each.filename == __file__ for each in caught)  # the line of the caller
    return [str(each.message) for each in caught]


@pytest.mark.usefixtures("untold")
def test_the_official_filters_at_another_rate_are_told_once() -> None:
    (told,) = _told(lambda: lp.Leaf(n_filters=4, sample_rate=8000))
    assert "Leaf.for_sample_rate(8000)" in told
    assert "30 to 3900 Hz" in told
    assert _told(lambda: lp.Leaf(n_filters=4, sample_rate=8000)) == []
    assert _told(lambda: lp.Leaf(n_filters=4, sample_rate=44100)) == []


SILENT: dict[str, Callable[[], object]] = {
    "16 kHz": lambda: lp.Leaf(n_filters=4),
    "for_sample_rate": lambda: [kind.for_sample_rate(8000, n_filters=4) for kind in ALL],
    "an initialiser": lambda: lp.Leaf(
        n_filters=4, sample_rate=8000, complex_conv_init=lp.GaborInit(16000, 60.0, 7800.0)
    ),
    "filters for the rate": lambda: lp.TimeDomainFilterbanks(8000, max_freq=3900.0, n_filters=4),
    "filters that scale": lambda: lp.SincNet(n_filters=4, sample_rate=8000),
}


@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize("name", SILENT)
def test_nothing_else_is_told(name: str) -> None:
    assert _told(SILENT[name]) == []


@pytest.mark.usefixtures("untold")
def test_a_folder_is_loaded_in_silence(tmp_path: Path) -> None:
    """And what it is built from does not use up the warning."""
    rate = 8000
    init = lp.GaborInit(16000, 60.0, 7800.0)
    made = lp.Leaf(n_filters=4, sample_rate=rate, complex_conv_init=init)
    save_file(made.state_dict(), tmp_path / "model.safetensors")
    tree = {"kind": "Leaf", "arguments": {"n_filters": 4, "sample_rate": rate}}
    (tmp_path / "config.json").write_text(json.dumps({"format_version": 1, **tree}))
    assert _told(lambda: lp.Leaf.from_pretrained(tmp_path)) == []
    assert _told(lambda: pretrained.build(tree)) == []
    assert len(_told(lambda: lp.Leaf(n_filters=4, sample_rate=rate))) == 1


def test_who_ignores_odd_filters_ignores_it_too() -> None:
    assert issubclass(lp.SampleRateWarning, lp.FilterWarning)
