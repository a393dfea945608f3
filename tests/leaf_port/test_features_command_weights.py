# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command with a folder of weights: config.json says what the frontend is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

from _features_command import RATE, refused, run, saved, succeeds, write
from _layers import move
from safetensors.torch import save_file

import leaf_port as lp
from leaf_port import _rates
from leaf_port._cli import extraction, frontends
from leaf_port._cli.audio import read_clip
from leaf_port._cli.frontends import Asked
from leaf_port.pretrained import build

pytestmark = pytest.mark.filterwarnings("error")

Tree = dict[str, Any]

_PCEN = {"num_channels": 6, "floor": 1e-12, "trainable": True, "learn_smooth_coef": True}
_LEAF: Tree = {
    "kind": "Leaf",
    "arguments": {
        "n_filters": 6,
        "sample_rate": RATE,
        "window_len": 20.0,
        "window_stride": 8.0,
        "compression_fn": {"kind": "PCEN", "arguments": _PCEN},
        "preemp": True,
    },
}
_MEL: Tree = {
    "kind": "MelFilterbanks",
    "arguments": {
        "n_filters": 8,
        "sample_rate": RATE,
        "n_fft": 512,
        "max_freq": 3000.0,
        "compression_fn": {"kind": "log_compression", "arguments": {"log_offset": 1e-3}},
    },
}
_CLASSIFIER: Tree = {
    "kind": "AudioClassifier",
    "arguments": {
        "num_outputs": 3,
        "frontend": _LEAF,
        "encoder": {"kind": "ConvNet", "arguments": {"filters": [2]}},
    },
}
_WAVEGRAM: Tree = {
    "kind": "AudioClassifier",
    "arguments": {"num_outputs": 3, "encoder": {"kind": "WaveGram", "arguments": {}}},
}
TREES = {"leaf": _LEAF, "mel": _MEL, "classifier": _CLASSIFIER}


def folder_of(tree: Tree, path: Path) -> tuple[Path, torch.nn.Module]:
    """A folder as ``convert`` makes it, and its frontend."""
    path.mkdir()
    model = move(build(tree)).eval()
    save_file(model.state_dict(), path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({"format_version": 1, **tree}))
    frontend: torch.nn.Module = getattr(model, "frontend", model)
    return path, frontend


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.wav")


@pytest.mark.parametrize("named", ["the folder", "the file in it"])
@pytest.mark.parametrize("name", TREES)
def test_the_folder_tells_the_frontend(name: str, named: str, clip: Path, tmp_path: Path) -> None:
    folder, frontend = folder_of(TREES[name], tmp_path / "made")
    given = folder if named == "the folder" else folder / "model.safetensors"
    out = tmp_path / "out.npy"
    succeeds(clip, "--weights", given, "--out", out)
    with torch.no_grad():
        expected = frontend(torch.from_numpy(read_clip(clip).samples)[None])[0].numpy()
    assert np.array_equal(np.load(out), expected)


def test_options_that_agree_are_no_contradiction(clip: Path, tmp_path: Path) -> None:
    folder, _ = folder_of(_LEAF, tmp_path / "made")
    options = {"--frontend": "leaf", "--n-filters": 6, "--window-len": 20, "--sample-rate": RATE}
    succeeds(clip, "--weights", folder, *(part for pair in options.items() for part in pair))


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--frontend", "tfbanks", "leaf"),
        ("--n-filters", 40, "6"),
        ("--window-len", 25, "20.0"),
        ("--window-stride", 10, "8.0"),
        ("--sample-rate", 16000, "8000 Hz"),
    ],
)
def test_options_that_contradict_are_refused(
    option: str, value: object, told: str, clip: Path, tmp_path: Path
) -> None:
    folder, _ = folder_of(_LEAF, tmp_path / "made")
    message = refused(tmp_path, clip, "--weights", folder, option, value)
    assert f"{option}: expected {told}" in message


def test_clips_of_another_rate_are_refused(tmp_path: Path) -> None:
    folder, _ = folder_of(_CLASSIFIER, tmp_path / "made")
    other = write(tmp_path / "other.wav", rate=16000)
    message = refused(tmp_path, other, "--weights", folder)
    assert "other.wav: expected 8000 Hz, as the weights are for, got 16000 Hz" in message


def test_a_clip_may_be_taken_for_one_of_the_weights_rate(tmp_path: Path) -> None:
    folder, _ = folder_of(_LEAF, tmp_path / "made")
    result = run(write(tmp_path / "x.wav", rate=8001), "--weights", folder, "--sample-rate", RATE)
    assert result.exit_code == 0
    assert "says 8001 Hz and was taken as 8000 Hz" in result.stderr


def test_a_model_of_the_waveform_has_no_features(clip: Path, tmp_path: Path) -> None:
    folder, _ = folder_of(_WAVEGRAM, tmp_path / "made")
    assert "a model with a frontend" in refused(tmp_path, clip, "--weights", folder)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_half_a_folder_is_refused(missing: str, clip: Path, tmp_path: Path) -> None:
    folder, _ = folder_of(_LEAF, tmp_path / "made")
    (folder / missing).unlink()
    assert missing in refused(tmp_path, clip, "--weights", folder)


def test_something_else_in_the_folder_is_refused(clip: Path, tmp_path: Path) -> None:
    folder, _ = folder_of(_LEAF, tmp_path / "made")
    (folder / "config.json").write_text(json.dumps({"format_version": 1, "kind": "PCEN"}))
    assert "a model of kind" in refused(tmp_path, clip, "--weights", folder)
    (folder / "config.json").write_text("{")
    assert "expected JSON" in refused(tmp_path, clip, "--weights", folder / "model.safetensors")


def test_weights_that_are_not_finite_are_refused(clip: Path, tmp_path: Path) -> None:
    folder, frontend = folder_of(_LEAF, tmp_path / "made")
    saved(frontend, folder / "model.safetensors", pooling__kernel=torch.full((1, 1, 6, 1), np.nan))
    assert "pooling.kernel" in refused(tmp_path, clip, "--weights", folder)


# A bare state dict, which tells no sample rate


def _bare(tmp_path: Path) -> Path:
    """Beside somebody's config.json, which is of another file."""
    (tmp_path / "config.json").write_text("{}")
    return saved(lp.Leaf(n_filters=4), tmp_path / "bare.safetensors")


def test_a_bare_file_says_which_rate_was_taken(clip: Path, tmp_path: Path) -> None:
    weights = _bare(tmp_path)
    result = run(clip, "--weights", weights, "--n-filters", 4)
    assert result.exit_code == 0
    assert result.stderr.startswith("note: ")
    assert "bare.safetensors tells no sample rate: the clips' 8000 Hz was taken" in result.stderr
    succeeds(clip, "--weights", weights, "--n-filters", 4, "--sample-rate", RATE)


def test_a_bare_file_is_of_one_rate(tmp_path: Path) -> None:
    weights = _bare(tmp_path)
    write(tmp_path / "clips" / "a.wav")
    write(tmp_path / "clips" / "b.wav", rate=16000)
    options = (tmp_path / "clips", "--weights", weights, "--n-filters", 4)
    message = refused(tmp_path, *options, "--out", tmp_path / "out")
    assert "b.wav: expected 8000 Hz, as the clips before it, got 16000 Hz" in message


# What is shown of other frontends than the official ones


def _features(tree: Tree, tmp_path: Path, samples: int = 2000) -> extraction.Features:
    folder, _ = folder_of(tree, tmp_path / "made")
    clip = write(tmp_path / "clip.wav", np.full(samples, 100, np.int16))
    return extraction.Extractor.of_options(Asked(), None, folder)(read_clip(clip))


@pytest.mark.parametrize(
    ("compression", "words"),
    [
        (None, "energy"),
        ({"kind": "log_compression", "arguments": {}}, "log energy (natural log)"),
        ({"kind": "PCEN", "arguments": _PCEN}, "PCEN (energy, gain-normalised)"),
    ],
)
def test_the_picture_says_what_the_compression_gives(
    compression: Tree | None, words: str, tmp_path: Path
) -> None:
    tree = {**_LEAF, "arguments": {**_LEAF["arguments"], "compression_fn": compression}}
    assert _features(tree, tmp_path).quantity == words


def test_frames_of_symmetric_padding_are_where_they_are(tmp_path: Path) -> None:
    """Centred on their sample, n strides from the first; the official ones move with the length."""
    arguments = {**_LEAF["arguments"], "pooling_padding": "SYMMETRIC"}
    found = _features({**_LEAF, "arguments": arguments}, tmp_path)
    assert np.array_equal(found.times, np.arange(len(found.times)) * 64 / RATE)
    assert len(found.times) == -(-2000 // 64)


# The filters at other rates


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000, 192000, 384000])
@pytest.mark.parametrize("name", ["leaf", "tfbanks", "mel"])
def test_filters_are_told_apart_at_every_rate(name: str, rate: int) -> None:
    """At 48 kHz 37 of 40 were distinct, at 192 kHz 20, of which 12 at 0 Hz."""
    module = frontends.build(frontends.Settings(frontends.Name(name)), rate)  # without a warning
    centres = frontends.center_frequencies(module, rate)
    assert len(np.unique(centres)) == 40
    assert centres.min() > 60.0 / 2


@pytest.mark.parametrize("rate", [8000, 16000])
def test_the_transform_is_the_official_one_up_to_16_khz(rate: int) -> None:
    assert _rates.n_fft(rate) == 512


def test_many_filters_that_coincide_are_told_in_one_line(clip: Path) -> None:
    result = run(clip, "--n-filters", 128)
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "warning: GaborInit: 5 of 128 filters coincide with another, 0 are empty"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: lp.MelFilterbanks(n_filters=128, sample_rate=48000),
        lambda: lp.TimeDomainFilterbanks(n_filters=80),
        lambda: lp.Leaf(complex_conv_init=lp.GaborInit(sample_rate=192000, min_freq=60.0)),
    ],
)
def test_the_library_warns_of_filters(make: Callable[[], object]) -> None:
    with pytest.warns(lp.FilterWarning, match="filters coincide with another"):
        make()


@pytest.mark.parametrize("n_filters", [4, 40, 64])
def test_the_official_frontends_need_no_warning(n_filters: int) -> None:
    for make in (lp.Leaf, lp.TimeDomainFilterbanks, lp.MelFilterbanks):
        make(n_filters=n_filters)


def test_a_loaded_model_is_not_told_of_its_initial_filters(tmp_path: Path) -> None:
    tree = {"kind": "Leaf", "arguments": {"n_filters": 128}}
    move(build(tree))
    with pytest.warns(lp.FilterWarning):
        lp.Leaf(n_filters=128)
