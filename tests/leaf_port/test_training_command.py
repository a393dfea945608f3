"""``python -m leaf_port train`` and ``evaluate``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from _recordings import speech_commands, write
from typer.testing import CliRunner, Result

from leaf_port._cli.app import app

SMALL = ["--filters", "2,3", "--n-filters", "5", "--seq-len", "1600", "--batch-size", "6"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech_commands(tmp_path_factory.mktemp("data"), each=9, held=2)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A run of two epochs, and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "leaf"
    return out, trained(data, out, "--epochs", "2", "--about", "Tones | CC0, of nobody")


def invoked(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def trained(data: Path, out: Path, *more: object) -> Result:
    return invoked("train", "--data", data, "--out", out, *SMALL, *more)


def test_what_a_run_leaves(run: tuple[Path, Result]) -> None:
    out, result = run
    assert result.exit_code == 0, result.output
    names = {path.name for path in out.iterdir()}
    assert names == {
        *("run.json", "state.pt", "metrics.jsonl", "results.json", "best"),
        *("training.png", "filters.png"),
    }
    assert "epoch 2/2" in result.stderr
    assert "2 labels, 8000 Hz, clips: 10 train, 4 validation, 4 test" in result.stderr
    assert "in evaluation mode" in result.stdout
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    low, high = lines[0]["validation"]["interval_95"]
    assert 0 <= low <= lines[0]["validation"]["accuracy"] <= high <= 1


def test_the_card_of_the_best_model(run: tuple[Path, Result]) -> None:
    """Data, labels, recipe and how good it is; nothing of it is read as Markdown."""
    out, _ = run
    card = (out / "best/README.md").read_text()
    training = json.loads((out / "best/config.json").read_text())["training"]
    measured = json.loads((out / "results.json").read_text())
    assert {split: training[split] for split in measured} == measured
    assert "| data | Tones ? CC0, of nobody |" in card
    assert "| labels | high, low |" in card
    assert "epochs: 2" in card
    assert f"accuracy: {measured['test']['accuracy']:.4g}" in card


def test_it_is_evaluated(run: tuple[Path, Result], data: Path, tmp_path: Path) -> None:
    out, _ = run
    picture = tmp_path / "confusion.png"
    result = invoked("evaluate", out, "--data", data, "--plot", picture)
    assert result.exit_code == 0, result.output
    accuracy = json.loads((out / "results.json").read_text())["test"]["accuracy"]
    assert f"test: accuracy {accuracy:.2%}" in result.stdout
    assert "high:" in result.stdout
    assert picture.read_bytes()[:4] == b"\x89PNG"
    again = invoked("evaluate", out / "best", "--data", data, "--plot", picture)
    assert again.exit_code == 2
    assert "--force" in again.stderr


def test_other_data_are_refused(run: tuple[Path, Result], tmp_path: Path) -> None:
    out, _ = run
    other = speech_commands(tmp_path, ("a", "b"), each=5, held=1)
    result = invoked("evaluate", out, "--data", other)
    assert result.exit_code == 2
    assert "2 labels" in result.stderr


def test_bad_files_are_counted(data: Path, tmp_path: Path) -> None:
    mine = tmp_path / "data"
    shutil.copytree(data, mine)
    write(mine / "low" / "00.wav", 300.0, 1, rate=16000)
    refused = trained(mine, tmp_path / "run", "--epochs", "1")
    assert refused.exit_code == 2
    assert "low/00.wav" in refused.stderr
    assert not (tmp_path / "run").exists()
    result = trained(mine, tmp_path / "run", "--epochs", "1", "--skip-bad")
    assert result.exit_code == 0, result.output
    assert "note: 1 of 18 files cannot be used and were left out" in result.stderr


def test_a_run_is_not_overwritten(run: tuple[Path, Result], data: Path) -> None:
    out, _ = run
    before = (out / "state.pt").read_bytes()
    result = trained(data, out, "--epochs", "2")
    assert result.exit_code == 2
    assert "--resume" in result.stderr
    assert (out / "state.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--filters", "a,b"], "--filters"),
        (["--device", "tpu"], "--device"),
        (["--validation", "never"], "--validation"),
        (["--config", "leef"], "config"),
        (["--encoder", "timm:no_such_model"], "timm"),
    ],
)
def test_bad_options_are_refused(given: list[str], told: str, data: Path, tmp_path: Path) -> None:
    result = trained(data, tmp_path / "run", *given)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("config", ["mel", "tfbanks", "leaf_custom"])
def test_official_configurations_train(config: str, data: Path, tmp_path: Path) -> None:
    encoder = ["--encoder", "convnet"] if config == "leaf_custom" else []
    result = trained(data, tmp_path / "run", "--config", config, "--epochs", "1", *encoder)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "run" / "filters.png").exists()


def test_augmentation_by_torch_audiomentations(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch_audiomentations", reason="torch-audiomentations is not installed")
    result = trained(data, tmp_path / "run", "--epochs", "1", "--augment")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "run" / "run.json").read_text())["augment"]


def test_pictures_show_what_was_measured(run: tuple[Path, Result]) -> None:
    from leaf_port._cli.training_pictures import _training
    from leaf_port.training.run_folder import RunFolder

    epochs = RunFolder(run[0]).metrics()
    left, right = _training(epochs).axes
    losses = [each["train"]["loss"] for each in epochs]
    np.testing.assert_allclose(left.get_lines()[0].get_ydata(), losses)
    scores = [100 * each["validation"]["accuracy"] for each in epochs]
    np.testing.assert_allclose(right.get_lines()[0].get_ydata(), scores)
