"""Official code and port trained side by side: cells, resumption, the table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _recordings import speech_commands
from scipy import stats
from typer.testing import CliRunner

from leaf_port import LeafError
from leaf_port.training import Clips, read_corpus
from leaf_port.training.recipe import build
from parity.commands.accuracy import cells, command, loop, official, table
from parity.commands.accuracy.cells import Cell, Settings
from parity.commands.accuracy.command import Options
from parity.commands.accuracy.experiment import Experiment
from parity.commands.accuracy.loop import Score
from parity.commands.app import app
from parity.oracles import official as oracle

MEL = Cell("port", "mel", 0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech_commands(tmp_path_factory.mktemp("data"), each=11, held=3)


def _options(data: Path, out: Path, **given: Any) -> Options:
    small = {"epochs": 2, "seq_len": 3200, "filters": (2, 3)}
    return Options(out, data, **{**small, **given})


def _silent(_: str) -> None:
    pass


def _result(folder: Path, cell: Cell = MEL) -> dict[str, Any]:
    """A cell's file, without what differs between two runs of the same."""
    found = json.loads((folder / "results" / f"{cell.name}.json").read_text())
    del found["date"]
    for epoch in (*found["epochs"], found["final"], found["best"]):
        for name in ("seconds", "processor_seconds", "with_evaluation", "resumed"):
            del epoch[name]
    return found


def test_cells_come_seed_by_seed_and_names_are_checked() -> None:
    found = [cell.name for cell in cells.chosen([], ["mel", "leaf"], [3, 1])]
    assert found[:4] == ["official-mel-3", "port-mel-3", "official-leaf-3", "port-leaf-3"]
    assert len(list(cells.chosen([], [], []))) == 24
    for given in (("pytorch",), (), ()), ((), ("sincnet_minus",), ()), ((), (), (-1,)):
        with pytest.raises(LeafError, match="accuracy"):
            list(cells.chosen(*given))


def test_a_cell_is_one_whole_file(data: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    assert command.run(_options(data, tmp_path / "out"), [MEL], lines.append)
    result = _result(tmp_path / "out")
    assert [epoch["epoch"] for epoch in result["epochs"]] == [1, 2]
    assert result["final"] == result["epochs"][1]
    best = max(epoch["validation"]["right"] for epoch in result["epochs"])
    assert result["best"]["validation"]["right"] == best
    assert result["versions"]["torch"] == torch.__version__
    assert result["processor"]
    assert list((tmp_path / "out" / "unfinished").iterdir()) == []
    assert sum("epoch 2/2" in line for line in lines) == 1
    before = (tmp_path / "out" / "results" / f"{MEL.name}.json").stat()
    assert command.run(_options(data, tmp_path / "out"), [MEL], lines.append)
    after = (tmp_path / "out" / "results" / f"{MEL.name}.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


class KilledError(Exception):
    pass


def _killed_and_resumed(data: Path, out: Path, cell: Cell) -> dict[str, Any]:
    """The result of a cell that was killed at the end of its second epoch."""
    keep, count = Experiment.keep, 0

    def killed(*given: Any) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise KilledError
        keep(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Experiment, "keep", killed)
        with pytest.raises(KilledError):
            command.run(_options(data, out), [cell], _silent)
    assert not (out / "results" / f"{cell.name}.json").exists()
    lines: list[str] = []
    assert command.run(_options(data, out), [cell], lines.append)
    assert any("goes on at epoch 2" in line for line in lines)
    return _result(out, cell)


def test_a_killed_cell_goes_on_to_the_same_numbers(data: Path, tmp_path: Path) -> None:
    cell = Cell("port", "leaf", 1)
    assert command.run(_options(data, tmp_path / "whole"), [cell], _silent)
    found = _killed_and_resumed(data, tmp_path / "out", cell)
    assert found == _result(tmp_path / "whole", cell)


def test_the_time_may_be_limited(data: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    assert not command.run(_options(data, tmp_path / "out", minutes=0.0), [MEL], lines.append)
    assert lines[-1].startswith("not finished: port-mel-0")
    assert command.run(_options(data, tmp_path / "out"), [MEL], _silent)


def test_a_cell_that_another_process_trains_is_left_to_it(data: Path, tmp_path: Path) -> None:
    out, lines = tmp_path / "out", list[str]()
    command.run(_options(data, out, minutes=0.0), [MEL], _silent)
    with Experiment(out, "accuracy").claimed(MEL.name) as mine:
        assert mine
        assert not command.run(_options(data, out), [MEL], lines.append)
    assert any("another process" in line for line in lines)


def test_other_settings_are_refused(data: Path, tmp_path: Path) -> None:
    command.run(_options(data, tmp_path / "out", minutes=0.0), [MEL], _silent)
    with pytest.raises(LeafError, match="epochs 2"):
        command.run(_options(data, tmp_path / "out", epochs=3), [MEL], _silent)
    with pytest.raises(LeafError, match="an experiment's"):
        command.run(_options(data, data), [MEL], _silent)
    with pytest.raises(LeafError, match="--data"):
        command.run(Options(tmp_path / "none"), [MEL], _silent)


def test_data_without_a_test_are_refused(tmp_path: Path) -> None:
    untested = speech_commands(tmp_path / "data", each=11, held=3)
    (untested / "testing_list.txt").unlink()
    with pytest.raises(LeafError, match=r"testing_list\.txt"):
        command.run(_options(untested, tmp_path / "out"), [MEL], _silent)


def test_a_damaged_result_is_told(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command.run(_options(data, out, minutes=0.0), [MEL], _silent)
    with pytest.raises(LeafError, match="finished trainings"):
        command.show(out)
    (out / "results" / "port-mel-0.json").write_text('{"format_version": 1')
    with pytest.raises(LeafError, match="JSONDecodeError"):
        command.show(out)


class Fixed:
    """A side whose validation is as given."""

    def __init__(self, right: list[int]) -> None:
        self._right, self._at = right, -1

    def train(self, epoch: int) -> Score:
        self._at = epoch
        return Score(1.0, 5, 10)

    def evaluate(self) -> dict[str, Score]:
        right = self._right[self._at]
        return {"validation": Score(1.0, right, 10), "test": Score(1.0, self._at, 10)}

    def watched(self) -> Mapping[str, Any]:
        return {}

    def seconds(self) -> float:
        return 0.0

    def save(self, folder: Path) -> None:
        (folder / "model").touch()

    def load(self, folder: Path) -> None:
        assert (folder / "model").exists()


def test_the_best_epoch_is_the_first_of_the_best_validation(tmp_path: Path) -> None:
    experiment = Experiment(tmp_path / "out", "accuracy")
    experiment.begin({})
    epochs = loop.train(experiment, "cell", Fixed([3, 7, 7, 5]), 4, _silent)
    assert epochs is not None
    judged = loop.judged(epochs)
    assert (judged["best"]["epoch"], judged["final"]["epoch"]) == (2, 4)
    assert judged["best"]["test"]["accuracy"] == 0.1


def test_pairs_are_scipys() -> None:
    first, second = [91.0, 93.5, 90.25, 88.0], [90.0, 91.0, 91.5, 84.0]
    found = table.paired(first, second)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.mean == pytest.approx(np.mean(first) - np.mean(second))
    assert found.within
    assert not table.paired(first[:1], second[:1]).known
    assert table.paired([3.0, 4.0], [1.0, 2.0]) == table.Difference(2.0, 2.0, 2.0)


def test_welch_is_scipys() -> None:
    random = np.random.RandomState(0)
    for sizes in (3, 3), (2, 5), (6, 4):
        first, second = (
            random.normal(90.0, scale, n) for scale, n in zip((1, 3), sizes, strict=True)
        )
        found = table.welch(first.tolist(), second.tolist())
        expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
        np.testing.assert_allclose((found.low, found.high), (expected.low, expected.high))
    assert table.welch([1.0, 1.0], [1.0, 1.0]).within
    assert not table.welch([2.0, 2.0], [1.0, 1.0]).within
    assert not table.welch([1.0], [1.0, 2.0]).known


def _finished(side: str, seed: int, right: int) -> dict[str, Any]:
    epoch = {
        "epoch": 1,
        "processor_seconds": 2.0,
        **{split: Score(0.5, right, 300).as_dict() for split in ("train", "validation", "test")},
    }
    return {
        "side": side,
        "frontend": "leaf",
        "seed": seed,
        "versions": {"tensorflow" if side == "official" else "torch": "2"},
        "processor": "one",
        "threads": 1,
        "date": "2026-01-02T03:04:05+00:00",
        "final": epoch,
        "best": epoch,
        "epochs": [epoch],
    }


@pytest.mark.parametrize(("port", "word"), [((294, 291, 297), "within"), ((204, 201), "outside")])
def test_the_table_says_mean_interval_and_verdict(port: tuple[int, ...], word: str) -> None:
    settings = {
        **Settings(8000, 8000).__dict__,
        "filters_rate": 16000,
        "labels": ["a", "b"],
        "clips": {"test": 300},
        "notes": [],
    }
    official = [_finished("official", i, right) for i, right in enumerate((291, 294, 297))]
    results = [*official, *(_finished("port", i, right) for i, right in enumerate(port))]
    text = table.markdown(settings, results)
    assert "98.00 ± 1.00 %" in text
    assert f"{word}" in text
    assert "Official recipe: 25 epochs" in text
    assert "0.5 of the nominal one" in text
    # Wilson's, by scipy.
    low, high = stats.binomtest(291, 300).proportion_ci(0.95, "wilson")
    assert f"97.00 % | {100 * low:.1f} to {100 * high:.1f}" in text


def test_the_table_says_what_is_not_the_official_recipe() -> None:
    """Another learning rate is named; official channels are not."""
    settings = {
        **Settings(16000, 16000, learning_rate=1e-3).__dict__,
        "filters_rate": 16000,
        "labels": ["a"],
        "clips": {},
        "notes": [],
    }
    text = table.markdown(settings, [_finished("port", 0, 291)])
    assert "Official recipe, with another learning rate: 25 epochs" in text


def test_the_command(data: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    given = ["accuracy", "--data", str(data), "--out", out, "--side", "port", "--frontend", "mel"]
    run = CliRunner().invoke(app, [*given, "--epochs", "1", "--minutes", "0"])
    assert run.exit_code == 1
    assert isinstance(
        CliRunner().invoke(app, ["accuracy", "--table", "--out", out]).exception, LeafError
    )


def test_the_official_side_takes_the_same_samples(data: Path) -> None:
    clips = Clips(read_corpus(data), "train", 8000, 3200)
    split = official.integers(clips)
    samples = np.frombuffer(split["samples"], "<i2")
    first = samples[: split["lengths"][0]].astype(np.float32) / np.float32(32767.0)
    np.testing.assert_array_equal(first, clips.samples(0).numpy())
    assert sum(split["lengths"]) == len(samples)


def test_both_sides_have_the_same_parts() -> None:
    """The names of the official tree are those of the port's model."""
    settings = Settings(8000, 8000)
    for frontend in cells.FRONTENDS:
        cell = Cell("port", frontend, 0)
        model = build(settings.recipe(cell), 10)
        tree = official.tree(frontend, settings, 10)["with"]
        assert tree["frontend"]["call"].endswith(f":{type(model.frontend).__name__}")
        assert tree["encoder"]["with"]["filters"] == [64, 128, 256, 256, 512, 512]


@pytest.mark.skipif(
    not (os.environ.get(oracle.PYTHON) and os.environ.get(oracle.CHECKOUT)),
    reason=f"{oracle.PYTHON} and {oracle.CHECKOUT} name no official code",
)
def test_the_official_side_trains_and_goes_on(data: Path, tmp_path: Path) -> None:
    result = _killed_and_resumed(data, tmp_path / "out", Cell("official", "mel", 0))
    assert [epoch["epoch"] for epoch in result["epochs"]] == [1, 2]
    assert result["versions"]["leaf_audio"]


def test_without_official_code_its_side_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(oracle.PYTHON, raising=False)
    with pytest.raises(LeafError, match=oracle.PYTHON):
        command.run(_options(data, tmp_path / "out"), [Cell("official", "mel", 0)], _silent)


def test_channels() -> None:
    """The official ones by default; integers between commas; nothing else."""
    assert cells.channels(None) == (64, 128, 256, 256, 512, 512)
    assert cells.channels("8,16") == (8, 16)
    for wrong in ("8,x", "", "0"):
        with pytest.raises(LeafError, match="--filters"):
            cells.channels(wrong)
