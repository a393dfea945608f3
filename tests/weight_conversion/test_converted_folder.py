"""A folder that ``convert`` made, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from _refusals import refusal
from safetensors.torch import save_file

from leaf_port import PCEN, Leaf, LeafError
from weight_conversion.official import folder

FRONTEND = {"kind": "Leaf", "arguments": {"n_filters": 4, "sample_rate": 8000}}


def classifier(part: dict[str, Any] | None) -> dict[str, Any]:
    return {"kind": "AudioClassifier", "arguments": {"num_outputs": 3, "frontend": part}}


@pytest.mark.parametrize(
    ("config", "part", "rate"),
    [
        (FRONTEND, FRONTEND, 8000),
        (classifier(FRONTEND), FRONTEND, 8000),
        (classifier(None), None, None),
        ({"kind": "AudioClassifier", "arguments": {}}, None, None),
        ({"kind": "Leaf", "arguments": {}}, {"kind": "Leaf", "arguments": {}}, None),
        (classifier({"kind": "Leaf", "arguments": {"sample_rate": 8000.0}}), ..., 8000),
    ],
)
def test_a_frontend_and_its_rate(config: dict[str, Any], part: Any, rate: int | None) -> None:
    assert part is ... or folder.frontend(config) == part
    found = folder.sample_rate(config)
    assert (found, type(found)) == (rate, type(rate))


def test_a_model_of_the_waveform_itself_has_the_official_rate() -> None:
    assert folder.WAVEFORM_RATE == 16000


def written(place: Path, kind: str, state: dict[str, torch.Tensor], **more: Any) -> Path:
    place.mkdir()
    save_file(state, place / "model.safetensors")
    arguments = {"n_filters": 4} if kind == "Leaf" else {"num_channels": 4}
    config = {"format_version": 1, "kind": kind, "arguments": arguments, **more}
    (place / "config.json").write_text(json.dumps(config))
    return place


def test_a_model_is_loaded_for_evaluation(tmp_path: Path) -> None:
    weights = Leaf(n_filters=4).state_dict()
    place = written(tmp_path / "made", "Leaf", weights, source={"a": "b"})
    config, model = folder.load(place)
    assert (config["kind"], config["source"]) == ("Leaf", {"a": "b"})
    assert isinstance(model, Leaf)
    assert not model.training
    assert all(torch.equal(weights[name], each) for name, each in model.state_dict().items())


def test_weights_are_those_that_were_noted_unless_that_is_not_asked(tmp_path: Path) -> None:
    noted = {"weights": {"model.safetensors": "0" * 64}}
    place = written(tmp_path / "made", "Leaf", Leaf(n_filters=4).state_dict(), **noted)
    with pytest.raises(LeafError, match=r"made/model\.safetensors: expected SHA-256 '000"):
        folder.load(place)
    assert isinstance(folder.load(place, noted=False)[1], Leaf)


def test_a_layer_is_no_model(tmp_path: Path) -> None:
    place = written(tmp_path / "made", "PCEN", PCEN(4).state_dict())
    assert refusal(lambda: folder.load(place)) == (
        "from_pretrained",
        str(place),
        "a frontend or an AudioClassifier",
        "PCEN",
        "convert the checkpoint again",
    )
