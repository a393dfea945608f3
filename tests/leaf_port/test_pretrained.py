"""``from_pretrained``: a folder of config.json and model.safetensors, strictly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import leaf_port as lp

FRONTENDS: dict[str, type[lp.Leaf] | type[lp.MelFilterbanks]] = {
    "Leaf": lp.Leaf,
    "TimeDomainFilterbanks": lp.TimeDomainFilterbanks,
    "SincNet": lp.SincNet,
    "SincNetPlus": lp.SincNetPlus,
    "MelFilterbanks": lp.MelFilterbanks,
}


def keep(folder: Path, module: nn.Module, **config: Any) -> Path:
    folder.mkdir()
    save_file(module.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"format_version": 1, **config}))
    return folder


@pytest.mark.parametrize("kind", FRONTENDS)
def test_every_frontend(kind: str, tmp_path: Path) -> None:
    made = FRONTENDS[kind](n_filters=4)
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(1.01)
    folder = keep(tmp_path / "x", made, kind=kind, arguments={"n_filters": 4})
    loaded = FRONTENDS[kind].from_pretrained(folder)
    assert not loaded.training
    assert type(loaded) is FRONTENDS[kind]
    clip = torch.randn(2, 1700, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(clip), made.eval()(clip))


def test_a_classifier_with_layers_as_arguments(tmp_path: Path) -> None:
    pcen = {"kind": "PCEN", "arguments": {"num_channels": 4, "floor": 1e-3}}
    leaf = {"kind": "Leaf", "arguments": {"n_filters": 4, "compression_fn": pcen}}
    encoder = {"kind": "ConvNet", "arguments": {"filters": [3]}}
    made = lp.AudioClassifier(
        2, lp.Leaf(n_filters=4, compression_fn=lp.PCEN(4, floor=1e-3)), lp.ConvNet([3])
    )
    arguments = {"num_outputs": 2, "frontend": leaf, "encoder": encoder}
    folder = keep(tmp_path / "x", made, kind="AudioClassifier", arguments=arguments)
    loaded = lp.AudioClassifier.from_pretrained(folder)
    clip = torch.randn(2, 1700, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(clip), made.eval()(clip))


def _config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def _write(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


WRONG: dict[str, tuple[Callable[[Path], None], str]] = {
    "version": (_config(format_version=2), "format_version 1"),
    "no version": (_config(format_version=None), "format_version 1"),
    "kind": (_config(kind="Conformer"), "Conformer"),
    "kind of another type": (_config(kind=["Leaf"]), "kind"),
    "other kind": (_config(kind="SincNet"), "SincNet.from_pretrained"),
    "no model": (_config(kind="log_compression"), "got log_compression; save it again"),
    "argument": (_config(arguments={"filters": 4}), "arguments"),
    "bad argument": (_config(arguments={"n_filters": 0}), "n_filters"),
    "class": (_config(arguments={"n_filters": 4, "conv1d_cls": "eval"}), "conv1d_cls"),
    "nested kind": (
        _config(arguments={"n_filters": 4, "compression_fn": {"kind": "os.system"}}),
        "os.system",
    ),
    "other sizes": (_config(arguments={"n_filters": 5}), "of another shape"),
    "more weights": (_config(arguments={"n_filters": 4, "preemp": True}), "missing: preemp"),
    "fewer weights": (
        _config(arguments={"n_filters": 4, "compression_fn": None}),
        "unexpected: compress_fn.alpha",
    ),
    "no JSON": (_write("config.json", b"{"), "JSON"),
    "no text": (_write("config.json", b"\xff\xfe"), "JSON"),
    "a list": (_write("config.json", b"[]"), "format_version"),
    "no safetensors": (_write("model.safetensors", b"pickle"), "safetensors"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "safetensors"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(name: str, tmp_path: Path) -> None:
    spoil, told = WRONG[name]
    made = lp.Leaf(n_filters=4)
    folder = keep(tmp_path / "x", made, kind="Leaf", arguments={"n_filters": 4})
    spoil(folder)
    with pytest.raises(lp.LeafError) as caught:
        lp.Leaf.from_pretrained(folder)
    assert told in str(caught.value)


def test_a_class_of_the_same_name_gets_no_model_of_ours(tmp_path: Path) -> None:
    made = lp.Leaf(n_filters=4)
    folder = keep(tmp_path / "x", made, kind="Leaf", arguments={"n_filters": 4})
    namesake = type("Leaf", (lp.Leaf,), {})
    with pytest.raises(lp.LeafError, match=r"leaf_port\.frontend\.Leaf\.from_pretrained"):
        namesake.from_pretrained(folder)
