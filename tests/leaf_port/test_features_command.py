# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command ``python -m leaf_port features``: what it computes and prints."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

import soundfile  # type: ignore[import-untyped]
from _features_command import (
    ALL,
    RATE,
    ROOT,
    features_of,
    noise,
    python,
    refused,
    run,
    saved,
    succeeds,
    write,
)  # fmt: skip
from rich.console import Console

import leaf_port
from leaf_port import _installation, _rates
from leaf_port._cli import audio, summary
from leaf_port._cli.frontends import Name

pytestmark = pytest.mark.filterwarnings("error")

FSDD = Path(os.environ.get("LEAF_FSDD", ROOT.parent / "shared" / "data" / "fsdd"))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.wav")


@pytest.fixture
def speech() -> list[Path]:
    """A few clips of the Free Spoken Digit Dataset."""
    clips = sorted(FSDD.glob("*/*_00.wav"))[:4]
    if not clips:
        pytest.skip(f"no Free Spoken Digit Dataset at {FSDD}; name its folder in LEAF_FSDD")
    return clips


# What it computes


def directly(name: Name) -> torch.nn.Module:
    """The frontend for 8 kHz, built without the command's help."""
    match name:
        case Name.LEAF:
            init = leaf_port.GaborInit(sample_rate=RATE, min_freq=60.0, max_freq=3900.0)
            return leaf_port.Leaf(sample_rate=RATE, complex_conv_init=init)
        case Name.TFBANKS:
            return leaf_port.TimeDomainFilterbanks(RATE, min_freq=60.0, max_freq=3900.0)
        case Name.SINCNET:
            return leaf_port.SincNet(sample_rate=RATE)
        case Name.SINCNET_PLUS:
            return leaf_port.SincNetPlus(sample_rate=RATE)
        case Name.MEL:
            return leaf_port.MelFilterbanks(sample_rate=RATE, min_freq=60.0, max_freq=3900.0)


@pytest.mark.parametrize("name", ALL)
def test_the_array_is_the_frontends_answer(name: Name, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npy"
    assert succeeds(clip, "--frontend", name.value, "--out", out) == f"{out}\n"
    module = directly(name).eval()
    with torch.inference_mode():
        expected = module(torch.from_numpy(noise().astype(np.float32) / np.float32(32767))[None])
    values = np.load(out)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected[0].numpy())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rate", [4000, 11025, 16000, 44100, 48000])
def test_every_frontend_works_at_other_rates(name: Name, rate: int, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.wav", noise(rate // 5), rate)
    out = tmp_path / "features.npy"
    length = 20.5 if rate == 11025 else 20  # ms: an odd window, which the sinc filters need
    succeeds(clip, "--frontend", name.value, "--out", out, "--window-len", length)
    values = np.load(out)
    assert values.shape[1] == 40
    assert np.isfinite(values).all()


def test_the_sizes_are_the_options(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npy"
    succeeds(clip, "--n-filters", 7, "--window-len", 10, "--window-stride", 5, "--out", out)
    assert np.load(out).shape == (50, 7)


@pytest.mark.parametrize(
    ("rate", "highest"), [(4000, 1950.0), (8000, 3900.0), (16000, 7800.0), (48000, 7800.0)]
)
def test_filters_end_below_nyquist(rate: int, highest: float) -> None:
    assert _rates.max_frequency(rate) == pytest.approx(highest, rel=1e-12)


def test_int16_is_divided_by_32767(tmp_path: Path) -> None:
    samples = np.array([-32768, -32767, -1, 0, 1, 32767], dtype=np.int16)
    read = audio.read_clip(write(tmp_path / "clip.wav", samples)).samples
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, samples.astype(np.float32) / np.float32(32767))
    assert read[-1] == 1.0


@pytest.mark.parametrize("subtype", ["PCM_24", "PCM_U8", "FLOAT", "ULAW"])
def test_other_formats_are_read_as_libsndfile_does(subtype: str, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.wav", subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(audio.read_clip(path).samples, expected)


@pytest.mark.parametrize("kind", [{"format": "WAVEX"}, {"format": "RF64"}, {"endian": "BIG"}])
def test_other_kinds_of_wav_hold_the_same_samples(kind: dict[str, Any], tmp_path: Path) -> None:
    plain, other = write(tmp_path / "a.wav"), write(tmp_path / "b.wav", **kind)
    np.testing.assert_array_equal(audio.read_clip(plain).samples, audio.read_clip(other).samples)


def test_a_clip_longer_than_a_block_is_read_whole(tmp_path: Path) -> None:
    samples = noise(2 * 65536)
    for path in (tmp_path / "clip.wav", tmp_path / "clip.flac"):
        read = audio.read_clip(write(path, samples)).samples
        np.testing.assert_array_equal(read, samples.astype(np.float32) / np.float32(32767))


def test_wav_and_flac_give_the_same_features(tmp_path: Path) -> None:
    clips = write(tmp_path / "a.wav"), write(tmp_path / "b.flac")
    succeeds(*clips, "--out", tmp_path / "out")
    a, b = (np.load(tmp_path / "out" / f"{stem}.npy") for stem in "ab")
    np.testing.assert_array_equal(a, b)


def test_sample_rate_overrides_without_resampling(clip: Path, tmp_path: Path) -> None:
    result = run(clip, "--sample-rate", 16000, "--out", tmp_path / "told.npy")
    assert result.exit_code == 0
    assert "says 8000 Hz and was taken as 16000 Hz; nothing was resampled" in result.stderr
    assert result.stderr.count("\n") == 1
    same = write(tmp_path / "same.wav", rate=16000)
    succeeds(same, "--out", tmp_path / "same.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "told.npy"), np.load(tmp_path / "same.npy"))


def test_speech_gives_finite_features(speech: list[Path], tmp_path: Path) -> None:
    succeeds(*speech, "--out", tmp_path / "out")
    arrays = [np.load(path) for path in sorted((tmp_path / "out").rglob("*.npy"))]
    lengths = [soundfile.info(path).frames for path in speech]
    assert [len(values) for values in arrays] == [-(-length // 80) for length in lengths]
    assert all(np.isfinite(values).all() and values.std() > 0 for values in arrays)


# Weights


def test_weights_are_used(clip: Path, tmp_path: Path) -> None:
    init = leaf_port.GaborInit(sample_rate=RATE, min_freq=100.0, max_freq=2000.0)
    module = leaf_port.Leaf(n_filters=8, sample_rate=RATE, complex_conv_init=init).eval()
    weights = saved(module, tmp_path / "leaf.safetensors")
    out = tmp_path / "features.npy"
    succeeds(clip, "--weights", weights, "--n-filters", 8, "--sample-rate", RATE, "--out", out)
    with torch.inference_mode():
        expected = module(torch.from_numpy(audio.read_clip(clip).samples)[None])[0]
    np.testing.assert_array_equal(np.load(out), expected.numpy())


def test_wrong_weights_are_named_all_at_once(clip: Path, tmp_path: Path) -> None:
    weights = saved(
        leaf_port.Leaf.for_sample_rate(RATE),
        tmp_path / "leaf.safetensors",
        pooling__kernel=None,
        compress_fn__alpha=None,
        zebra=torch.zeros(1),
        ape=torch.zeros(1),
        complex_conv__kernel=torch.zeros(3, 2),
        compress_fn__root=torch.zeros(40, dtype=torch.float64),
    )
    line = refused(tmp_path, clip, "--weights", weights)
    assert "missing: compress_fn.alpha, pooling.kernel;" in line
    assert "unexpected: ape, zebra;" in line
    shapes = "complex_conv.kernel (3, 2) for (40, 2), compress_fn.root (40,) float64 for (40,)"
    assert f"of another shape: {shapes}" in line


def test_weights_that_are_not_finite_are_refused(clip: Path, tmp_path: Path) -> None:
    broken = torch.full((40,), torch.nan)
    path = tmp_path / "leaf.safetensors"
    weights = saved(leaf_port.Leaf.for_sample_rate(RATE), path, compress_fn__alpha=broken)
    assert "NaN or infinity in compress_fn.alpha" in refused(tmp_path, clip, "--weights", weights)


def test_features_that_are_not_finite_are_refused(clip: Path, tmp_path: Path) -> None:
    negative = torch.full((40,), -100.0)  # the root of a negative number
    path = tmp_path / "leaf.safetensors"
    weights = saved(leaf_port.Leaf.for_sample_rate(RATE), path, compress_fn__delta=negative)
    line = refused(tmp_path, clip, "--weights", weights, "--out", tmp_path / "features.npy")
    assert "expected finite features" in line


def test_a_file_of_something_else_is_no_weights(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 100)
    assert "expected a safetensors file" in refused(tmp_path, clip, "--weights", tmp_path / "text")
    assert "no file" in refused(tmp_path, clip, "--weights", tmp_path / "nothing")
    assert "config.json" in refused(tmp_path, clip, "--weights", tmp_path)  # a folder


# The summary


def test_the_summary_of_a_pipe_is_tab_separated(clip: Path) -> None:
    lines = [line.split("\t") for line in succeeds(clip, "--frontend", "mel").splitlines()]
    values = features_of(audio.read_clip(clip).samples, Name.MEL).values
    assert lines[0] == list(summary.HEADER)
    assert lines[1][:5] == [str(clip), "8000", "0.250000", "25", "40"]
    wanted = [values.min(), values.mean(dtype="float64"), values.max()]
    assert [float(cell) for cell in lines[1][5:]] == pytest.approx(wanted, rel=1e-5)


def shown(row: summary.Row) -> str:
    """What a terminal shows of a row."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(force_terminal=True, width=100, record=True, file=nowhere)
        summary.show([row], console)
        return console.export_text()


def test_the_summary_of_a_terminal_is_a_table(clip: Path) -> None:
    table = shown(summary.row(features_of(audio.read_clip(clip).samples)))
    for cell in ("frames x filters", "25 x 40", "0.250", "clip.wav"):
        assert cell in table


def test_a_name_with_markup_is_shown_as_it_is() -> None:
    row = summary.Row("[red]clip[/red].wav", 8000, 8000, 1.0, 1, 1, 0.0, 0.0, 0.0)
    assert "[red]clip[/red].wav" in shown(row)


# As a program


def test_the_module_runs(clip: Path) -> None:
    done = python("-m", "leaf_port", "features", str(clip))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith(f"{clip}\t8000\t")


def test_the_module_refuses_with_status_2(tmp_path: Path) -> None:
    done = python("-m", "leaf_port", "features", str(tmp_path / "no.wav"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_the_help_says_how_samples_are_scaled() -> None:
    done = python("-m", "leaf_port", "features", "--help")
    said = " ".join(done.stdout.split())
    assert "divided by 32767" in said
    assert "not resampled" in said.replace("\u2502", " ").replace("  ", " ")


@pytest.mark.parametrize("package", ["typer", "rich", "soundfile", "matplotlib", "safetensors"])
def test_a_missing_package_is_named_in_one_line(package: str, clip: Path, tmp_path: Path) -> None:
    weights = saved(leaf_port.Leaf.for_sample_rate(RATE), tmp_path / "leaf.safetensors")
    options = ["--weights", str(weights), "--plot", str(tmp_path / "picture.png")]
    code = (
        f"import sys; sys.modules['{package}'] = None;from leaf_port.__main__ import main; main()"
    )
    done = python("-c", code, "features", str(clip), *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"leaf_port needs {package}: {_installation.hint('cli')}\n"


def test_the_library_needs_none_of_the_commands_packages() -> None:
    packages = ["typer", "rich", "soundfile", "matplotlib", "safetensors"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({packages}));"
        "import leaf_port, leaf_port.frontend"
    )
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_speech_is_drawn(speech: list[Path], tmp_path: Path) -> None:
    clips = [shutil.copy(path, tmp_path / f"{path.parent.name}_{path.name}") for path in speech[:2]]
    succeeds(*clips, "--plot", tmp_path / "pictures")
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 2
