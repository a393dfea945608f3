"""PyTorch to TensorFlow: a checkpoint that the official code loads, and the way there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from _conversion import converted
from safetensors.numpy import load_file

from leaf_port import LeafError
from weight_conversion.official.opening import open_source
from weight_conversion.reference.export import export, official_tree
from weight_conversion.reference.recipes import call


@pytest.mark.usefixtures("live_module")
@pytest.mark.parametrize("name", ["leaf", "tfbanks", "sincnet_plus", "mel", "wavegram"])
def test_there_and_back_changes_no_bit(name: str, tmp_path: Path) -> None:
    made = converted(name, tmp_path / "first")
    assert export(tmp_path / "first", tmp_path / "back") == len(made.rows)
    names = {"first", "back.index", "back.data-00000-of-00001"}
    assert {path.name for path in tmp_path.iterdir()} == names
    converted(name, tmp_path / "second", source=tmp_path / "back")
    first, second = (load_file(tmp_path / n / "model.safetensors") for n in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(first[key].tobytes() == second[key].tobytes() for key in first)
    exported = open_source(tmp_path / "back")
    for row in made.rows:
        assert np.array_equal(
            row.to_official(torch.from_numpy(first[row.key])), exported.tensor(row.path)
        )


def test_the_official_call_of_a_description(tmp_path: Path) -> None:
    tree = converted("leaf", tmp_path / "made").tree
    made = official_tree(tree)
    frontend = made["with"]["frontend"]
    assert made["call"] == "leaf_audio.models:AudioClassifier"
    assert frontend["call"] == "leaf_audio.frontend:Leaf"
    assert frontend["with"]["compression_fn"]["call"] == "leaf_audio.postprocessing:PCENLayer"
    assert "num_channels" not in frontend["with"]["compression_fn"]["with"]
    given = {"filters": [4, 5], "activation": "relu", "dropout": 0.0}
    assert made["with"]["encoder"] == call("leaf_audio.models:ConvNet", **given)


def test_layers_that_are_not_exported(tmp_path: Path) -> None:
    tree = {"kind": "Leaf", "arguments": {"conv1d_cls": "NormalizedConv1d"}}
    with pytest.raises(LeafError, match="conv1d_cls"):
        official_tree(tree)


def test_nothing_is_overwritten_and_nothing_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted("tfbanks", tmp_path / "made")
    (tmp_path / "taken.index").write_bytes(b"x")
    with pytest.raises(LeafError, match="a name that is free"):
        export(tmp_path / "made", tmp_path / "taken")
    monkeypatch.delenv("LEAF_REFERENCE_PYTHON", raising=False)
    with pytest.raises(LeafError, match="LEAF_REFERENCE_PYTHON"):
        export(tmp_path / "made", tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"made", "taken.index"}
