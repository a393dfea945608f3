"""What cannot be converted is told in one line, and leaves nothing behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
from _bundle_writer import Bundle
from _conversion import converted, settings
from safetensors import SafetensorError

from leaf_port import LeafError
from weight_conversion.official import adam
from weight_conversion.official.convert import convert
from weight_conversion.official.mapping import Row, match
from weight_conversion.official.opening import open_source
from weight_conversion.official.settings import ARGUMENTS, Settings
from weight_conversion.official.source import Optimizer, Source
from weight_conversion.reference.record import RECORDINGS


def fails(folder: Path, *told: str, name: str = "leaf", **kwargs: Any) -> None:
    """Converting is refused with these words, and the folder above holds what it held."""
    before = sorted(path.name for path in folder.parent.rglob("*"))
    given = kwargs.pop("settings", None) or settings(name)
    with pytest.raises(LeafError) as caught:
        convert(kwargs.pop("source", RECORDINGS / name), folder, given, **kwargs)
    for each in told:
        assert each in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in folder.parent.rglob("*")) == before


NEEDED = {
    "leaf": {"activation": "relu", "window_stride": 10.0, "sample_rate": 16000}
    | {"window_len": 25.0, "pcen_floor": 1e-12},
    "tfbanks": {"activation": "relu", "window_stride": 10.0},
    "sincnet": {"activation": "relu", "window_stride": 10.0, "sample_rate": 16000}
    | {"window_len": 25.0},
    "mel": {"activation": "relu", "frontend": "mel", "n_filters": 8, "sample_rate": 16000}
    | {"n_fft": 512, "window_len": 25.0, "window_stride": 10.0, "min_freq": 60.0}
    | {"max_freq": 7800.0, "compression": "log", "log_offset": 1e-5},
    "pann": {"window_stride": 10.0, "sample_rate": 16000, "window_len": 25.0, "pcen_floor": 1e-12},
    "wavegram": {},
}


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_needed_is_asked_for_by_name(name: str, tmp_path: Path) -> None:
    """Each argument is asked for where it alone is lacking, and all of them are enough."""
    given = NEEDED[name]
    assert given.keys() <= set(ARGUMENTS)
    for lacking in given:
        rest = {key: value for key, value in given.items() if key != lacking}
        option = f"--{lacking.replace('_', '-')}"
        fails(tmp_path / "made", option, name=name, settings=Settings(rest))
    convert(RECORDINGS / name, tmp_path / "made", Settings(given))


@pytest.mark.parametrize(
    ("name", "frontend", "told"),
    [
        ("leaf", "sincnet", ["expected leaky_re_lu in _activation", "squared_modulus"]),
        ("sincnet", "sincnet_plus", ["missing: ", "unexpected: _frontend/_compress_fn/beta"]),
        ("tfbanks", "leaf", ["unexpected: _frontend/_pooling/pool/kernel"]),
        ("leaf", "mel", ["unexpected: _frontend/_complex_conv/kernel"]),
        ("leaf", "gammatone", ["--frontend", "gammatone"]),
    ],
)
def test_keys_of_another_model(name: str, frontend: str, told: list[str], tmp_path: Path) -> None:
    given = settings(name, frontend=frontend, compression="none")
    fails(tmp_path / "made", *told, name=name, settings=given)


def test_a_window_that_does_not_fit(tmp_path: Path) -> None:
    given = settings("tfbanks", frontend="tfbanks")
    source = Bundle().add("_complex_conv/kernel", np.zeros((2, 3), np.float32))
    fails(tmp_path / "made", "object graph", source=source.write(tmp_path / "c"), settings=given)


def test_all_problems_are_told_sorted() -> None:
    rows = [Row(f"{name}/kernel", name, None, (2,)) for name in "dcba"]
    found = {"c/kernel": ("float32", (3,)), "b/kernel": ("float16", (2,))}
    with pytest.raises(LeafError) as caught:
        match(rows, {**found, "z": ("float32", ()), "y": ("float32", ())}, "source", "Leaf")
    told = str(caught.value)
    assert "missing: a/kernel, d/kernel; unexpected: y, z; " in told
    assert "of another shape: c/kernel (3,) for (2,); not float32: b/kernel float16" in told


def test_no_model_at_all(tmp_path: Path) -> None:
    fails(tmp_path / "made", "object graph", source=RECORDINGS / "shards", settings=settings(""))


def source_with(optimizer: Optimizer, name: str = "leaf") -> Source:
    found = open_source(RECORDINGS / name)
    return Source(found.path, found.files, found.keys, found.names, optimizer, found.reader)


def test_half_an_optimiser() -> None:
    whole = open_source(RECORDINGS / "leaf").optimizer
    assert whole is not None
    halves = [
        Optimizer(whole.scalars, whole.listed[:-1], whole.names[:-1]),
        Optimizer(whole.scalars, whole.listed[:-2], []),
        Optimizer(whole.scalars, whole.listed[::2], whole.names[::2]),
        Optimizer(whole.scalars, whole.listed[::-1], []),
        Optimizer(whole.scalars, whole.listed, [f"SGD/momentum/{i}" for i in whole.names]),
    ]
    for half in halves:
        with pytest.raises(LeafError, match="optimizer: expected"):
            adam.moments(source_with(half))


def test_half_an_optimiser_by_reference() -> None:
    whole = open_source(RECORDINGS / "leaf_options").optimizer
    assert whole is not None
    first = next(iter(whole.referred))
    half = {key: value for key, value in whole.referred.items() if key != first}
    with pytest.raises(LeafError, match="slots m and v"):
        adam.moments(source_with(Optimizer(whole.scalars, referred=half), "leaf_options"))


def test_moments_without_a_step_count() -> None:
    whole = open_source(RECORDINGS / "leaf").optimizer
    assert whole is not None
    source = source_with(Optimizer({}, whole.listed, whole.names))
    with pytest.raises(LeafError, match="step count"):
        adam.tensors(source, [], adam.moments(source))


def test_an_optimiser_can_be_left_out(tmp_path: Path) -> None:
    converted("leaf", tmp_path / "made", optimizer=False)
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        "config.json",
        "model.safetensors",
    }


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "thesis.txt").write_text("years of work")
    fails(tmp_path / "made", "--force")
    fails(tmp_path / "made", "an earlier conversion", force=True)
    fails(tmp_path / "gone" / "made", "folder that exists")


def test_force_replaces_an_earlier_conversion_only_when_the_new_one_is_whole(
    tmp_path: Path,
) -> None:
    converted("leaf", tmp_path / "made")
    before = (tmp_path / "made" / "config.json").read_bytes()
    fails(tmp_path / "made", "--force")
    fails(tmp_path / "made", "--activation", settings=Settings(), force=True)
    assert (tmp_path / "made" / "config.json").read_bytes() == before
    converted("sincnet", tmp_path / "made", force=True)
    assert (tmp_path / "made" / "config.json").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SafetensorError("full")])
def test_a_full_disk(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(safetensors.torch, "save_file", full)
        fails(tmp_path / "made", "a place to write to")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        if isinstance(error, OSError):
            fails(tmp_path / "made", "No space left")


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # a superuser may write everywhere
    fails(tmp_path / "made", "Permission denied")


def test_what_was_written_wrong_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = safetensors.torch.save_file

    def flips_a_bit(tensors: Any, path: Path, **kwargs: Any) -> None:
        whole(tensors, path, **kwargs)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)

    monkeypatch.setattr(safetensors.torch, "save_file", flips_a_bit)
    fails(tmp_path / "made", "the bits that were read")


def test_a_check_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def refuse(_: Path) -> None:
        raise LeafError("verify", "features", "near", "far", "look")

    fails(tmp_path / "made", "verify", check=refuse)


def test_a_damaged_checkpoint(tmp_path: Path) -> None:
    shutil.copytree(RECORDINGS / "leaf", tmp_path / "leaf")
    data = tmp_path / "leaf" / "checkpoint.data-00000-of-00001"
    spoiled = bytearray(data.read_bytes())
    spoiled[100] ^= 1
    data.write_bytes(spoiled)
    fails(tmp_path / "made", "CRC-32C", source=tmp_path / "leaf")
