"""State dicts of leaf-pytorch and SpeechBrain become folders that Leaf loads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _forked
import numpy as np
import pytest
import torch
from _conversion import run
from _layers import clips, same_bits
from _ports import FILTERS, GIVEN, NAMES, imported, ours, state
from safetensors.torch import load_file, save_file
from torch import Tensor

import leaf_port as lp
from weight_conversion.foreign.ports import PORTS
from weight_conversion.formats import child_process
from weight_conversion.reference.export import official_tree

State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def _forked_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading torch anew for each file takes a hundred times as long as reading it."""
    monkeypatch.setattr(child_process, "started", _forked.started)


def prefixed(prefix: str, weights: State) -> State:
    return {prefix + name: value for name, value in weights.items()}


def test_the_table_is_whole() -> None:
    assert {port.name: port.table(True) for port in PORTS} == NAMES


NESTED: dict[str, tuple[Callable[[State], Any], str, str]] = {
    "bare": (lambda weights: weights, "", ""),
    "state_dict": (lambda weights: {"state_dict": weights, "epoch": 3}, "state_dict", ""),
    "model": (lambda weights: {"model": weights}, "model", ""),
    "data parallel": (lambda weights: prefixed("module.", weights), "", "module."),
    "compiled": (lambda weights: prefixed("_orig_mod.", weights), "", "_orig_mod."),
    "classifier": (
        lambda weights: {
            "model_state_dict": {
                **prefixed("module.features.", weights),
                "module.model._fc.weight": torch.zeros(2, 2),
            },
            "optimizer_state_dict": {"state": {0: {"exp_avg": torch.zeros(3)}}, "lr": 0.1},
            "tr_loss": np.float64(0.3),
            "val_acc": np.float32(0.9),
        },
        "model_state_dict",
        "module.features.",
    ),
    "twice nested": (lambda weights: {"a": {"b": prefixed("x.", weights)}}, "a/b", "x."),
}


@pytest.mark.parametrize("nested", NESTED)
@pytest.mark.parametrize("port", NAMES)
def test_every_nesting(port: str, nested: str, tmp_path: Path) -> None:
    wrap, state_dict, prefix = NESTED[nested]
    torch.save(wrap(state(port)), tmp_path / "model.pt")
    made = imported(tmp_path / "model.pt", tmp_path / "made")
    assert made.found.port.name == port
    assert (made.found.state_dict, made.found.prefix) == (state_dict, prefix)
    loaded = lp.Leaf.from_pretrained(tmp_path / "made")
    assert same_bits(loaded(clips(2, 900)), ours()(clips(2, 900)))
    assert len(made.rows) == len(load_file(tmp_path / "made" / "model.safetensors"))


@pytest.mark.parametrize("port", NAMES)
def test_safetensors_and_no_compression(port: str, tmp_path: Path) -> None:
    save_file(state(port, compression_fn=None), tmp_path / "model.safetensors")
    imported(tmp_path / "model.safetensors", tmp_path / "made")
    loaded = lp.Leaf.from_pretrained(tmp_path / "made")
    assert same_bits(loaded(clips(2, 900)), ours(compression_fn=None)(clips(2, 900)))


def test_the_old_format_of_torch(tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    torch.save(state("speechbrain"), file, _use_new_zipfile_serialization=False)
    imported(file, tmp_path / "made")
    assert same_bits(
        lp.Leaf.from_pretrained(tmp_path / "made")(clips(1, 300)), ours()(clips(1, 300))
    )


def test_the_config_says_that_it_is_not_the_official_function(tmp_path: Path) -> None:
    torch.save(NESTED["classifier"][0](state("leaf-pytorch")), tmp_path / "model.pt")
    imported(tmp_path / "model.pt", tmp_path / "made")
    config = json.loads((tmp_path / "made" / "config.json").read_text())
    assert config["kind"] == "Leaf"
    told = config["imported"]
    assert told["from"] == "leaf-pytorch"
    assert told["official_function"] is False
    assert {name: each["value"] for name, each in told["differences"].items()} == {
        "pooling_padding": "SYMMETRIC",
        "pooling_bias": True,
    }
    assert told["not_imported"] == {"module": 1}
    assert list(config["source"]) == ["model.pt"]
    assert len(config["source"]["model.pt"]) == 64
    weights = (tmp_path / "made" / "model.safetensors").read_bytes()
    assert config["weights"]["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert config["versions"]["torch"]
    expected = {"n_filters": FILTERS, **GIVEN}
    assert {name: config["arguments"][name] for name in expected} == expected


def test_what_is_learned_is_as_given(tmp_path: Path) -> None:
    torch.save(state("speechbrain"), tmp_path / "model.pt")
    imported(tmp_path / "model.pt", tmp_path / "made", given={**GIVEN, "learn_pooling": False})
    loaded = lp.Leaf.from_pretrained(tmp_path / "made")
    fixed = {name for name, weight in loaded.named_parameters() if not weight.requires_grad}
    assert fixed == {"pooling.kernel", "pooling.bias"}


def test_one_of_several_is_chosen(tmp_path: Path) -> None:
    held = {
        "model": prefixed("a.", state("speechbrain", 1)) | prefixed("b.", state("speechbrain", 2)),
        "ema": prefixed("b.", state("speechbrain", 3)),
    }
    torch.save(held, tmp_path / "model.pt")
    for name, prefix, seed in (("model", "a.", 1), ("model", "b.", 2), ("ema", None, 3)):
        imported(
            tmp_path / "model.pt", tmp_path / "made", state_dict=name, prefix=prefix, force=True
        )
        loaded = lp.Leaf.from_pretrained(tmp_path / "made")
        assert same_bits(loaded.complex_conv.kernel, ours(seed).complex_conv.kernel)  # type: ignore[arg-type]


def test_no_export_to_the_official_format(tmp_path: Path) -> None:
    """Of neither option; with the values of the official pooling they are no obstacle."""
    official = {"pooling_padding": "SAME", "pooling_bias": False}
    assert official_tree({"kind": "Leaf", "arguments": official})["with"] == {}
    for name, value in (("pooling_padding", "SYMMETRIC"), ("pooling_bias", True)):
        with pytest.raises(lp.LeafError, match=f"{name}: expected .*imported from another port"):
            official_tree({"kind": "Leaf", "arguments": {**official, name: value}})


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    torch.save(NESTED["classifier"][0](state("leaf-pytorch")), tmp_path / "model.pt")
    arguments = ("--sample-rate", "8000", "--defaults")
    shown = run("import", tmp_path / "model.pt", tmp_path / "made", *arguments)
    for each in (
        "Leaf: 7 weights",
        "imported: Leaf of leaf-pytorch, state dict 'model_state_dict', prefix 'module.features.'",
        "not imported, of other models: module.* (1)",
        "not imported, beside the state dict: optimizer_state_dict, tr_loss, val_acc",
        "by --defaults: --window-len 25, --window-stride 10",
        "not the official LEAF function",
        "pooling_padding='SYMMETRIC'",
        "pooling_bias=True",
    ):
        assert each in shown
    assert lp.Leaf.from_pretrained(tmp_path / "made").pooling.kernel_size == 201


def test_inspect_and_convert_know_the_file(tmp_path: Path) -> None:
    torch.save(NESTED["classifier"][0](state("leaf-pytorch")), tmp_path / "model.pt")
    shown = json.loads(run("inspect", tmp_path / "model.pt", "--json"))
    key = "model_state_dict/module.features._complex_conv._kernel"
    assert shown["tensors"][key] == {"dtype": "float32", "shape": [FILTERS, 2]}
    told = run("inspect", tmp_path / "model.pt")
    chosen = "--state-dict 'model_state_dict' --prefix 'module.features.'"
    assert f"model: Leaf of leaf-pytorch: {chosen}; see python -m weight_conversion import" in told
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pt")
    assert "model: none of leaf-pytorch" in run("inspect", tmp_path / "other.pt")
    told = run("convert", tmp_path / "model.pt", tmp_path / "made", code=2)
    assert "python -m weight_conversion import" in told
