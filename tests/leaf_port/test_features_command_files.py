# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command ``python -m leaf_port features``: refusals, and writing all or nothing."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

import matplotlib.image
from _features_command import (
    cut_wav,
    features_of,
    noise,
    refused,
    run,
    snapshot,
    succeeds,
    text,
    write,
)
from matplotlib.figure import Figure

from leaf_port._cli import outputs, plot
from leaf_port._cli.audio import read_clip
from leaf_port._cli.extraction import Features
from leaf_port.errors import LeafError

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.wav")


# Bad input


def cut_rf64(path: Path) -> None:
    whole = write(path, format="RF64").read_bytes()
    path.write_bytes(whole[:1000])


def cut_flac(path: Path) -> None:
    whole = write(path, noise(50000), format="FLAC").read_bytes()
    path.write_bytes(whole[:2000])


def long_header(path: Path) -> None:
    content = bytearray(write(path).read_bytes())
    start = content.index(b"data") + 4
    content[start : start + 4] = struct.pack("<I", 4002)  # one sample more than there is
    path.write_bytes(bytes(content))


def of_unknown_length(path: Path) -> None:
    """A FLAC file as an encoder leaves it that could not go back to the total it wrote first."""
    content = bytearray(write(path, format="FLAC").read_bytes())
    content[21] &= 0xF0  # STREAMINFO's 36 bits of the number of samples
    content[22:26] = bytes(4)
    path.write_bytes(bytes(content))


def not_finite(path: Path) -> None:
    write(path, np.array([0.0, np.nan, 0.0]), subtype="FLOAT")


BAD_CLIPS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("clip.wav", lambda path: None, "nothing of that name"),
    "text": ("clip.wav", text, "expected a WAV, FLAC, MP3, Ogg, Opus or AIFF file"),
    "nothing in it": (
        "clip.wav",
        lambda path: path.touch(),
        "expected a WAV, FLAC, MP3, Ogg, Opus or AIFF file",
    ),
    "truncated wav": ("clip.wav", cut_wav, "956 bytes of samples where the header says 4000"),
    "truncated rf64": ("clip.wav", cut_rf64, "bytes of samples where the header says 4000"),
    "truncated flac": ("clip.flac", cut_flac, "expected a WAV, FLAC, MP3, Ogg, Opus or AIFF file"),
    "flac of unknown length": ("clip.flac", of_unknown_length, "got one of unknown length"),
    "header too long": (
        "clip.wav",
        long_header,
        "4000 bytes of samples where the header says 4002",
    ),
    "stereo": (
        "clip.wav",
        lambda path: write(path, noise().reshape(-1, 2)),
        "got 2 channels; take one channel, or their mean with --mono",
    ),
    "no samples": ("clip.wav", lambda path: write(path, noise(0)), "at least one sample"),
    "no samples, flac": (
        "clip.flac",
        lambda path: write(path, noise(0)),
        "AIFF file that libsndfile reads",
    ),
    "NaN": ("clip.wav", not_finite, "expected finite samples"),
    "au inside": ("clip.wav", lambda path: write(path, format="AU"), "got AU"),
    "other suffix": ("clip.mid", text, ".aiff or .aif, got '.mid'"),
    "no suffix": ("clip", text, "expected a file of .wav, .flac, .mp3"),
    "empty folder": ("clip.wav", lambda path: path.mkdir(), "a folder with files of .wav"),
}


@pytest.mark.parametrize("kind", BAD_CLIPS)
def test_a_bad_clip_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    name, make, expected = BAD_CLIPS[kind]
    make(tmp_path / name)
    outs = ("--out", tmp_path / "features.npy", "--plot", tmp_path / "picture.png")
    line = refused(tmp_path, tmp_path / name, *outs)
    assert expected in line
    assert str(tmp_path / name) in line


def test_a_folder_with_other_files_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    text(tmp_path / "clips" / "song.mid")
    line = refused(tmp_path, tmp_path / "clips")
    assert "a folder with files of .wav, .flac" in line
    assert "got none; passed over: 1 .mid;" in line


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clip.wav")
    result = run(tmp_path / "clip.wav")
    assert result.exit_code == 2
    assert "got something else" in result.stderr


def test_odd_file_names_stay_on_one_line(tmp_path: Path) -> None:
    assert "two\\nlines.wav" in refused(tmp_path, tmp_path / "two\nlines.wav")
    write(tmp_path / "two\nlines.wav")
    table = succeeds(tmp_path / "two\nlines.wav").splitlines()
    assert len(table) == 2
    assert "two\\nlines.wav" in table[1]


BAD_OPTIONS = {
    "no filters": (("--n-filters", 0), "--n-filters: expected an integer of at least 1, got 0"),
    "negative filters": (("--n-filters", -1), "--n-filters: expected an integer of at least 1"),
    "no window": (("--window-len", 0), "--window-len: expected a number above 0"),
    "no number": (("--window-len", "nan"), "--window-len: expected a finite number"),
    "no stride": (("--window-stride", 0), "--window-stride: expected a number above 0"),
    "negative stride": (("--window-stride", -10), "--window-stride: expected a number above 0"),
    "stride below a sample": (("--window-stride", 0.1), "at least one sample"),
    "no rate": (("--sample-rate", 0), "--sample-rate: expected an integer of at least 1, got 0"),
    "negative rate": (("--sample-rate", -8000), "--sample-rate: expected an integer of at least 1"),
    "rate below the filters": (("--sample-rate", 110), "min_freq"),
    "filters beyond memory": (("--n-filters", 10**9), "fit in the memory"),
    "even window": (("--frontend", "sincnet", "--window-len", 25.2), "an odd number of taps"),
    "clip below a window": (
        ("--frontend", "tfbanks", "--window-len", 300),
        "samples, as the window",
    ),
}


@pytest.mark.parametrize("kind", BAD_OPTIONS)
def test_a_bad_size_is_refused_in_one_line(kind: str, clip: Path, tmp_path: Path) -> None:
    options, expected = BAD_OPTIONS[kind]
    assert expected in refused(tmp_path, clip, *options, "--out", tmp_path / "features.npy")


def test_a_clip_beyond_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {"SC_PAGE_SIZE": 1024, "SC_PHYS_PAGES": 1000}
    monkeypatch.setattr(os, "sysconf", pages.__getitem__)
    with pytest.raises(LeafError, match="cut it into shorter clips"):
        features_of(noise(2000))


def test_a_clip_is_named_when_the_frontend_refuses_it(clip: Path, tmp_path: Path) -> None:
    options = ("--frontend", "tfbanks", "--window-len", 300)
    assert f"{clip} (8000 Hz)" in refused(tmp_path, clip, *options)


BAD_OUTPUTS = {
    "suffix": (("--out", "features.txt"), "--out: expected a name that ends in .npy"),
    "picture's suffix": (("--plot", "picture.jpg"), "--plot: expected a name that ends in .png"),
    "no parent": (("--out", "no/features.npy"), "--out: expected a path in a folder that exists"),
    "picture without parent": (("--plot", "no/a.png"), "--plot: expected a path in a folder"),
    "exists": (("--out", "old.npy"), "--out: expected a name that is free"),
    "picture exists": (("--plot", "old.png"), "--plot: expected a name that is free"),
    "one of two exists": (("--out", "new.npy", "--plot", "old.png"), "--plot: expected a name"),
    "a folder": (("--out", "folder.npy"), "--out: expected a file, got the folder"),
    "a folder by force": (
        ("--out", "folder.npy", "--force"),
        "--out: expected a file, got the folder",
    ),
}


@pytest.mark.parametrize("kind", BAD_OUTPUTS)
def test_a_bad_output_is_refused_in_one_line(
    kind: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.npy").write_bytes(b"old")
    (tmp_path / "old.png").write_bytes(b"old")
    (tmp_path / "folder.npy").mkdir()
    monkeypatch.chdir(tmp_path)
    options, expected = BAD_OUTPUTS[kind]
    assert expected in refused(tmp_path, clip, *options)


def test_force_replaces(clip: Path, tmp_path: Path) -> None:
    array, picture = tmp_path / "old.npy", tmp_path / "old.png"
    array.write_bytes(b"old")
    picture.write_bytes(b"old")
    succeeds(clip, "--out", array, "--plot", picture, "--force")
    assert np.load(array).shape == (25, 40)
    assert matplotlib.image.imread(picture).ndim == 3


# Several clips


def test_folders_keep_their_shape(tmp_path: Path) -> None:
    for name in ("a/one.wav", "a/b/one.wav", "a/b/two.FLAC", "a/._one.wav"):
        kind = "FLAC" if name.endswith("FLAC") else "WAV"
        write(tmp_path / name, format=kind)
    (tmp_path / "a" / "notes.txt").touch()
    out = tmp_path / "out"
    result = run(tmp_path / "a", "--out", out, "--plot", out)
    assert (result.exit_code, result.stderr) == (0, "note: passed over: 1 .txt\n")
    written = result.stdout.split()
    names = ["b/one.npy", "b/one.png", "b/two.npy", "b/two.png", "one.npy", "one.png"]
    assert written == [str(out / name) for name in names]
    assert sorted(k for k, v in snapshot(out).items() if v is not None) == names


def test_a_folder_of_one_clip_gives_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "a" / "one.wav")
    succeeds(tmp_path / "a", "--out", tmp_path / "out")
    assert list(snapshot(tmp_path / "out")) == ["one.npy"]


def test_equal_names_do_not_collide(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a" / "x.wav"), write(tmp_path / "b" / "x.wav")
    both = write(tmp_path / "b" / "x.flac")
    succeeds(a, tmp_path / "b", both, b, "--out", tmp_path / "out")
    files = [k for k, v in snapshot(tmp_path / "out").items() if v is not None]
    assert files == ["a/x.npy", "b/x.flac.npy", "b/x.wav.npy"]


def test_names_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    for name in ("x.wav", "x.flac", "x.wav.wav"):
        write(tmp_path / "a" / name)
    assert "twice" in refused(tmp_path, tmp_path / "a", "--out", tmp_path / "out")


def test_clips_of_different_rates(tmp_path: Path) -> None:
    clips = write(tmp_path / "a.wav", rate=8000), write(tmp_path / "b.wav", rate=16000)
    succeeds(*clips, "--out", tmp_path / "out")
    for path in clips:
        succeeds(path, "--out", tmp_path / f"{path.stem}.npy")
        alone, together = tmp_path / f"{path.stem}.npy", tmp_path / "out" / f"{path.stem}.npy"
        assert alone.read_bytes() == together.read_bytes()


def test_an_output_folder_is_added_to_but_not_overwritten(clip: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.wav")
    out = tmp_path / "out"
    out.mkdir()
    (out / "other.npy").write_bytes(b"old")
    assert f"got {out / 'other.npy'};" in refused(tmp_path, clip, other, "--out", out)
    succeeds(clip, other, "--out", out, "--force")
    assert (out / "other.npy").read_bytes() == (out / "clip.npy").read_bytes()


@pytest.mark.parametrize("name", ["out.npy", "file"])
def test_several_clips_need_a_folder(name: str, clip: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.wav")
    (tmp_path / "file").touch()
    line = refused(tmp_path, clip, other, "--out", tmp_path / name)
    assert "--out: expected a folder for the .npy files of several clips" in line


# WAV files that were written to a pipe


def streamed(path: Path, length: int, **kwargs: str) -> Path:
    """With a length that its writer did not know."""
    content = bytearray(write(path, **kwargs).read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", length)
    content[4:8] = struct.pack("<I", min(length + 36, 0xFFFFFFFF))
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFF000])  # ffmpeg's, sox's
def test_a_streamed_wav_is_read_to_its_end(length: int, subtype: str, tmp_path: Path) -> None:
    whole = read_clip(write(tmp_path / "whole.wav", subtype=subtype))
    found = read_clip(streamed(tmp_path / "streamed.wav", length, subtype=subtype))
    assert np.array_equal(found.samples, whole.samples)


@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x7FFFEFFF, 0x7FFFF001])
def test_another_length_than_there_is_stays_refused(length: int, tmp_path: Path) -> None:
    assert f"says {length}" in refused(tmp_path, streamed(tmp_path / "clip.wav", length))


# Whole or not at all


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_bad_clip_and_nothing_is_written(position: int, tmp_path: Path) -> None:
    clips = [write(tmp_path / f"{stem}.wav") for stem in "abc"]
    cut_wav(clips[position])
    line = refused(tmp_path, *clips, "--out", tmp_path / "out", "--plot", tmp_path / "out")
    assert str(clips[position]) in line


def test_a_clip_that_fails_late_leaves_nothing(tmp_path: Path) -> None:
    good, short = write(tmp_path / "a.wav"), write(tmp_path / "b.wav", noise(20))
    out = tmp_path / "out"
    line = refused(
        tmp_path, good, short, "--frontend", "tfbanks", "--out", out
    )  # a is staged by then
    assert str(short) in line


def test_an_unexpected_failure_is_not_swallowed_and_leaves_nothing(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(features: Features) -> Figure:
        raise RuntimeError("planted")

    monkeypatch.setattr(plot, "draw", fail)
    old = tmp_path / "old.npy"
    old.write_bytes(b"old")
    before = snapshot(tmp_path)
    result = run(clip, "--out", old, "--plot", tmp_path / "new.png", "--force")
    assert isinstance(result.exception, RuntimeError)
    assert snapshot(tmp_path) == before


def test_staging_publishes_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "made" / "file"
    with outputs.Staging() as staging:
        staging.add(path, lambda stream: stream.write(b"new"))
        assert not path.exists()
    assert snapshot(tmp_path) == {"made": None, "made/file": b"new"}


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def full(stream: object) -> None:
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(LeafError, match="No space left on device"),
        outputs.Staging() as staging,
    ):
        staging.add(tmp_path / "made" / "deep" / "file", full)
    assert snapshot(tmp_path) == {}


def test_an_output_is_readable_like_any_new_file(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    succeeds(clip, "--out", tmp_path / "features.npy")
    modes = {(tmp_path / name).stat().st_mode for name in ("other", "features.npy")}
    assert len(modes) == 1


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "one.wav")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").write_text("a file where a folder belongs")
    line = refused(tmp_path, tmp_path / "a", "--out", tmp_path / "out")
    assert "one.npy" in line or "place to write" in line
