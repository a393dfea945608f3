"""``python -m weight_conversion``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from _bundle_writer import Bundle
from _conversion import run

from weight_conversion.reference.record import RECORDINGS


def test_inspect_lists_tensors_and_counts_numbers(tmp_path: Path) -> None:
    bundle = Bundle().add("layer[0]/kernel", np.zeros((4, 3), np.float32)).add("step", np.int64(1))
    shown = run("inspect", bundle.write(tmp_path / "c"))
    for each in ("layer[0]/kernel", "float32", "(4, 3)", "12", "step", "2 tensors", "13"):
        assert each in shown


@pytest.mark.parametrize("file", ["", "saved_model", "by_layer.h5", "by_attribute.weights.h5"])
def test_inspect_reads_every_kind(file: str) -> None:
    shown = json.loads(run("inspect", RECORDINGS / "leaf" / file, "--json"))
    gabor = {"dtype": "float32", "shape": [8, 2]}
    assert gabor in shown["tensors"].values()
    assert shown["model"]["arguments"]["frontend"]["arguments"]["n_filters"] == 8
    asked = ["--activation", "--window-stride", "--sample-rate", "--window-len", "--pcen-floor"]
    assert shown["asked"] == asked
    assert shown["no_model"] is None


def test_inspect_tells_as_json_why_there_is_no_model(tmp_path: Path) -> None:
    bundle = Bundle().add("other", np.zeros(3, np.float32)).write(tmp_path / "c")
    shown = json.loads(run("inspect", bundle, "--json"))
    assert shown["tensors"] == {"other": {"dtype": "float32", "shape": [3]}}
    assert shown["model"] is None
    assert shown["asked"] == []
    assert "expected an object graph" in shown["no_model"]


def test_mel_and_no_frontend_are_asked_for_by_name() -> None:
    shown = json.loads(run("inspect", RECORDINGS / "mel", "--json"))
    assert shown["model"] is None
    assert "--frontend" in shown["no_model"]


def test_a_damaged_checkpoint_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    prefix = Bundle().add("kernel", np.zeros(3)).write(tmp_path / "c")
    (tmp_path / "c.data-00000-of-00001").write_bytes(b"\x01" * 24)
    told = run("inspect", prefix, code=2)
    assert told.startswith("error: checkpoint: ")
    assert told.count("\n") == 1
    for each in ("c.data-00000-of-00001", "kernel", "CRC-32C"):
        assert each in told


def test_an_unknown_recipe(tmp_path: Path) -> None:
    assert "one of leaf," in run("record", "gone", code=2)


def test_inspect_tells_the_model_and_what_it_cannot_tell() -> None:
    shown = run("inspect", RECORDINGS / "leaf")
    for each in ('"kind": "Leaf"', '"filters": [4, 5]', "--sample-rate", "--pcen-floor"):
        assert each in shown


def test_convert_makes_a_folder_and_prints_the_table(tmp_path: Path) -> None:
    shown = run("convert", RECORDINGS / "leaf", tmp_path / "made", "--defaults")
    for each in ("_head/kernel", "head.weight", "(1, 0)", "32 weights", "24 with Adam"):
        assert each in shown
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert names >= {"config.json", "model.safetensors", "optimizer.safetensors"}


def test_convert_asks_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    told = run("convert", RECORDINGS / "tfbanks", tmp_path / "made", code=2)
    assert told.startswith("error: convert: --activation: ")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
