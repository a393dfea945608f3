"""Models that come with the package."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import leaf_port
from leaf_port import AudioClassifier, Leaf, shipped
from leaf_port._cli.app import app
from leaf_port._model_folder import is_sealed
from leaf_port.errors import LeafError
from leaf_port.training import Clips, read_corpus

ROOT = Path(__file__).resolve().parents[2]
FSDD = Path(os.environ.get("LEAF_FSDD", ROOT.parent / "shared" / "data" / "fsdd"))


def config(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shipped.FOLDER / name / "config.json").read_text())
    return found


def test_they_are_small() -> None:
    """All files together."""
    files = [each for each in shipped.FOLDER.rglob("*") if each.is_file()]
    assert sum(each.stat().st_size for each in files) < 1_000_000


@pytest.mark.parametrize("name", shipped.names())
def test_each_is_loaded_by_name(name: str) -> None:
    """By the class that it is of; its card is what the package writes."""
    kind = getattr(leaf_port, config(name)["kind"])
    model = kind.from_pretrained(name)
    assert not model.training
    with torch.no_grad():
        assert torch.isfinite(model(torch.randn(2, 8000, generator=torch.manual_seed(0)))).all()
    assert is_sealed(shipped.FOLDER / name / "README.md")
    assert "CC BY-SA 4.0" in (shipped.FOLDER / name / "README.md").read_text()


@pytest.mark.parametrize("name", [each for each in shipped.names() if "classifier" in each])
def test_a_frontend_is_that_of_its_classifier(name: str) -> None:
    classifier = AudioClassifier.from_pretrained(name)
    kind = type(classifier.frontend)
    frontend = name.removesuffix("-classifier")
    if frontend not in shipped.names():
        assert not list(kind.parameters(classifier.frontend))
        return
    alone = kind.from_pretrained(frontend).state_dict()  # type: ignore[attr-defined]
    assert alone.keys() == classifier.frontend.state_dict().keys()
    for key, value in classifier.frontend.state_dict().items():
        assert torch.equal(value, alone[key])


@pytest.mark.skipif(not FSDD.is_dir(), reason="needs LEAF_FSDD: the Free Spoken Digit Dataset")
@pytest.mark.parametrize("name", [each for each in shipped.names() if "classifier" in each])
def test_accuracy_on_real_digits(name: str) -> None:
    """Rounding moves the logits of few clips: within the interval that the card tells."""
    told = config(name)["training"]
    corpus = read_corpus(FSDD)
    assert list(corpus.labels) == told["labels"]
    recipe = told["recipe"]
    clips = Clips(corpus, "test", recipe["sample_rate"], recipe["seq_len"])
    model, right = AudioClassifier.from_pretrained(name), 0
    with torch.no_grad():
        for waveform, label in clips:
            right += int(model(waveform[None]).argmax()) == int(label)
    low, high = told["test"]["interval_95"]
    assert low <= right / len(clips) <= high


def test_a_path_of_the_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Leaf(n_filters=3).save_pretrained("fsdd-leaf")
    assert Leaf.from_pretrained("fsdd-leaf").n_filters == 3


def test_commands_know_the_names() -> None:
    """``leaf-port filters fsdd-leaf`` prints the trained filters."""
    result = CliRunner().invoke(app, ["filters", "fsdd-leaf"])
    assert result.exit_code == 0, result.output


def test_a_revision_is_of_the_hub_alone() -> None:
    with pytest.raises(LeafError, match="revision"):
        Leaf.from_pretrained("fsdd-leaf", revision="main")
