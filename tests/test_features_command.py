"""The command ``python -m leaf_port features``: what it computes, draws, writes and refuses."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

import matplotlib.image
import soundfile
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

import leaf_port
from leaf_port._cli import app, audio, frontends, outputs, plot, summary
from leaf_port._cli.audio import Clip
from leaf_port._cli.extraction import Extractor, Features
from leaf_port._cli.frontends import Name, Settings
from leaf_port.errors import LeafError

pytestmark = pytest.mark.filterwarnings("error")

ROOT = Path(__file__).resolve().parents[1]
FSDD = Path(os.environ.get("LEAF_FSDD", ROOT.parent / "shared" / "data" / "fsdd"))
ALL = list(Name)
RATE = 8000

Snapshot = dict[str, "bytes | None"]


def noise(samples: int = 2000, seed: int = 0) -> np.ndarray:
    """int16 noise at a tenth of full scale."""
    return (np.random.default_rng(seed).normal(size=samples) * 3000).astype(np.int16)


def write(path: Path, samples: np.ndarray | None = None, rate: int = RATE, **kwargs: str) -> Path:
    """A sound file; a second clip of another length differs from the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise() if samples is None else samples, rate, **kwargs)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app.app, ["features", *map(str, arguments)])


def succeeds(*arguments: object) -> str:
    """stdout of a run that must succeed and keep stderr empty."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def snapshot(folder: Path) -> Snapshot:
    """All that lies in a folder: bytes of files, None for folders."""
    return {
        str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes()
        for p in sorted(folder.rglob("*"))
    }


def refused(folder: Path, *arguments: object) -> str:
    """The one line of a run that must be refused and leave ``folder`` as it is."""
    before = snapshot(folder)
    result = run(*arguments)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert "expected" in result.stderr
    assert snapshot(folder) == before
    return str(result.stderr)


def features_of(samples: np.ndarray, name: Name = Name.LEAF, rate: int = RATE) -> Features:
    clip = Clip(Path("clip.wav"), samples.astype(np.float32), rate)
    return Extractor(Settings(name), None, None)(clip)


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


@pytest.mark.parametrize("name", ALL)
def test_the_array_is_the_frontends_answer(name: Name, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npy"
    assert succeeds(clip, "--frontend", name.value, "--out", out) == f"{out}\n"
    shape = {"sample_rate": RATE}
    band = {"min_freq": 60.0, "max_freq": 3900.0}
    module = {
        Name.LEAF: lambda: leaf_port.Leaf(
            complex_conv_init=leaf_port.GaborInit(sample_rate=RATE, **band), **shape
        ),
        Name.TFBANKS: lambda: leaf_port.TimeDomainFilterbanks(**shape, **band),
        Name.SINCNET: lambda: leaf_port.SincNet(**shape),
        Name.SINCNET_PLUS: lambda: leaf_port.SincNetPlus(**shape),
        Name.MEL: lambda: leaf_port.MelFilterbanks(**shape, **band),
    }[name]().eval()
    with torch.inference_mode():
        expected = module(torch.from_numpy(noise().astype(np.float32) / np.float32(32767))[None])
    values = np.load(out)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected[0].numpy())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rate", [4000, 11025, 16000, 44100, 48000])
def test_every_frontend_works_at_other_rates(name: Name, rate: int, tmp_path: Path) -> None:
    # 20 ms: an odd window at all of these rates, which the sinc filters need
    clip = write(tmp_path / "clip.wav", noise(rate // 5), rate)
    out = tmp_path / "features.npy"
    succeeds(
        clip, "--frontend", name.value, "--out", out, "--window-len", 20.5 if rate == 11025 else 20
    )
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
    assert frontends.max_frequency(rate) == pytest.approx(highest, rel=1e-12)


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
def test_other_kinds_of_wav_hold_the_same_samples(kind: dict[str, str], tmp_path: Path) -> None:
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


def saved(module: torch.nn.Module, path: Path, **changes: torch.Tensor | None) -> Path:
    """The state dict of ``module`` with some of its tensors replaced, or left out where None."""
    state = {**module.state_dict(), **{key.replace("__", "."): v for key, v in changes.items()}}
    save_file({key: v.clone() for key, v in state.items() if v is not None}, path)
    return path


def test_weights_are_used(clip: Path, tmp_path: Path) -> None:
    init = leaf_port.GaborInit(sample_rate=RATE, min_freq=100.0, max_freq=2000.0)
    module = leaf_port.Leaf(n_filters=8, sample_rate=RATE, complex_conv_init=init).eval()
    weights = saved(module, tmp_path / "leaf.safetensors")
    out = tmp_path / "features.npy"
    succeeds(clip, "--weights", weights, "--n-filters", 8, "--out", out)
    with torch.inference_mode():
        expected = module(torch.from_numpy(audio.read_clip(clip).samples)[None])[0]
    np.testing.assert_array_equal(np.load(out), expected.numpy())


def test_wrong_weights_are_named_all_at_once(clip: Path, tmp_path: Path) -> None:
    weights = saved(
        leaf_port.Leaf(sample_rate=RATE),
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
    weights = saved(leaf_port.Leaf(sample_rate=RATE), path, compress_fn__alpha=broken)
    assert "NaN or infinity in compress_fn.alpha" in refused(tmp_path, clip, "--weights", weights)


def test_features_that_are_not_finite_are_refused(clip: Path, tmp_path: Path) -> None:
    negative = torch.full((40,), -100.0)  # the root of a negative number
    path = tmp_path / "leaf.safetensors"
    weights = saved(leaf_port.Leaf(sample_rate=RATE), path, compress_fn__delta=negative)
    line = refused(tmp_path, clip, "--weights", weights, "--out", tmp_path / "features.npy")
    assert "expected finite features" in line


def test_a_file_of_something_else_is_no_weights(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 100)
    assert "expected a safetensors file" in refused(tmp_path, clip, "--weights", tmp_path / "text")
    assert "no file" in refused(tmp_path, clip, "--weights", tmp_path / "nothing")
    assert "no file" in refused(tmp_path, clip, "--weights", tmp_path)


# Bad input


def cut_wav(path: Path) -> None:
    whole = write(path).read_bytes()
    path.write_bytes(whole[:1000])


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


def text(path: Path) -> None:
    path.write_text("this is no audio\n" * 50)


def not_finite(path: Path) -> None:
    write(path, np.array([0.0, np.nan, 0.0]), subtype="FLOAT")


BAD_CLIPS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("clip.wav", lambda path: None, "nothing of that name"),
    "text": ("clip.wav", text, "expected a WAV or FLAC file"),
    "nothing in it": ("clip.wav", lambda path: path.touch(), "expected a WAV or FLAC file"),
    "truncated wav": ("clip.wav", cut_wav, "956 bytes of samples where the header says 4000"),
    "truncated rf64": ("clip.wav", cut_rf64, "bytes of samples where the header says 4000"),
    "truncated flac": ("clip.flac", cut_flac, "expected a WAV or FLAC file"),
    "header too long": (
        "clip.wav",
        long_header,
        "4000 bytes of samples where the header says 4002",
    ),
    "stereo": ("clip.wav", lambda path: write(path, noise().reshape(-1, 2)), "got 2 channels"),
    "no samples": ("clip.wav", lambda path: write(path, noise(0)), "at least one sample"),
    "no samples, flac": ("clip.flac", lambda path: write(path, noise(0)), "a WAV or FLAC file"),
    "NaN": ("clip.wav", not_finite, "expected finite samples"),
    "aiff inside": ("clip.wav", lambda path: write(path, format="AIFF"), "got AIFF"),
    "other suffix": ("clip.mp3", text, "expected a .wav or .flac file, got '.mp3'"),
    "no suffix": ("clip", text, "expected a .wav or .flac file, got no suffix"),
    "empty folder": ("clip.wav", lambda path: path.mkdir(), "a folder with .wav or .flac files"),
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
    text(tmp_path / "clips" / "song.mp3")
    assert "a folder with .wav or .flac files" in refused(tmp_path, tmp_path / "clips")


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
    written = succeeds(tmp_path / "a", "--out", out, "--plot", out).split()
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


# The summary


def test_the_summary_of_a_pipe_is_tab_separated(clip: Path) -> None:
    lines = [line.split("\t") for line in succeeds(clip, "--frontend", "mel").splitlines()]
    values = features_of(audio.read_clip(clip).samples, Name.MEL).values
    assert lines[0] == list(summary.HEADER)
    assert lines[1][:5] == [str(clip), "8000", "0.250000", "25", "40"]
    wanted = [values.min(), values.mean(dtype="float64"), values.max()]
    assert [float(cell) for cell in lines[1][5:]] == pytest.approx(wanted, rel=1e-5)


def test_the_summary_of_a_terminal_is_a_table(clip: Path) -> None:
    console = Console(force_terminal=True, width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        summary.show([summary.row(features_of(audio.read_clip(clip).samples))], console)
    table = console.export_text()
    for cell in ("frames x filters", "25 x 40", "0.250", "clip.wav"):
        assert cell in table


def test_a_name_with_markup_is_shown_as_it_is() -> None:
    row = summary.Row("[red]clip[/red].wav", 8000, 8000, 1.0, 1, 1, 0.0, 0.0, 0.0)
    console = Console(force_terminal=True, width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        summary.show([row], console)
    assert "[red]clip[/red].wav" in console.export_text()


# Times and frequencies


def energies(name: Name, click: int, samples: int, rate: int) -> np.ndarray:
    """Energy of each frame of a click, before compression (PCEN favours the onset): ``(frames,)``."""
    module = frontends.build(Settings(name), rate)
    module.compress_fn = module.compression_fn = None
    wave = torch.zeros(1, samples)
    wave[0, click] = 0.5
    with torch.inference_mode():
        frames = module(wave) if name is Name.MEL else module.energies(wave[..., None])
    energy = frames[0].double().sum(dim=1).numpy()
    return np.where(energy < 1e-6 * energy.max(), 0.0, energy)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize(
    "extra", [0, 1, 37]
)  # SAME padding depends on the length modulo the stride
def test_a_click_peaks_where_it_is(name: Name, rate: int, extra: int) -> None:
    samples, stride = rate // 2 + extra, rate // 100
    centroids = []
    for shift in range(0, stride, stride // 10):
        click = samples // 2 + shift
        energy = energies(name, click, samples, rate)
        times = frontends.frame_times(Settings(name), rate, samples, len(energy))
        peak = times[energy >= 0.999 * energy.max()].mean()  # max pooling makes a plateau
        assert abs(peak - click / rate) < 0.01
        centroids.append((energy * times).sum() / energy.sum() - click / rate)
    # on average over a stride to a 50th of it, where the public ports are off by half a stride
    assert abs(np.mean(centroids)) < 0.01 / 50


@pytest.mark.parametrize("name", ALL)
def test_a_tone_excites_the_filter_of_its_frequency(name: Name) -> None:
    rate = 8000
    time = np.arange(rate) / rate
    for hertz in (500.0, 1500.0, 3000.0):
        features = features_of(0.1 * np.sin(2 * np.pi * hertz * time), name, rate)
        # the last frames: PCEN has settled; away from the tone's abrupt start
        strongest = int(features.values[-20:-5].mean(axis=0).argmax())
        nearest = int(np.abs(features.frequencies - hertz).argmin())
        assert abs(strongest - nearest) <= 1


def test_frequencies_are_those_of_the_parameters() -> None:
    leaf = frontends.build(Settings(Name.LEAF, n_filters=4), 16000)
    with torch.no_grad():
        leaf.get_parameter("complex_conv.kernel")[:, 0] = torch.tensor([1.0, 0.5, -1.0, 9.0])
    hertz = frontends.center_frequencies(leaf, 16000)
    np.testing.assert_allclose(hertz, [8000 / np.pi, 4000 / np.pi, 0.0, 8000.0], rtol=1e-6)
    sinc = frontends.build(Settings(Name.SINCNET, n_filters=3), 8000)
    with torch.no_grad():
        kernel = [[100.0, 50.0], [-100.0, -50.0], [7000.0, 5000.0]]
        sinc.get_parameter("complex_conv.kernel").copy_(torch.tensor(kernel))
    # low 150, high 250 on the 16 kHz scale; high is clipped to 8000
    hertz = frontends.center_frequencies(sinc, 8000)
    np.testing.assert_allclose(hertz, [100.0, 100.0, (7050.0 + 8000.0) / 4], rtol=1e-6)


def test_tfbanks_frequencies_are_the_initial_gabor_centres() -> None:
    leaf = frontends.build(Settings(Name.LEAF), 8000)
    bank = frontends.build(Settings(Name.TFBANKS), 8000)
    wanted, got = (frontends.center_frequencies(module, 8000) for module in (leaf, bank))
    np.testing.assert_allclose(got, wanted, atol=8.0)  # half a bin of the mel filters' FFT


# The picture


def axes_of(figure: Figure) -> tuple[Axes, Axes, Axes]:
    waveform, image, bar = figure.axes
    return waveform, image, bar


@pytest.mark.parametrize("name", ALL)
def test_the_picture_says_what_it_shows(name: Name) -> None:
    features = features_of(noise(4000) / 32767, name)
    figure = plot.draw(features)
    waveform, image, bar = axes_of(figure)
    assert waveform.get_ylabel() == "Amplitude"
    assert image.get_xlabel() == "Time (s)"
    assert image.get_ylabel() == "Filter centre (Hz)"
    quantity = {
        Name.LEAF: "PCEN",
        Name.TFBANKS: "log energy",
        Name.SINCNET: "layer-normalised",
        Name.SINCNET_PLUS: "PCEN",
        Name.MEL: "log mel energy",
    }[name]
    assert bar.get_ylabel().startswith(quantity)
    title = figure.get_suptitle()
    assert title.startswith("clip.wav")
    assert frontends.TITLES[name] in title
    assert "8000 Hz" in title


@pytest.mark.parametrize("name", ALL)
def test_the_ticks_are_the_filters_frequencies(name: Name) -> None:
    features = features_of(noise(4000) / 32767, name)
    _, image, _ = axes_of(plot.draw(features))
    rows = image.get_yticks()
    labels = [label.get_text() for label in image.get_yticklabels()]
    assert 5 <= len(labels) <= 10
    assert labels == [f"{features.frequencies[int(row)]:.0f}" for row in rows]
    assert rows[0] == 0
    assert rows[-1] == 39


@pytest.mark.parametrize("name", ALL)
def test_both_parts_share_the_time_axis(name: Name) -> None:
    features = features_of(noise(4000) / 32767, name)
    waveform, image, _ = axes_of(plot.draw(features))
    assert waveform.get_xlim() == image.get_xlim()
    assert image.get_shared_x_axes().joined(waveform, image)
    left, right = image.get_xlim()
    assert left <= 0.0
    assert right >= 0.5
    line = waveform.lines[0].get_xydata()
    np.testing.assert_allclose(line[[0, -1], 0], [0.0, 0.5], atol=0.001)
    start, end, low, high = image.images[0].get_extent()
    width = (end - start) / len(features.values)
    np.testing.assert_allclose(width, 0.01, rtol=1e-9)
    np.testing.assert_allclose(start + width / 2, features.times[0], atol=1e-12)
    assert (low, high) == (-0.5, 39.5)


def test_the_waveform_is_in_line_with_the_picture_below() -> None:
    figure = plot.draw(features_of(noise(4000) / 32767))
    figure.draw_without_rendering()
    waveform, image, _ = axes_of(figure)
    assert waveform.get_position().x0 == pytest.approx(image.get_position().x0, abs=1e-6)
    assert waveform.get_position().x1 == pytest.approx(image.get_position().x1, abs=1e-6)


def test_rows_are_sorted_by_frequency() -> None:
    features = features_of(noise(4000) / 32767)
    order = np.random.default_rng(0).permutation(40)
    shuffled = Features(
        features.clip, features.settings, Path("trained.safetensors"), features.sample_rate,
        features.values[:, order], features.times, features.frequencies[order],
    )  # fmt: skip
    figure = plot.draw(shuffled)
    _, image, _ = axes_of(figure)
    drawn = np.asarray(image.images[0].get_array())
    np.testing.assert_array_equal(drawn, axes_of(plot.draw(features))[1].images[0].get_array())
    assert image.get_ylabel() == "Filter centre (Hz), filters sorted"
    ticks = [float(label.get_text()) for label in image.get_yticklabels()]
    assert ticks == sorted(ticks)
    assert "trained.safetensors" in figure.get_suptitle()


@pytest.mark.parametrize(
    ("samples", "n_filters"),
    [(1, 40), (100, 1), (4000, 2)],
    ids=["one sample", "one filter", "two"],
)
def test_small_pictures_are_drawn(samples: int, n_filters: int, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.wav", noise(samples))
    succeeds(clip, "--n-filters", n_filters, "--plot", tmp_path / "picture.png")
    assert matplotlib.image.imread(tmp_path / "picture.png").shape[:2] == (840, 1350)


def test_silence_is_drawn_as_constant() -> None:
    _, image, _ = axes_of(plot.draw(features_of(np.zeros(4000))))
    low, high = image.images[0].get_clim()
    assert high - low > 0.9


def test_a_long_waveform_keeps_its_peaks() -> None:
    samples = np.zeros(80000)
    samples[12345], samples[54321] = 0.9, -0.8
    waveform, _, _ = axes_of(plot.draw(features_of(samples, Name.MEL)))
    line = waveform.lines[0].get_xydata()
    assert len(line) < 8000
    for value, position in ((0.9, 12345), (-0.8, 54321)):
        time = line[np.abs(line[:, 1] - value).argmin(), 0]
        assert time == pytest.approx(position / RATE, abs=0.005)


def test_odd_names_are_drawn_without_warning(tmp_path: Path) -> None:
    clip = write(tmp_path / "$x_1$ \u58f0\u97f3.wav")
    succeeds(clip, "--plot", tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10000


def test_drawing_leaves_pyplot_alone(clip: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from leaf_port._cli.app import app;"
        "app(sys.argv[1:], standalone_mode=False);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    arguments = ["features", str(clip), "--plot", str(tmp_path / "picture.png")]
    done = python("-c", code, *arguments)
    assert (done.returncode, done.stderr) == (0, "")


# As a program


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=300, check=False
    )


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
    weights = saved(leaf_port.Leaf(sample_rate=RATE), tmp_path / "leaf.safetensors")
    options = ["--weights", str(weights), "--plot", str(tmp_path / "picture.png")]
    code = (
        f"import sys; sys.modules['{package}'] = None;from leaf_port.__main__ import main; main()"
    )
    done = python("-c", code, "features", str(clip), *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'leaf_port needs {package}: pip install "leaf-port[cli]"\n'


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
