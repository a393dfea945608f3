"""What a conversion writes and tells, beside the weights; and when it refuses."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from _conversion import converted, settings
from _refusals import refusal
from _rewritten import Graph, graph
from torch import Tensor

from leaf_port import LeafError
from weight_conversion.official import adam
from weight_conversion.official import convert as converting
from weight_conversion.official.consistency import DAMAGED
from weight_conversion.official.convert import convert, title
from weight_conversion.official.opening import open_source
from weight_conversion.official.settings import Settings
from weight_conversion.reference.record import RECORDINGS

LEAF = RECORDINGS / "leaf"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def config_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return found


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"kind": "Leaf", "arguments": {"n_filters": 8}}, "Leaf"),
        ({"kind": "AudioClassifier", "arguments": {"num_outputs": 3}}, "AudioClassifier"),
        (
            {"kind": "AudioClassifier", "arguments": {"frontend": {"kind": "Leaf"}}},
            "AudioClassifier(Leaf)",
        ),
        (
            {
                "kind": "AudioClassifier",
                "arguments": {
                    **{"encoder": {"kind": "PANN"}, "frontend": {"kind": "Leaf"}},
                    "head": {"kind": "other"},
                },
            },
            "AudioClassifier(Leaf, PANN)",
        ),
        (
            {
                "kind": "AudioClassifier",
                "arguments": {"frontend": None, "encoder": {"kind": "WaveGram"}},
            },
            "AudioClassifier(WaveGram)",
        ),
    ],
)
def test_a_model_in_short(tree: dict[str, Any], told: str) -> None:
    assert title(tree) == told


def test_the_configuration_tells_where_the_weights_come_from(tmp_path: Path) -> None:
    made = converted("leaf", tmp_path / "made")
    config = config_of(tmp_path / "made")
    assert list(config) == [
        *("format_version", "kind", "arguments", "optimizer", "source", "object"),
        *("not_converted", "versions", "weights"),
    ]
    assert config["format_version"] == 1
    assert {"kind": config["kind"], "arguments": config["arguments"]} == made.tree
    assert config["optimizer"]["kind"] == "Adam"
    assert config["optimizer"]["learning_rate"] == pytest.approx(0.01)
    names = ("checkpoint.data-00000-of-00001", "checkpoint.index")
    assert config["source"] == {name: sha256(LEAF / name) for name in names}
    assert (config["object"], config["not_converted"]) == (".", [])
    assert config["versions"]["torch"]
    files = ("model.safetensors", "optimizer.safetensors")
    assert config["weights"] == {name: sha256(tmp_path / "made" / name) for name in files}
    text = (tmp_path / "made" / "config.json").read_bytes()
    assert text == f"{json.dumps(config, indent=1)}\n".encode()


def test_what_was_converted_is_told(tmp_path: Path) -> None:
    made = converted("leaf", tmp_path / "made")
    assert (made.kind, len(made.rows)) == ("AudioClassifier(Leaf, ConvNet)", 32)
    assert (made.moments, made.optimizer) == (24, "Adam")
    assert (made.object, made.left_out, made.notes) == (".", (), ())


def test_an_optimiser_that_is_left_out_is_not_told(tmp_path: Path) -> None:
    made = converted("leaf", tmp_path / "made", optimizer=False)
    assert (made.moments, made.optimizer, made.left_out) == (0, None, ())
    config = config_of(tmp_path / "made")
    assert config["optimizer"] is None
    assert config["weights"].keys() == {"model.safetensors"}


def test_an_optimiser_that_was_never_used_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration may name it where the file has no moments yet."""
    monkeypatch.setattr(adam, "choose", lambda *_: adam.Chosen("AdamW"))
    made = converted("leaf", tmp_path / "made")
    assert (made.moments, made.optimizer) == (0, None)
    assert config_of(tmp_path / "made")["optimizer"] is None


def test_what_is_left_out_is_noted(tmp_path: Path) -> None:
    """Objects beside the model first, then what of the optimiser is not converted."""

    def change(g: Graph) -> None:
        g.renamed("Adam/", "my_opt/")
        g.wrap("model", step=g.variable(3))

    source = graph(tmp_path / "c", change)
    made = convert(source, tmp_path / "made", settings("leaf"))
    assert made.left_out[0] == "step"
    assert made.left_out[1].startswith("the optimiser: the file does not say which it is")
    assert len(made.left_out) == 2
    assert (made.object, made.optimizer) == ("model", None)
    config = config_of(tmp_path / "made")
    assert (config["object"], config["not_converted"]) == ("model", list(made.left_out))


def test_a_part_is_converted_by_its_name(tmp_path: Path) -> None:
    made = converted("leaf", tmp_path / "made", wanted="_frontend")
    assert (made.kind, made.object, made.moments) == ("Leaf", "_frontend", 0)


def test_a_check_sees_the_whole_folder_before_it_has_its_name(tmp_path: Path) -> None:
    seen: list[tuple[Path, set[str]]] = []

    def check(made: Path) -> None:
        seen.append((made, {path.name for path in made.iterdir()}))
        assert not (tmp_path / "made").exists()

    converted("leaf", tmp_path / "made", check=check)
    ((folder, names),) = seen
    assert names == {"config.json", "model.safetensors", "optimizer.safetensors"}
    assert folder != tmp_path / "made"
    assert {path.name for path in (tmp_path / "made").iterdir()} == names


# Refusals.


def test_a_place_that_is_taken_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(LeafError, match="made: expected a name that is free"):
        convert(tmp_path / "gone", tmp_path / "made", Settings())


def test_whatever_goes_wrong_names_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is read, and while it is written."""

    def wrong(*_: object) -> None:
        raise IndexError("7")

    for name in ("open_source", "_write", "_compare"):
        with monkeypatch.context() as patched:
            patched.setattr(converting, name, wrong)
            told = refusal(lambda: converted("leaf", tmp_path / "made"))
        assert told[:4] == (
            *("convert", str(LEAF), "a file that is what it says", "IndexError: 7"),
        )
        assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(converting, "open_source", wrong)
    told = refusal(lambda: converted("leaf", tmp_path / "made"))
    assert told[:4] == ("convert", str(LEAF), "a file that can be read", "Input/output error")


def test_a_model_that_needs_more_than_the_files_have_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small").write_bytes(bytes(100))
    small = replace(open_source(LEAF), files=[tmp_path / "small"])
    monkeypatch.setattr(converting, "open_source", lambda *_: small)
    _, argument, expected, got, fix = refusal(lambda: converted("leaf", tmp_path / "made"))
    assert (argument, got, fix) == (str(LEAF), "100 bytes", DAMAGED)
    assert str(expected).endswith("bytes, as the model needs")


def test_a_model_of_more_layers_than_the_file_has_tensors_is_refused(tmp_path: Path) -> None:
    """Whatever makes it so: here a list in the place of a name."""
    given = settings("leaf", activation=["relu"] * 33)
    expected = "at most 32 layers, as the file has so many tensors"
    told = refusal(lambda: convert(LEAF, tmp_path / "made", given))
    assert told[:4] == ("config.json", "activation", expected, 33)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        bias = g.tensors["_head/bias/.ATTRIBUTES/VARIABLE_VALUE"]
        bias[1:] = value

    source = graph(tmp_path / "c", change)
    assert refusal(lambda: convert(source, tmp_path / "made", settings("leaf"))) == (
        "convert",
        str(source),
        "finite weights",
        "2 NaN or infinite in _head/bias",
        "take an earlier checkpoint, from before the training diverged",
    )
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            ("frontend.pooling.kernel", "encoder.0.0.bias"),
            "_encoder/layer_with_weights-0/layer_with_weights-0/bias, _frontend/_pooling/kernel",
        ),
        (
            ("exp_avg_sq.frontend.pooling.kernel", "exp_avg.head.weight"),
            "exp_avg.head.weight, exp_avg_sq.frontend.pooling.kernel",
        ),
    ],
)
def test_what_was_written_wrong_is_named(
    changed: tuple[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the names; moments by those in their file."""
    whole = safetensors.torch.save_file

    def save(tensors: dict[str, Tensor], path: Path, **options: Any) -> None:
        for name in changed:
            if name in tensors:
                tensors[name] = torch.nextafter(tensors[name], torch.tensor(9.0))
        whole(tensors, path, **options)

    monkeypatch.setattr(safetensors.torch, "save_file", save)
    assert refusal(lambda: converted("leaf", tmp_path / "made")) == (
        "convert",
        told,
        "the bits that were read",
        "others",
        "check the disk, and report it if it happens again",
    )
    assert not (tmp_path / "made").exists()
