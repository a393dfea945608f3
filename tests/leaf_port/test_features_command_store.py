# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command with --format safetensors, and ``leaf_port.data.load_features``."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

from _features_command import cut_wav, noise, refused, run, saved, snapshot, succeeds, write

import leaf_port
from leaf_port._cli import work
from leaf_port.data import load_features
from leaf_port.errors import LeafError

pytestmark = pytest.mark.filterwarnings("error")

SMALL = ("--n-filters", 5, "--format", "safetensors", "--shard-size", 2)
FILES = [f"features-0000{k}-of-00003.safetensors" for k in range(3)]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Five clips of different lengths."""
    for k, name in enumerate(("a", "b/a", "b/c", "d", "e")):
        write(tmp_path / "corpus" / f"{name}.wav", noise(900 + 333 * k, seed=k))
    return tmp_path / "corpus"


def made(corpus: Path, out: Path, *options: object) -> str:
    return succeeds(corpus, *SMALL, "--out", out, *options)


# What is written


def test_the_files_hold_what_npy_files_do(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert made(corpus, out).splitlines() == [str(out / name) for name in FILES]
    assert sorted(snapshot(out)) == [*FILES, "index-00000-of-00001.json"]
    succeeds(corpus, "--n-filters", 5, "--out", tmp_path / "npy")
    features = load_features(out)
    assert list(features) == ["a", "b/a", "b/c", "d", "e"]
    for name, values in features.items():
        expected = np.load(tmp_path / "npy" / f"{name}.npy")
        np.testing.assert_array_equal(values.numpy(), expected)
        assert features.shape(name) == expected.shape
        assert features.sample_rate(name) == 8000
    assert features.skipped == {}


def test_the_index_tells_of_the_run(corpus: Path, tmp_path: Path) -> None:
    weights = saved(
        leaf_port.Leaf.for_sample_rate(8000, n_filters=5), tmp_path / "leaf.safetensors"
    )
    options = ("--weights", weights, "--sample-rate", 8000)
    assert run(corpus, *SMALL, *options, "--out", tmp_path / "out").exit_code == 0
    told = load_features(tmp_path / "out").run
    assert told["weights"] == {weights.name: hashlib.sha256(weights.read_bytes()).hexdigest()}
    assert (told["frontend"], told["n_filters"], told["clips"]) == ("leaf", 5, 5)
    assert told["versions"]["torch"] == str(torch.__version__)


@pytest.mark.parametrize("count", [2, 4])
def test_the_parts_are_the_whole_bit_for_bit(count: int, corpus: Path, tmp_path: Path) -> None:
    made(corpus, tmp_path / "whole")
    for index in reversed(range(count)):
        if index == 0:
            with pytest.raises(LeafError, match=f"got none that names {FILES[0]}"):
                load_features(tmp_path / "parts")
        run(corpus, *SMALL, "--out", tmp_path / "parts", "--shard", f"{index}/{count}")
    whole, parts = snapshot(tmp_path / "whole"), snapshot(tmp_path / "parts")
    assert [parts[name] for name in FILES] == [whole[name] for name in FILES]
    assert load_features(tmp_path / "parts").keys() == load_features(tmp_path / "whole").keys()


def test_a_loader_can_be_sent_to_another_process(corpus: Path, tmp_path: Path) -> None:
    made(corpus, tmp_path / "out")
    features = load_features(tmp_path / "out")
    expected = features["d"]
    assert torch.equal(pickle.loads(pickle.dumps(features))["d"], expected)
    assert "z" not in features
    with pytest.raises(KeyError):
        features["z"]


# Going on


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The clips that are computed from now on."""
    compute, names = work.compute, list[str]()

    def counting(extractor: Any, task: work.Task) -> work.Done:
        names.append(task.clip.stem)
        return compute(extractor, task)

    monkeypatch.setattr(work, "compute", counting)
    return names


def test_a_run_goes_on_where_it_stopped(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(corpus, tmp_path / "whole")
    broken = (corpus / "d.wav").read_bytes()
    (corpus / "d.wav").write_bytes(broken[:100])
    result = run(corpus, *SMALL, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stdout == f"{tmp_path / 'out' / FILES[0]}\n"
    assert sorted(snapshot(tmp_path / "out")) == FILES[:1]
    with pytest.raises(LeafError, match=r"a folder with index-….json"):
        load_features(tmp_path / "out")
    (corpus / "d.wav").write_bytes(broken)
    names = counted(monkeypatch)
    result = run(corpus, *SMALL, "--out", tmp_path / "out")
    assert result.stderr == "note: 1 of 3 files were there already\n"
    assert names == ["c", "d", "e"]
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "whole")


def test_force_makes_all_files_anew(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(corpus, tmp_path / "out")
    before, names = snapshot(tmp_path / "out"), counted(monkeypatch)
    made(corpus, tmp_path / "out", "--force")
    assert len(names) == 5
    assert snapshot(tmp_path / "out") == before


OTHER_RUNS: dict[str, tuple[tuple[object, ...], str]] = {
    "frontend": (("--frontend", "mel"), 'frontend "mel"'),
    "band": (("--max-freq", 3000), "max_freq 3000.0"),
    "window": (("--window-len", 20), "window_len 20.0"),
    "mono": (("--mono",), "mono true"),
    "clips a file": (("--shard-size", 3), "shard_size 3"),
    "by force": (("--frontend", "mel", "--force"), 'frontend "mel"'),
}


@pytest.mark.parametrize("kind", OTHER_RUNS)
def test_the_folder_of_another_run_is_refused(kind: str, corpus: Path, tmp_path: Path) -> None:
    made(corpus, tmp_path / "out")
    options, expected = OTHER_RUNS[kind]
    line = refused(tmp_path, corpus, *SMALL, "--out", tmp_path / "out", *options)
    assert f"--out: expected an empty folder or one of the same run ({expected}" in line


def test_a_clip_that_was_added_or_changed_is_told(corpus: Path, tmp_path: Path) -> None:
    made(corpus, tmp_path / "out")
    write(corpus / "a.wav", noise(1000, seed=9))
    line = refused(tmp_path, corpus, *SMALL, "--out", tmp_path / "out")
    assert f"{corpus / 'a.wav'}: expected a clip of" in line
    write(corpus / "z.wav")
    line = refused(tmp_path, corpus, *SMALL, "--out", tmp_path / "out")
    assert "clips 6" in line


def test_clips_that_are_skipped(corpus: Path, tmp_path: Path) -> None:
    whole = (corpus / "e.wav").read_bytes()
    cut_wav(corpus / "e.wav")
    out = tmp_path / "out"
    results = [run(corpus, *SMALL, "--out", out, "--skip-bad") for _ in range(2)]
    assert [result.exit_code for result in results] == [1, 1]
    for result in results:  # the second finds all files
        assert f"skipped: features: {corpus / 'e.wav'}" in result.stderr
        assert "skipped 1 of 5 clips" in result.stderr
    assert results[1].stdout == ""
    features = load_features(out)
    assert list(features) == ["a", "b/a", "b/c", "d"]
    assert "cut short" in features.skipped["e"]
    (corpus / "e.wav").write_bytes(whole)  # mended: its file is made again
    result = run(corpus, *SMALL, "--out", out, "--skip-bad")
    assert (result.exit_code, result.stdout) == (0, f"{out / FILES[2]}\n")
    assert list(load_features(out)) == ["a", "b/a", "b/c", "d", "e"]


# Bad input


BAD: dict[str, tuple[tuple[object, ...], str]] = {
    "no folder": (("--format", "safetensors"), "--format: expected --out FOLDER beside it"),
    "pictures": ((*SMALL, "--out", "out", "--plot", "out"), "--plot: expected no --format"),
    "a file": ((*SMALL, "--out", "file"), "--out: expected a folder, got the file"),
    "no parent": ((*SMALL, "--out", "no/out"), "--out: expected a path in a folder that exists"),
    "no clips a file": ((*SMALL[:-1], 0, "--out", "out"), "--shard-size: expected an integer of"),
    "clips a file of npy": (("--shard-size", 2), "--shard-size: expected --format safetensors"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_options_are_refused(
    kind: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    options, expected = BAD[kind]
    assert expected in refused(tmp_path, corpus, *options)


def test_two_clips_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("x.wav", "x.flac", "x.wav.wav"):
        write(tmp_path / "corpus" / name)
    line = refused(tmp_path, tmp_path / "corpus", *SMALL, "--out", tmp_path / "out")
    assert "a name of its own for each clip, got x.wav of" in line


def test_the_name_that_safetensors_keeps_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "corpus" / "__metadata__.wav")
    line = refused(tmp_path, tmp_path / "corpus", *SMALL, "--out", tmp_path / "out")
    assert "rename the clip" in line


def without_a_file(out: Path) -> None:
    (out / FILES[1]).unlink()


def with_a_shorter_file(out: Path) -> None:
    (out / FILES[1]).write_bytes((out / FILES[1]).read_bytes()[:-4])


def of_two_runs(out: Path) -> None:
    told = json.loads((out / "index-00000-of-00001.json").read_text())
    told["run"]["n_filters"] = 6
    (out / "index-00001-of-00002.json").write_text(json.dumps(told))


def of_another_version(out: Path) -> None:
    told = json.loads((out / "index-00000-of-00001.json").read_text())
    (out / "index-00000-of-00001.json").write_text(json.dumps({**told, "format_version": 9}))


def without_a_clip(out: Path) -> None:
    told = json.loads((out / "index-00000-of-00001.json").read_text())
    del told["clips"]["d"]
    (out / "index-00000-of-00001.json").write_text(json.dumps(told))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no file": (without_a_file, "got no such file"),
    "shorter": (with_a_shorter_file, "expected a file of"),
    "two runs": (of_two_runs, r"expected the run of .* \(n_filters 5\), got n_filters 6"),
    "version": (of_another_version, "format_version 1, got 9"),
    "no clip": (without_a_clip, "expected 5 clips, got 4 and 0 that were skipped"),
    "no json": (lambda out: (out / "index-00000-of-00001.json").write_text("{") and None, "JSON"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_an_incomplete_folder_is_refused(kind: str, corpus: Path, tmp_path: Path) -> None:
    made(corpus, tmp_path / "out")
    damage, expected = DAMAGE[kind]
    damage(tmp_path / "out")
    with pytest.raises(LeafError, match=expected):
        load_features(tmp_path / "out")


def test_a_file_that_was_changed_is_refused_when_it_is_read(corpus: Path, tmp_path: Path) -> None:
    made(corpus, tmp_path / "out")
    path = tmp_path / "out" / FILES[0]
    path.write_bytes(b"\xff" * path.stat().st_size)
    features = load_features(tmp_path / "out")
    with pytest.raises(LeafError, match="delete it and run the command again"):
        features["a"]
    assert features["d"].shape == (24, 5)


def test_no_folder_of_features(tmp_path: Path) -> None:
    with pytest.raises(LeafError, match="got no such folder"):
        load_features(tmp_path / "no")
    with pytest.raises(LeafError, match="got none"):
        load_features(tmp_path)
