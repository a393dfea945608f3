# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command with --workers and --shard: the same bits, whoever computes them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

from _crew import dies, plus, says_who_and_waits, ten
from _features_command import cut_wav, noise, refused, run, saved, snapshot, succeeds, write

import leaf_port
from leaf_port._cli import crew, progress
from leaf_port._cli.sharding import Shard, shard_of
from leaf_port.errors import FilterWarning, LeafError

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Seven clips of different lengths."""
    for k in range(7):
        write(tmp_path / "corpus" / f"{k}.wav", noise(900 + 333 * k, seed=k))
    return tmp_path / "corpus"


# Processes


def test_outcomes_are_in_the_order_of_the_tasks() -> None:
    with contextlib.closing(crew.shared(ten, plus, range(12), 2)) as made:
        outcomes = list(made)
    assert [each.result for each in outcomes if each.error is None] == [
        10 + k for k in range(12) if k != 3
    ]
    with pytest.raises(LeafError, match="three: expected another number, got 3; leave it out"):
        outcomes[3].get()
    with pytest.warns(FilterWarning, match="of five"):
        assert outcomes[5].get() == 15


def test_a_process_that_dies_is_one_clear_error() -> None:
    with (
        contextlib.closing(crew.shared(ten, dies, range(3), 1)) as made,
        pytest.raises(LeafError, match=r"--workers: .* ended by SIG(KILL|TERM) at 1; if memory"),
    ):
        list(made)


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_all_processes_end_with_the_run(tmp_path: Path) -> None:
    """As after Ctrl-C: an exception ends the run while one works and the other waits."""
    told = tmp_path / "told"

    def then_interrupted() -> Iterator[Path]:
        yield told
        while not told.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        contextlib.closing(crew.shared(ten, says_who_and_waits, then_interrupted(), 2)) as made,
    ):
        next(made)
    assert _is_gone(int(told.read_text()))


def test_workers_write_the_same_bytes_and_skip_the_same_clips(corpus: Path, tmp_path: Path) -> None:
    cut_wav(corpus / "3.wav")
    results = [
        run(corpus, "--skip-bad", "--workers", workers, "--out", tmp_path / f"out{workers}")
        for workers in (1, 2)
    ]
    assert [result.exit_code for result in results] == [1, 1]
    one, two = (result.stderr for result in results)
    assert one == two
    assert "skipped 1 of 7 clips" in two
    assert results[0].stdout == results[1].stdout.replace("out2", "out1")
    if torch.get_num_threads() == 1:  # else one process adds in another order
        assert snapshot(tmp_path / "out1") == snapshot(tmp_path / "out2")


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers: int, corpus: Path, tmp_path: Path) -> None:
    line = refused(tmp_path, corpus, "--workers", workers)
    assert f"--workers: expected an integer of at least 1, got {workers}" in line


def test_off_a_terminal_a_line_tells_of_many_clips(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.shown(range(250), 250, "features")) == list(range(250))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["features: 100 of 250 clips", "features: 200 of 250 clips"]


# Parts of a corpus


def test_each_clip_is_in_one_part(corpus: Path, tmp_path: Path) -> None:
    succeeds(corpus, "--out", tmp_path / "whole")
    for index in range(3):
        succeeds(corpus, "--out", tmp_path / "parts", "--shard", f"{index}/3")
        stems = sorted(int(path.stem) for path in (tmp_path / "parts").iterdir())
        assert stems == [k for k in range(7) if k % 3 <= index]
    assert snapshot(tmp_path / "parts") == snapshot(tmp_path / "whole")


def test_more_parts_than_clips(corpus: Path, tmp_path: Path) -> None:
    result = run(corpus, "--out", tmp_path / "out", "--shard", "8/9")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "note: shard 8/9: 0 of 7 clips\n"


def test_rank_and_world_size_are_a_shard(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    result = run(corpus, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stderr == "note: shard 1/4 (RANK and WORLD_SIZE): 2 of 7 clips\n"
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == ["1", "5"]
    succeeds(corpus, "--out", tmp_path / "told", "--shard", "0/1")  # the option is heard first
    assert len(list((tmp_path / "told").iterdir())) == 7


@pytest.mark.parametrize("option", ["3/2", "2/2", "0/0", "-1/2", "1", "a/b", "1/2/3", ""])
def test_a_bad_shard_is_refused(option: str, corpus: Path, tmp_path: Path) -> None:
    line = refused(tmp_path, corpus, f"--shard={option}")
    assert "--shard: expected I/N with 0 <= I < N" in line


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"RANK": "0"}, "RANK and WORLD_SIZE: expected both, got RANK=0 alone"),
        ({"WORLD_SIZE": "2"}, "RANK and WORLD_SIZE: expected both, got WORLD_SIZE=2 alone"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "expected 0 <= RANK < WORLD_SIZE, got RANK=2, WORLD"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "expected 0 <= RANK < WORLD_SIZE, got RANK=x"),
    ],
)
def test_bad_variables_are_refused(variables: dict[str, str], expected: str) -> None:
    with pytest.raises(LeafError) as caught:
        shard_of(None, variables)
    assert expected in str(caught.value)


def test_an_option_needs_no_variables() -> None:
    assert shard_of("1/3", {"RANK": "0"}) == Shard(1, 3)
    assert shard_of(None, {}) == Shard(0, 1)


def test_weights_without_a_rate_are_of_the_first_clips_rate_in_every_part(tmp_path: Path) -> None:
    """The second part's own first clip would tell another."""
    for k, rate in enumerate((8000, 16000, 8000, 16000)):
        write(tmp_path / "corpus" / f"{k}.wav", rate=rate)
    weights = saved(leaf_port.Leaf.for_sample_rate(8000), tmp_path / "leaf.safetensors")
    options = ("--weights", weights, "--shard", "1/2")
    line = refused(tmp_path, tmp_path / "corpus", *options)
    assert "1.wav: expected 8000 Hz, as the clips before it, got 16000 Hz" in line


def test_the_arrays_of_a_part_are_arrays(corpus: Path, tmp_path: Path) -> None:
    succeeds(corpus, "--out", tmp_path / "out", "--shard", "2/3")
    assert np.load(tmp_path / "out" / "5.npy").shape == (-(-(900 + 333 * 5) // 80), 40)
