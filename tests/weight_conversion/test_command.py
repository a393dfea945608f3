"""``python -m weight_conversion``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _bundle_writer import Bundle
from _conversion import run

from weight_conversion.reference.record import RECORDINGS


def test_inspect_lists_tensors_and_counts_numbers(tmp_path: Path) -> None:
    bundle = Bundle().add("layer[0]/kernel", np.zeros((4, 3), np.float32)).add("step", np.int64(1))
    shown = run("inspect", bundle.write(tmp_path / "c"), "--keys")
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


def test_inspect_tells_the_model_first_and_what_it_cannot_tell() -> None:
    lines = run("inspect", RECORDINGS / "leaf").splitlines()
    assert lines[0] == "model: AudioClassifier(Leaf, ConvNet)"
    asked = lines.index("not in the file, asked for by convert:")
    for each in ("frontend.n_filters: 8", "encoder.filters: [4, 5]"):
        assert lines.index(f"  {each}") < asked
    options = ["--activation", "--window-stride", "--sample-rate", "--window-len", "--pcen-floor"]
    assert [line.split()[0] for line in lines[asked + 1 : asked + 6]] == options
    assert lines[-1].endswith("all of them read; --keys lists them")
    assert not any("_head/kernel" in line for line in lines)


def test_inspect_lists_keys_on_demand() -> None:
    lines = run("inspect", RECORDINGS / "leaf", "--keys").splitlines()
    assert "tensor\ttype\tshape\tnumbers" in lines
    assert any(line.startswith("_head/kernel/") and line.endswith("\t15") for line in lines)


def test_convert_makes_a_folder_and_prints_the_table(tmp_path: Path) -> None:
    shown = run("convert", RECORDINGS / "leaf", tmp_path / "made", "--defaults")
    for each in ("_head/kernel", "head.weight", "(1, 0)", "32 weights", "24 with Adam"):
        assert each in shown
    convolution = "_encoder/layer_with_weights-0/layer_with_weights-0/kernel"
    row = (convolution, "encoder.0.0.weight", "(3, 2, 0, 1)", "(3, 1, 1, 4)")
    assert "\t".join(row) in shown.splitlines()  # whole, and one line: a pipe has no width
    names = {path.name for path in (tmp_path / "made").iterdir()}
    assert names >= {"config.json", "model.safetensors", "optimizer.safetensors"}


def test_convert_says_what_it_wrote_and_how_to_load_it(tmp_path: Path) -> None:
    """The two lines are run as they stand."""
    folder = tmp_path / "a [folder]"
    lines = run("convert", RECORDINGS / "sincnet", folder, "--defaults", "--no-verify").splitlines()
    names = "config.json, model.safetensors, optimizer.safetensors"
    assert lines[-4:-2] == [f"written: {folder}: {names}", "Load it with:"]
    found: dict[str, Any] = {}
    exec("\n".join(line.strip() for line in lines[-2:]), found)
    assert found["model"].frontend.complex_conv.kernel.shape == (8, 2)


@pytest.mark.parametrize("name", ["leaf", "mel"])
def test_the_line_to_copy_converts(name: str, tmp_path: Path) -> None:
    """Everything is asked for at once; with the choices made, the printed line is enough."""
    told = run("convert", RECORDINGS / name, tmp_path / "a folder", code=2)
    assert told.startswith("error: convert: the features depend on ")
    assert list(tmp_path.iterdir()) == []
    line = shlex.split(told.splitlines()[-1].replace("MEL-OR-NONE", "mel"))
    assert line[:4] == ["python", "-m", "weight_conversion", "convert"]
    given = [{"40": "8"}.get(each, each) for each in line[4:]]
    run("convert", *given, "--no-verify")


def test_a_choice_left_open_is_refused(tmp_path: Path) -> None:
    told = run("convert", RECORDINGS / "mel", tmp_path / "made", code=2)
    told = run("convert", *shlex.split(told.splitlines()[-1])[4:], code=2)
    assert told.startswith("error: convert: --frontend: expected one of leaf,")
    assert told.count("\n") == 1


def test_what_is_given_is_not_asked_again(tmp_path: Path) -> None:
    told = run("convert", RECORDINGS / "tfbanks", tmp_path / "x", "--activation", "relu", code=2)
    assert "1 value that" in told
    assert "--window-stride 10" in told
    assert told.count("--activation") == 1  # in the line to copy
