# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command with --min-freq and --max-freq."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

from _features_command import RATE, noise, refused, run, saved, succeeds, write

import leaf_port as lp

pytestmark = pytest.mark.filterwarnings("error")


def leaf(low: float, high: float) -> torch.nn.Module:
    return lp.Leaf(n_filters=8, sample_rate=RATE, complex_conv_init=lp.GaborInit(RATE, low, high))


def tfbanks(low: float, high: float) -> torch.nn.Module:
    return lp.TimeDomainFilterbanks(RATE, low, high, n_filters=8)


def mel(low: float, high: float) -> torch.nn.Module:
    return lp.MelFilterbanks(8, RATE, min_freq=low, max_freq=high)


DIRECTLY: dict[str, Callable[[float, float], torch.nn.Module]] = {
    "leaf": leaf,
    "tfbanks": tfbanks,
    "mel": mel,
}


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.wav")


@pytest.mark.parametrize("name", DIRECTLY)
@pytest.mark.parametrize(
    ("options", "band"),
    [
        (("--min-freq", 200, "--max-freq", 3000), (200.0, 3000.0)),
        (("--min-freq", 200), (200.0, 3900.0)),
        (("--max-freq", 3000), (60.0, 3000.0)),
    ],
)
def test_the_band_is_the_frontends(
    name: str, options: tuple[object, ...], band: tuple[float, float], clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "features.npy"
    succeeds(clip, "--frontend", name, "--n-filters", 8, *options, "--out", out)
    samples = torch.from_numpy(noise().astype(np.float32) / np.float32(32767))
    with torch.inference_mode():
        expected = DIRECTLY[name](*band).eval()(samples[None])[0]
    np.testing.assert_array_equal(np.load(out), expected.numpy())


BAD = {
    "negative": (("--min-freq", -1), "--min-freq: expected at least 0 Hz, got -1"),
    "no number": (("--max-freq", "nan"), "--max-freq: expected a finite number"),
    "reversed": (
        ("--min-freq", 3000, "--max-freq", 200),
        "--min-freq: expected a number below --max-freq (200 Hz), got 3000",
    ),
    "above Nyquist": (("--max-freq", 4001), "at most the Nyquist frequency, 4000.0 Hz"),
    "below the default end": (("--min-freq", 3950), "below max_freq (3900.0 Hz)"),
    "sincnet": (
        ("--frontend", "sincnet", "--min-freq", 60),
        "--min-freq: expected a frontend whose filters span a band: leaf, tfbanks or mel",
    ),
    "sincnet_plus": (
        ("--frontend", "sincnet_plus", "--max-freq", 60),
        "--max-freq: expected a frontend whose filters span a band",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_band_is_refused_in_one_line(kind: str, clip: Path, tmp_path: Path) -> None:
    options, expected = BAD[kind]
    assert expected in refused(tmp_path, clip, *options)


@pytest.mark.parametrize("option", ["--min-freq", "--max-freq"])
def test_a_band_beside_weights_is_refused(option: str, clip: Path, tmp_path: Path) -> None:
    weights = saved(lp.Leaf.for_sample_rate(RATE), tmp_path / "leaf.safetensors")
    line = refused(tmp_path, clip, "--weights", weights, option, 100)
    assert f"{option}: expected no band beside --weights" in line


def test_a_rate_that_is_too_low_for_the_band_is_that_clips_fault(tmp_path: Path) -> None:
    write(tmp_path / "clips" / "a.wav", rate=16000)
    write(tmp_path / "clips" / "b.wav", rate=8000)
    result = run(tmp_path / "clips", "--max-freq", 5000, "--skip-bad")
    assert result.exit_code == 1
    assert "b.wav (8000 Hz)" in result.stderr
    assert len(result.stdout.splitlines()) == 2
