"""``save_pretrained``: what it writes is loaded the same, or it writes nothing."""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import json
import os
import pickle
import stat
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("safetensors", reason="weights are kept by safetensors")

import safetensors.torch
import torch
from _layers import move
from torch import nn

import leaf_port as lp
from leaf_port.pretrained import FromPretrained, write_card

FILES = {"README.md", "config.json", "model.safetensors"}
_PCEN = {"floor": 1e-3, "trainable": True, "learn_smooth_coef": True}
_OFFSET = functools.partial(lp.log_compression, log_offset=1e-3)

MODELS: dict[str, Callable[[], Any]] = {
    "Leaf": lambda: lp.Leaf(n_filters=4),
    "Leaf at 8 kHz": lambda: lp.Leaf.for_sample_rate(8000, n_filters=4),
    "Leaf, its options": lambda: lp.Leaf(
        n_filters=4,
        window_len=20.0,
        window_stride=8,  # type: ignore[arg-type]
        learn_filters=False,
        preemp=True,
        mean_var_norm=True,
        spec_augment=True,
        regularizer_fn=lp.L1L2(0.1, 0.2),
        arithmetic="real",
        energies="direct",
        compression_fn="log",
    ),
    "Leaf of another port": lambda: lp.Leaf(
        n_filters=4, pooling_padding="SYMMETRIC", pooling_bias=True, compression_fn=None
    ),
    "Leaf, classes": lambda: lp.Leaf(
        n_filters=4,
        conv1d_cls=lp.NormalizedConv1d,
        pooling_cls=lp.ChannelWiseLearnablePooling1d,
        compression_fn=lp.PCEN(4, **_PCEN),  # type: ignore[arg-type]
    ),
    "Leaf, PCEN of one smoother": lambda: lp.Leaf(
        n_filters=4, compression_fn=lp.PCEN(4, learn_smooth_coef=True, per_channel_smooth_coef=True)
    ),
    "Leaf, initialisers": lambda: lp.Leaf(
        n_filters=4, complex_conv_init=lambda shape, dtype: torch.full(shape, 0.5, dtype=dtype)
    ),
    "TimeDomainFilterbanks": lambda: lp.TimeDomainFilterbanks.for_sample_rate(8000, n_filters=4),
    "SincNet": lambda: lp.SincNet(n_filters=4, window_len=20.0),
    "SincNetPlus": lambda: lp.SincNetPlus.for_sample_rate(8000, n_filters=4, preemp=True),
    "MelFilterbanks": lambda: lp.MelFilterbanks.for_sample_rate(
        44100, n_filters=4, compression_fn=_OFFSET
    ),
    "MelFilterbanks, energies": lambda: lp.MelFilterbanks(4, compression_fn=None, max_freq=None),
    "classifier": lambda: lp.AudioClassifier(
        3, lp.Leaf(n_filters=8), lp.ConvNet([2, 3], activation=nn.GELU(), dropout=0.2)
    ),
    "classifier, plain": lambda: lp.AudioClassifier(
        3, lp.SincNet(n_filters=8), lp.ConvNet([2], activation=None, normalization_layer=None)
    ),
    "PANN": lambda: lp.AudioClassifier(
        2, lp.MelFilterbanks(n_filters=8), lp.PANN(1, 0.1, num_features=8)
    ),
    "WaveGram": lambda: lp.AudioClassifier(2, encoder=lp.WaveGram()),
    "EfficientNetB0": lambda: lp.AudioClassifier(
        2, lp.Leaf(n_filters=8), lp.EfficientNetB0(1, 0.3, blocks_args=[(3, 1, 8, 1, 1)])
    ),
    "classifier without an encoder": lambda: lp.AudioClassifier(2, lp.Leaf(n_filters=4)),
}


def clip(samples: int = 3300) -> torch.Tensor:
    return torch.randn(2, samples, generator=torch.Generator().manual_seed(0))


def made(name: str) -> Any:
    torch.manual_seed(0)
    return move(MODELS[name]()).eval()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(save: Callable[[], object], *told: str) -> None:
    with pytest.raises(lp.LeafError) as caught:
        save()
    assert [text for text in told if text not in str(caught.value)] == [], str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_is_loaded_the_same(name: str, tmp_path: Path) -> None:
    model = made(name)
    before = copy.deepcopy(model.state_dict())
    model.train().save_pretrained(tmp_path / "x")
    assert model.training
    assert set(names(tmp_path / "x")) == FILES
    loaded = type(model).from_pretrained(tmp_path / "x")
    state = loaded.state_dict()
    assert state.keys() == before.keys()
    assert all(torch.equal(state[key], before[key]) for key in before)
    with torch.no_grad():
        assert torch.equal(loaded(clip()), model.eval()(clip()))
    assert lp.regularization_loss(loaded) == lp.regularization_loss(model)


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_saved_the_same(name: str, tmp_path: Path) -> None:
    model = made(name)
    model.save_pretrained(tmp_path / "x")
    again = pickle.loads(pickle.dumps(type(model).from_pretrained(tmp_path / "x")))
    again.save_pretrained(tmp_path / "y")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "x" / file).read_bytes() == (tmp_path / "y" / file).read_bytes()


def test_what_is_written(tmp_path: Path) -> None:
    lp.Leaf.for_sample_rate(8000, n_filters=4).save_pretrained(tmp_path / "x")
    config = json.loads((tmp_path / "x" / "config.json").read_text())
    weights = (tmp_path / "x" / "model.safetensors").read_bytes()
    assert config["format_version"] == 1
    assert config["kind"] == "Leaf"
    assert config["weights"] == {"model.safetensors": hashlib.sha256(weights).hexdigest()}
    assert config["versions"]["torch"] == metadata.version("torch")
    pcen = {
        "num_channels": 4,
        "floor": 1e-12,
        "trainable": True,
        "learn_smooth_coef": True,
        "per_channel_smooth_coef": True,
    }
    assert config["arguments"] == {
        "learn_pooling": True,
        "learn_filters": True,
        "n_filters": 4,
        "sample_rate": 8000,
        "window_len": 25.0,
        "window_stride": 10.0,
        "compression_fn": {"kind": "PCEN", "arguments": pcen},
        "preemp": False,
        "mean_var_norm": False,
        "spec_augment": False,
    }


KINDS = (lp.Leaf, lp.MelFilterbanks, lp.PCEN, lp.ConvNet, lp.PANN, lp.L1L2)
UNUSUAL: dict[str, Any] = {
    "arithmetic": "real",
    "energies": "direct",
    "regularizer_fn": lp.L1L2(),
    "pooling_bias": True,
    "pooling_padding": "SYMMETRIC",
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_argument_is_forgotten(kind: Any) -> None:
    """But for initial values, which the weights are; a new argument must be described too."""
    needed = {"filters": [2], "depth": 1, "num_features": 8, "num_channels": 4}
    parameters = inspect.signature(kind).parameters
    given = {**needed, **UNUSUAL}
    made = kind(**{name: value for name, value in given.items() if name in parameters})
    initial = {name for name in parameters if name.endswith("_init")}
    initial |= {"alpha", "smooth_coef", "delta", "root"} if kind is lp.PCEN else set()
    # Told where they are others, as MODELS has them.
    usual = {"normalization_layer"} if kind is lp.ConvNet else set()
    usual |= {"conv1d_cls", "activation", "pooling_cls"} if kind is lp.Leaf else set()
    assert set(made._arguments()) == set(parameters) - initial - usual


# What was changed after the constructor


def test_parts_that_were_replaced_are_saved(tmp_path: Path) -> None:
    model = made("classifier")
    model.head = nn.Linear(3, 7)
    model.frontend = lp.Leaf(n_filters=6, sample_rate=8000, compression_fn="log")
    model.frontend.compress_fn = lp.PCEN(6, floor=1e-4)
    model.save_pretrained(tmp_path / "x")
    loaded = lp.AudioClassifier.from_pretrained(tmp_path / "x")
    with torch.no_grad():
        assert torch.equal(loaded(clip()), model.eval()(clip()))


class Custom(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., ::2].square()


class MyLeaf(lp.Leaf):
    pass


def _after(change: Callable[[Any], object], name: str = "Leaf") -> Callable[[], Any]:
    def make() -> Any:
        model = made(name)
        change(model)
        return model

    return make


def _hooked(model: Any) -> None:
    model.pooling.register_forward_hook(lambda *_: None)


def _tied(model: Any) -> None:
    model.encoder[0][6].gamma = model.encoder[0][2].gamma


def _nan(model: Any) -> None:
    model.pooling.kernel.data[...] = torch.nan


def _swapped(_: torch.Tensor) -> torch.Tensor:
    raise AssertionError


REFUSED: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "an activation": (lambda: lp.Leaf(n_filters=4, activation=Custom()), ("activation", "Custom")),
    "a function": (
        lambda: lp.Leaf(n_filters=4, activation=lambda x: x[..., ::2].square()),
        ("activation", "lambda"),
    ),
    "a compression": (
        lambda: lp.Leaf(n_filters=4, compression_fn=torch.sqrt),
        ("compression_fn", "sqrt"),
    ),
    "a regulariser": (
        lambda: lp.Leaf(n_filters=4, regularizer_fn=lambda w: w.sum()),
        ("regularizer_fn", "lambda"),
    ),
    "a class of the user's": (lambda: MyLeaf(n_filters=4), ("model", "MyLeaf")),
    "a frontend of the user's": (
        lambda: lp.AudioClassifier(2, MyLeaf(n_filters=4)),
        ("frontend", "MyLeaf"),
    ),
    "an encoder of the user's": (
        lambda: lp.AudioClassifier(2, lp.Leaf(n_filters=4), nn.Conv2d(1, 2, 3), num_features=2),
        ("encoder", "Conv2d"),
    ),
    "an activation of an encoder": (
        lambda: lp.AudioClassifier(2, lp.Leaf(n_filters=4), lp.ConvNet([2], nn.PReLU())),
        ("encoder.activation", "PReLU"),
    ),
    "a normalisation of an encoder": (
        lambda: lp.AudioClassifier(
            2, lp.Leaf(n_filters=4), lp.ConvNet([2], "relu", nn.BatchNorm2d)
        ),
        ("encoder.normalization_layer", "BatchNorm2d"),
    ),
    "a convolution that is not known": (
        lambda: lp.Leaf(n_filters=4, conv1d_cls=lp.FFTConv1d),
        ("conv1d_cls", "FFTConv1d"),
    ),
    "an argument of a part": (
        lambda: lp.Leaf(
            n_filters=4, conv1d_cls=functools.partial(lp.GaborConv1d, sort_filters=True)
        ),
        ("complex_conv.sort_filters", "True for False"),
    ),
    "a setting": (_after(lambda m: setattr(m.complex_conv, "strides", 2)), ("complex_conv.stri",)),
    "a method": (_after(lambda m: setattr(m, "forward", _swapped)), ("forward",)),
    "a layer more": (_after(lambda m: setattr(m, "more", nn.ReLU())), ("more",)),
    "a buffer more": (
        _after(lambda m: m.register_buffer("more", torch.zeros(2))),
        ("unexpected: more",),
    ),
    "a part of a fixed class": (
        _after(lambda m: setattr(m, "activation", nn.ReLU()), "SincNet"),
        ("activation", "ReLU"),
    ),
    "a constant": (
        _after(lambda m: m.mel_filters.mul_(2), "MelFilterbanks"),
        ("mel_filters",),
    ),
    "an encoder that was cut": (
        _after(lambda m: m.encoder.__delitem__(0), "classifier"),
        ("model", "encoder"),
    ),
    "a hook": (_after(_hooked), ("pooling.forward_hooks", "hook")),
    "weights that are shared": (
        _after(_tied, "classifier"),
        ("encoder.0.6.gamma", "encoder.0.2.gamma"),
    ),
    "NaN": (_after(_nan), ("pooling.kernel", "NaN")),
    "float64": (_after(lambda m: m.double()), ("float64", "float()")),
    "half precision": (_after(lambda m: m.half()), ("float16", "float()")),
    "no values": (lambda: lp.Leaf(n_filters=4).to("meta"), ("meta",)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_be_loaded_the_same_is_refused(name: str, tmp_path: Path) -> None:
    make, told = REFUSED[name]
    model = make()
    refused(lambda: model.save_pretrained(tmp_path / "x"), "save_pretrained", *told)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [("pooling_padding", "VALID"), ("n_filters", 5), ("preemp", True), ("mean_var_norm", True)],
)
def test_a_wrong_description_is_seen(
    argument: str, wrong: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted bug: the check before the folder appears must catch it."""
    right = lp.Leaf._arguments
    monkeypatch.setattr(lp.Leaf, "_arguments", lambda self: {**right(self), argument: wrong})
    model = lp.Leaf(n_filters=4)
    refused(lambda: model.save_pretrained(tmp_path / "x"), "save_pretrained: model")
    assert names(tmp_path) == []


def test_other_bits_on_the_disk_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file = safetensors.torch.save_file

    def bad(tensors: dict[str, torch.Tensor], *rest: Any, **options: Any) -> None:
        save_file({name: value + 1e-3 for name, value in tensors.items()}, *rest, **options)

    monkeypatch.setattr(safetensors.torch, "save_file", bad)
    refused(lambda: lp.Leaf(n_filters=4).save_pretrained(tmp_path / "x"), "got others")
    assert names(tmp_path) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["Leaf", "MelFilterbanks", "SincNet", "classifier"])
def test_a_model_on_another_device_is_its_copy_on_the_cpu(name: str, tmp_path: Path) -> None:
    model = made(name)
    with torch.no_grad():
        expected = model(clip())
    model.cuda().save_pretrained(tmp_path / "x")
    loaded = type(model).from_pretrained(tmp_path / "x")
    with torch.no_grad():
        assert torch.equal(loaded(clip()), expected)
    assert next(iter(loaded.state_dict().values()), torch.zeros(1)).device.type == "cpu"


# The place


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    first, second = lp.Leaf(n_filters=3), lp.SincNet(n_filters=4)
    first.save_pretrained(tmp_path / "x")
    refused(lambda: second.save_pretrained(tmp_path / "x"), "overwrite=True", "name that is free")
    assert lp.Leaf.from_pretrained(tmp_path / "x").n_filters == 3
    second.save_pretrained(tmp_path / "x", overwrite=True)
    assert lp.SincNet.from_pretrained(tmp_path / "x").n_filters == 4
    assert names(tmp_path) == ["x"]


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def _other_weights(folder: Path) -> None:
    safetensors.torch.save_file({"x": torch.zeros(1)}, folder / "model.safetensors")


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "another's file": (_text("thesis.txt", "years of work"), "other files"),
    "another's folder": (lambda folder: (folder / "src").mkdir(), "other files"),
    "another's model": (_text("config.json", '{"model_type": "bert"}'), "config.json"),
    "trained since": (_other_weights, "other weights in model.safetensors"),
    "half of it": (lambda folder: (folder / "model.safetensors").unlink(), "gone"),
    "an edited card": (_text("README.md", "# My model\n"), "README.md of yours"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_not_a_folder_of_ours_is_not_replaced(name: str, tmp_path: Path) -> None:
    spoil, told = SPOILT[name]
    model = lp.Leaf(n_filters=3)
    model.save_pretrained(tmp_path / "x")
    spoil(tmp_path / "x")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "x").iterdir()}
    refused(lambda: model.save_pretrained(tmp_path / "x", overwrite=True), told)
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "x").iterdir()}
    assert names(tmp_path) == ["x"]


def test_places_that_are_none(tmp_path: Path) -> None:
    model = lp.Leaf(n_filters=3)
    refused(lambda: model.save_pretrained(tmp_path / "no" / "x"), "folder that exists")
    (tmp_path / "file").write_text("mine")
    refused(lambda: model.save_pretrained(tmp_path / "file", overwrite=True), "no folder")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything is writable for root"
)
def test_a_place_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        save = lp.Leaf(n_filters=3).save_pretrained
        refused(lambda: save(tmp_path / "x"), "a place to write to", "permissions")
    finally:
        tmp_path.chmod(stat.S_IRWXU)
    assert names(tmp_path) == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_full_disk(kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kept:
        lp.Leaf(n_filters=3).save_pretrained(tmp_path / "x")

    def full(*_args: object, **_kwargs: object) -> None:
        raise safetensors.SafetensorError("No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    save = lp.Leaf(n_filters=4).save_pretrained
    refused(lambda: save(tmp_path / "x", overwrite=True), "No space left", "free space")
    assert names(tmp_path) == (["x"] if kept else [])
    assert not kept or lp.Leaf.from_pretrained(tmp_path / "x").n_filters == 3


def test_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    lp.Leaf(n_filters=3).save_pretrained(tmp_path / "x")
    path = tmp_path / "x" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    refused(lambda: lp.Leaf.from_pretrained(tmp_path / "x"), "SHA-256")


# Classes


def test_the_other_class_is_named(tmp_path: Path) -> None:
    made("Leaf").save_pretrained(tmp_path / "leaf")
    made("classifier").save_pretrained(tmp_path / "whole")
    told = "AudioClassifier.from_pretrained(...).frontend"
    refused(lambda: lp.Leaf.from_pretrained(tmp_path / "whole"), told)
    told = "a new classifier of it: AudioClassifier(num_outputs, frontend, encoder)"
    load = lp.AudioClassifier.from_pretrained
    refused(lambda: load(tmp_path / "leaf"), "call Leaf.from_pretrained", told)


def test_every_model_can_be_saved() -> None:
    kinds = (lp.Leaf, lp.SincNet, lp.MelFilterbanks, lp.AudioClassifier)
    assert all(issubclass(kind, FromPretrained) for kind in kinds)


# The card


def _header(text: str) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="reads the card's header")
    first, header, rest = text.split("---\n", 2)
    assert first == ""
    assert rest
    return dict(yaml.safe_load(header))


def test_the_card_tells_the_model(tmp_path: Path) -> None:
    made("classifier").save_pretrained(tmp_path / "x")
    text = (tmp_path / "x" / "README.md").read_text()
    weights = (tmp_path / "x" / "model.safetensors").read_bytes()
    told = (
        "AudioClassifier(Leaf, ConvNet)",
        "3 classes",
        "16000 Hz",
        'AudioClassifier.from_pretrained("x")',
        hashlib.sha256(weights).hexdigest(),
        f"torch {metadata.version('torch')}",
        '"dropout": 0.2',
    )
    assert [each for each in told if each not in text] == []
    assert "not the official function" not in text
    assert _header(text) == {
        "library_name": "leaf-port",
        "pipeline_tag": "audio-classification",
        "tags": ["audio", "leaf-audio", "leaf"],
    }


def test_the_code_of_the_card_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("classifier").save_pretrained(tmp_path / 'it\'s "mine"')
    monkeypatch.chdir(tmp_path)
    text = (tmp_path / 'it\'s "mine"' / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), found)
    assert isinstance(found["frontend"], lp.Leaf)


def test_the_card_of_another_function_says_so(tmp_path: Path) -> None:
    made("Leaf of another port").save_pretrained(tmp_path / "x")
    text = (tmp_path / "x" / "README.md").read_text()
    assert "not the official function: pooling_padding and pooling_bias" in text
    assert _header(text)["pipeline_tag"] == "feature-extraction"


def _verification(folder: Path, **changes: Any) -> None:
    files = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("config.json", "model.safetensors")
    }
    row = {"output": "features", "first": "cpu", "second": "exact", "units": 3.0, "allowed": 9.0}
    rows = [{**row, "relative": relative} for relative in (1.25e-7, 3.5e-7)]
    rows[0]["units"] = 4.5
    told = {"ok": True, "judged": True, "files": files, "rows": rows, **changes}
    (folder / "verification.json").write_text(json.dumps(told))


def test_the_card_tells_what_was_measured(tmp_path: Path) -> None:
    made("Leaf").save_pretrained(tmp_path / "x")
    _verification(tmp_path / "x")
    write_card(tmp_path / "x")
    text = (tmp_path / "x" / "README.md").read_text()
    assert "| features | cpu, exact | 3.5e-07 | 4.5 | 9 |" in text
    assert "All within the bounds." in text
    _verification(tmp_path / "x", ok=False)
    write_card(tmp_path / "x")
    assert "Some exceed the bounds." in (tmp_path / "x" / "README.md").read_text()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"files": {"config.json": "0"}}, "of these files"),
        ({"rows": [{"output": "features"}]}, "what verify writes"),
        ({"rows": 3}, "what verify writes"),
    ],
)
def test_measurements_of_something_else_are_refused(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    made("Leaf").save_pretrained(tmp_path / "x")
    before = (tmp_path / "x" / "README.md").read_bytes()
    _verification(tmp_path / "x", **changes)
    refused(lambda: write_card(tmp_path / "x"), told, "verify again")
    assert (tmp_path / "x" / "README.md").read_bytes() == before


def test_an_edited_card_is_kept(tmp_path: Path) -> None:
    made("Leaf").save_pretrained(tmp_path / "x")
    path = tmp_path / "x" / "README.md"
    path.write_text(path.read_text().replace("# Leaf", "# My Leaf"))
    refused(lambda: write_card(tmp_path / "x"), "overwrite=True", "edited")
    assert "# My Leaf" in path.read_text()
    write_card(tmp_path / "x", overwrite=True)
    assert "# My Leaf" not in path.read_text()


def test_what_a_file_says_is_no_markdown(tmp_path: Path) -> None:
    made("Leaf").save_pretrained(tmp_path / "x")
    path = tmp_path / "x" / "config.json"
    config = json.loads(path.read_text())
    config["source"] = {"<script>alert()</script>|\n# x": "[a](http://b)"}
    path.write_text(json.dumps(config))
    write_card(tmp_path / "x")
    text = (tmp_path / "x" / "README.md").read_text()
    assert "<script>" not in text
    assert "[a]" not in text


def test_the_command_writes_the_card(tmp_path: Path) -> None:
    for package in ("typer", "rich", "soundfile", "matplotlib"):
        pytest.importorskip(package, reason=f"the command needs {package}")
    from typer.testing import CliRunner

    from leaf_port._cli.app import app

    made("Leaf").save_pretrained(tmp_path / "x")
    path = tmp_path / "x" / "README.md"
    path.write_text("# My Leaf\n")
    result = CliRunner().invoke(app, ["card", str(tmp_path / "x")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--force" in result.stderr
    result = CliRunner().invoke(app, ["card", str(tmp_path / "x"), "--force"])
    assert (result.exit_code, result.stdout.strip()) == (0, str(path))
    assert "# Leaf" in path.read_text()


def test_a_number_from_a_row_of_others_is_saved(tmp_path: Path) -> None:
    """torch takes it for contiguous, and its stride is not one."""
    leaf = lp.Leaf(n_filters=2)
    smoother: Any = leaf.compress_fn.ema  # type: ignore[union-attr]
    smoother.smooth = torch.nn.Parameter(torch.full((1, 4), 0.04)[:, 0])
    leaf.save_pretrained(tmp_path / "saved")
    assert torch.equal(
        lp.Leaf.from_pretrained(tmp_path / "saved").compress_fn.ema.smooth,  # type: ignore[union-attr]
        smoother.smooth,
    )
