# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command's audio files: what is read, what is refused as incomplete, and --mono."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

import soundfile  # type: ignore[import-untyped]
from _features_command import noise, refused, run, succeeds, text, write

from leaf_port._cli.audio import read_clip
from leaf_port._cli.finding import find_clips
from leaf_port.errors import LeafError

pytestmark = pytest.mark.filterwarnings("error")

RATE = 16000
COMPRESSED = {
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
}


def compressed(path: Path, samples: int = 60000) -> Path:
    """A clip of the format that the suffix says."""
    kind = COMPRESSED[path.suffix[1:]]
    if kind["format"] not in soundfile.available_formats():
        pytest.skip(f"this libsndfile has no {kind['format']}")
    return write(path, noise(samples), RATE, **kind)


def cut(path: Path, share: float) -> Path:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    return path


# What is read


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_compressed_clips_are_libsndfiles_float32(suffix: str, tmp_path: Path) -> None:
    path = compressed(tmp_path / f"clip.{suffix}")
    expected, rate = soundfile.read(path, dtype="float32")
    found = read_clip(path)
    assert (found.sample_rate, found.samples.dtype) == (rate, np.float32)
    np.testing.assert_array_equal(found.samples, expected)


@pytest.mark.parametrize("suffix", ["aiff", "aif"])
def test_16_bit_aiff_is_divided_by_32767(suffix: str, tmp_path: Path) -> None:
    samples = np.array([-32768, -1, 0, 1, 32767], dtype=np.int16)
    path = write(tmp_path / f"clip.{suffix}", samples, format="AIFF", subtype="PCM_16")
    np.testing.assert_array_equal(read_clip(path).samples, samples.astype("f4") / np.float32(32767))


def test_a_folder_gives_clips_of_all_formats_and_counts_the_rest(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    write(clips / "a.wav")
    write(clips / "b.aiff", format="AIFF")
    compressed(clips / "c.ogg", 4000)
    for name in ("x.txt", "y.TXT", "z.mid", "README", ".hidden.txt"):
        text(clips / name)
    result = run(clips, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stderr == "note: passed over: 2 .txt, 1 .mid, 1 without suffix\n"
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == ["a", "b", "c"]


def test_a_format_that_libsndfile_lacks_is_passed_over_and_refused_by_name(tmp_path: Path) -> None:
    if "M4A" in soundfile.available_formats():
        pytest.skip("this libsndfile has M4A")
    write(tmp_path / "clips" / "a.wav")
    text(tmp_path / "clips" / "b.m4a")
    assert find_clips([tmp_path / "clips"]).passed_over == {".m4a": 1}
    assert "got '.m4a'; convert it first" in refused(tmp_path, tmp_path / "clips" / "b.m4a")


# What is not whole


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", COMPRESSED)
def test_a_clip_that_is_cut_short_is_refused(suffix: str, share: float, tmp_path: Path) -> None:
    path = cut(compressed(tmp_path / f"clip.{suffix}"), share)
    assert "cut short" in refused(tmp_path, path)


def ogg_pages(content: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    pages = []
    while content:
        end = 27 + content[26] + sum(content[27 : 27 + content[26]])
        pages.append(content[:end])
        content = content[end:]
    return pages


def without_last_page(path: Path) -> None:
    path.write_bytes(b"".join(ogg_pages(path.read_bytes())[:-1]))


def chained(path: Path) -> None:
    path.write_bytes(path.read_bytes() * 2)


def with_something_behind(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"something else that is long enough")


BAD_OGG: dict[str, tuple[Callable[[Path], None], str]] = {
    "without its last page": (without_last_page, "an Ogg file with its last page"),
    "two in one": (chained, "an Ogg file of one stream, got several"),
    "with something behind": (with_something_behind, "Ogg pages up to the end"),
}


@pytest.mark.parametrize("kind", BAD_OGG)
@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_an_ogg_file_that_libsndfile_would_read_in_part(
    suffix: str, kind: str, tmp_path: Path
) -> None:
    damage, expected = BAD_OGG[kind]
    path = compressed(tmp_path / f"clip.{suffix}")
    damage(path)
    assert expected in refused(tmp_path, path)


def test_an_mp3_of_unknown_length_is_refused(tmp_path: Path) -> None:
    """libsndfile guesses its length and leaves out the rest."""
    path = compressed(tmp_path / "clip.mp3")
    content = path.read_bytes()
    path.write_bytes(content[content.index(content[:2], 4) :])  # without the frame with the length
    assert soundfile.info(path).frames < 60000
    assert "tells its length (a Xing or Info header), got one of unknown" in refused(tmp_path, path)


def test_tags_before_an_mp3_are_passed_over(tmp_path: Path) -> None:
    path = compressed(tmp_path / "clip.mp3")
    plain, content = read_clip(path), path.read_bytes()
    path.write_bytes(b"ID3\x04\x00\x00\x00\x00\x01\x05" + bytes(133) + content)
    np.testing.assert_array_equal(read_clip(path).samples, plain.samples)
    cut(path, 0.9)
    with pytest.raises(LeafError, match="bytes of sound where the header says"):
        read_clip(path)


@pytest.mark.parametrize("kept", [1000, 3000])
def test_an_aiff_file_that_is_cut_short_is_refused(kept: int, tmp_path: Path) -> None:
    path = write(tmp_path / "clip.aiff", format="AIFF")
    content = path.read_bytes()
    (length,) = struct.unpack(">I", content[4:8])
    path.write_bytes(content[:kept])
    assert f"got {kept - 8} bytes behind the header where the header says {length}" in refused(
        tmp_path, path
    )


# --mono


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_mono_is_the_mean_of_the_channels(subtype: str, tmp_path: Path) -> None:
    channels = noise(30000).reshape(-1, 3)
    path = write(tmp_path / "clip.wav", channels, subtype=subtype)
    scale = 32767 if subtype == "PCM_16" else 1
    each = soundfile.read(path, dtype="int16" if scale > 1 else "float32")[0].astype(np.float32)
    each = (each / np.float32(scale)).astype(np.float64)
    expected = (((each[:, 0] + each[:, 1]) + each[:, 2]) / 3).astype(np.float32)
    np.testing.assert_array_equal(read_clip(path, mono=True).samples, expected)


def test_mono_leaves_a_clip_of_one_channel_alone(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.wav")
    twice = write(tmp_path / "twice.wav", np.stack([noise()] * 2, axis=1))
    for path, name in ((clip, "a.npy"), (twice, "b.npy")):
        succeeds(path, "--mono", "--out", tmp_path / name)
    succeeds(clip, "--out", tmp_path / "c.npy")
    a, b, c = (np.load(tmp_path / f"{stem}.npy") for stem in "abc")
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, c)


def test_a_long_clip_of_two_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block by block as at once."""
    channels = np.stack([noise(40000), noise(40000, seed=1)], axis=1)
    path = write(tmp_path / "clip.wav", channels)
    options = ("--mono", "--frontend", "mel")
    succeeds(path, *options, "--out", tmp_path / "whole.npy")
    monkeypatch.setattr("leaf_port._cli.long_clips.LONG", 1000)
    succeeds(path, *options, "--out", tmp_path / "blocks.npy")
    whole, blocks = (np.load(tmp_path / f"{stem}.npy") for stem in ("whole", "blocks"))
    np.testing.assert_allclose(blocks, whole, rtol=1e-5, atol=1e-5)


def test_not_finite_in_one_channel_is_refused(tmp_path: Path) -> None:
    channels = np.zeros((10, 2))
    channels[3, 1] = np.inf
    path = write(tmp_path / "clip.wav", channels, subtype="FLOAT")
    assert "expected finite samples" in refused(tmp_path, path, "--mono")
