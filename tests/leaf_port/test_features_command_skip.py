# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command with --skip-bad: a broken clip does not lose the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

from _features_command import cut_wav, noise, refused, run, saved, snapshot, succeeds, text, write

import leaf_port

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.wav")


def _many(folder: Path) -> tuple[list[str], list[Path]]:
    """A folder of six clips, and those of them that are broken, in different ways."""
    for stem in "abcdef":
        write(folder / f"{stem}.wav")
    broken = [folder / "b.wav", folder / "d.wav", folder / "f.wav"]
    cut_wav(broken[0])
    text(broken[1])
    write(broken[2], noise(20))  # too short for time-domain filterbanks
    return ["a", "c", "e"], broken


def test_broken_clips_are_skipped_and_named(tmp_path: Path) -> None:
    good, broken = _many(tmp_path / "clips")
    out = tmp_path / "out"
    options = ("--frontend", "tfbanks", "--out", out)
    result = run(tmp_path / "clips", *options, "--skip-bad")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [str(out / f"{stem}.npy") for stem in good]
    assert sorted(path.name for path in out.iterdir()) == [f"{stem}.npy" for stem in good]
    *lines, count = result.stderr.splitlines()
    assert count == "skipped 3 of 6 clips"
    for line, path in zip(lines, broken, strict=True):
        assert line.startswith(f"skipped: features: {path}")
    # The same bytes as without the broken ones.
    for path in broken:
        path.unlink()
    succeeds(tmp_path / "clips", "--frontend", "tfbanks", "--out", tmp_path / "again")
    assert snapshot(tmp_path / "again") == snapshot(out)


def test_broken_clips_are_left_out_of_the_summary(tmp_path: Path) -> None:
    _many(tmp_path / "clips")
    result = run(tmp_path / "clips", "--skip-bad", "--frontend", "tfbanks")
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 4


def test_nothing_to_skip_is_no_failure(clip: Path) -> None:
    succeeds(clip, "--skip-bad")


def test_nothing_but_broken_clips(tmp_path: Path) -> None:
    cut_wav(tmp_path / "clip.wav")
    result = run(tmp_path / "clip.wav", "--skip-bad", "--out", tmp_path / "out.npy")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "skipped 1 of 1 clips"
    assert not (tmp_path / "out.npy").exists()


def test_a_wrong_option_is_no_broken_clip(tmp_path: Path) -> None:
    _many(tmp_path / "clips")
    weights = saved(leaf_port.Leaf(n_filters=3), tmp_path / "w.safetensors")
    line = refused(tmp_path, tmp_path / "clips", "--skip-bad", "--weights", weights)
    assert "--weights: expected the state dict" in line
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.npy").touch()
    line = refused(tmp_path, tmp_path / "clips", "--skip-bad", "--out", tmp_path / "full")
    assert "--out: expected a name that is free" in line


def test_a_full_disk_is_no_broken_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _many(tmp_path / "clips")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    line = refused(tmp_path, tmp_path / "clips", "--skip-bad", "--out", tmp_path / "out")
    assert "No space left" in line
