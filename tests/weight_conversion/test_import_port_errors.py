"""Files that are no state dict of a port: one line that names file, key and cause; nothing left."""

from __future__ import annotations

import os
import pickle
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _forked
import numpy as np
import pytest
import safetensors.torch
import torch
from _conversion import run
from _ports import GIVEN, imported, ours, state
from safetensors.torch import save_file
from torch import Tensor, nn

from leaf_port import LeafError
from weight_conversion.formats import child_process

State = dict[str, Any]


@pytest.fixture(autouse=True)
def _forked_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading torch anew for each file takes a hundred times as long as reading it."""
    monkeypatch.setattr(child_process, "started", _forked.started)


def fails(source: Path, folder: Path, *told: str, **options: Any) -> None:
    """Refused with these words and the file's name, in a line; nothing new beside the folder."""
    before = sorted(path.name for path in folder.parent.rglob("*"))
    with pytest.raises(LeafError) as caught:
        imported(source, folder, **options)
    for each in told:
        assert each in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in folder.parent.rglob("*")) == before


def saved(held: object, tmp_path: Path) -> Path:
    torch.save(held, tmp_path / "model.pt")
    return tmp_path / "model.pt"


class Runs:
    """Pickled, it runs a command when it is loaded."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("kind", ["zip", "old", "raw"])
def test_code_is_not_run(kind: str, tmp_path: Path) -> None:
    proof, file = tmp_path / "proof", tmp_path / "model.pt"
    held = {**state("speechbrain"), "hook": Runs(proof)}
    if kind == "raw":
        file.write_bytes(pickle.dumps(held["hook"], protocol=2))
    else:
        torch.save(held, file, _use_new_zipfile_serialization=kind == "zip")
    fails(file, tmp_path / "made", str(file), "posix.mkdir, which is not run")
    assert not proof.exists()


_CUT = ("damaged, cut off or of another kind",)


@pytest.mark.parametrize("kind", ["zip", "old"])
def test_a_file_cut_off_anywhere(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    torch.save(state("leaf-pytorch"), file, _use_new_zipfile_serialization=kind == "zip")
    whole = file.read_bytes()
    for length in range(0, len(whole), 37):
        file.write_bytes(whole[:length])
        # A name that is cut off is the name of something else.
        fails(file, tmp_path / "made", f"{file}: expected", *(_CUT if kind == "zip" else ()))


def test_a_flipped_bit_of_a_weight(tmp_path: Path) -> None:
    """torch itself would load it."""
    weights = state("speechbrain")
    file = saved(weights, tmp_path)
    data = bytearray(file.read_bytes())
    data[data.index(weights["complex_conv.kernel"].numpy().tobytes()) + 1] ^= 1
    file.write_bytes(data)
    fails(file, tmp_path / "made", "CRC-32 of model/data/0 differs")


def test_a_compressed_archive(tmp_path: Path) -> None:
    """It may unpack to anything."""
    whole = saved(state("speechbrain"), tmp_path)
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    fails(packed, tmp_path / "made", "a compressed record")


def _no_key(weights: State, name: str) -> State:
    return {key: value for key, value in weights.items() if key != name}


def _sparse(weights: State) -> State:
    return {**weights, "pooling._bias": weights["pooling._bias"].to_sparse()}


WRONG: dict[str, tuple[Callable[[State], Any], list[str]]] = {
    "missing": (
        lambda w: _no_key(_no_key(w, "pooling._bias"), "compression.root"),
        ["missing: compression.root, pooling._bias"],
    ),
    "unexpected": (
        lambda w: {**w, "pooling.z": torch.zeros(1), "bn.a": torch.zeros(1), "step": 3},
        ["unexpected: bn.a, pooling.z, step"],
    ),
    "shapes": (
        lambda w: {**w, "pooling._bias": torch.zeros(4), "compression.alpha": torch.zeros(1)},
        ["of another shape: compression.alpha (1,) for (3,), pooling._bias (4,) for (3,)"],
    ),
    "kernel": (
        lambda w: {**w, "complex_conv.kernel": torch.zeros(401, 1, 6)},
        ["complex_conv.kernel: expected float32 weights of shape (filters, 2)", "(401, 1, 6)"],
    ),
    "no filters": (
        lambda w: {**w, "complex_conv.kernel": torch.zeros(0, 2)},
        ["complex_conv.kernel", "(0, 2)"],
    ),
    "half": (
        lambda w: {**w, "pooling._bias": w["pooling._bias"].half()},
        ["not plain float32: pooling._bias (3,) float16"],
    ),
    "double": (lambda w: {k: v.double() for k, v in w.items()}, ["(3, 2) float64"]),
    "sparse": (_sparse, ["pooling._bias (3,) float32 torch.sparse_coo"]),
    "no tensor": (lambda w: {**w, "pooling._bias": [1.0]}, ["not plain float32: pooling._bias"]),
    "expanded": (
        lambda w: {**w, "complex_conv.kernel": torch.zeros(1, 2).expand(2**40, 2)},
        ["complex_conv.kernel", str(2**40)],
    ),
    "on no device": (
        lambda w: {**w, "complex_conv.kernel": torch.zeros(2**40, 2, device="meta")},
        ["complex_conv.kernel", str(2**40)],
    ),
    "leaf_port's own": (
        lambda _: ours().state_dict(),
        ["missing: ", "pooling.weights", "unexpected: ", "pooling.kernel"],
    ),
    "another model": (
        lambda _: nn.Linear(2, 2).state_dict(),
        ["…complex_conv.kernel", "weight, bias", "weight_conversion convert"],
    ),
    "no tensors": (lambda _: {"epoch": 3}, ["no tensors, but a dict"]),
    "a tensor": (lambda _: torch.zeros(3), ["no tensors, but a Tensor"]),
    "a module": (lambda _: nn.Linear(2, 2), ["asks for torch.nn.modules.linear.Linear"]),
    "an array": (lambda w: {**w, "x": np.zeros(2)}, ["_reconstruct, which is not run"]),
    "two": (
        lambda w: {"model": w, "ema": w},
        ["2 of these: --state-dict 'model' --prefix ''; --state-dict 'ema' --prefix ''"],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(name: str, tmp_path: Path) -> None:
    change, told = WRONG[name]
    file = saved(change(state("speechbrain")), tmp_path)
    fails(file, tmp_path / "made", str(file), *told)


def test_pcen_in_part(tmp_path: Path) -> None:
    """Of PCEN all weights or none."""
    file = saved(_no_key(state("leaf-pytorch"), "_compression.ema._weights"), tmp_path)
    fails(file, tmp_path / "made", "missing: _compression.ema._weights")


def test_a_choice_that_fits_nothing(tmp_path: Path) -> None:
    file = saved({"model": state("speechbrain")}, tmp_path)
    listed = "0 of these: --state-dict 'model' --prefix ''"
    fails(file, tmp_path / "made", listed, prefix="frontend.")
    fails(file, tmp_path / "made", listed, state_dict="ema")


def test_a_container_that_holds_itself(tmp_path: Path) -> None:
    held: dict[str, Any] = {"model": {}}
    held["model"]["again"] = held["model"]
    fails(saved(held, tmp_path), tmp_path / "made", "no tensors")


def test_no_safetensors_file(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no header")
    fails(tmp_path / "x.safetensors", tmp_path / "made", "x.safetensors", "a safetensors file")
    save_file({"a": torch.zeros(1)}, tmp_path / "y.safetensors")
    fails(tmp_path / "y.safetensors", tmp_path / "made", "y.safetensors", "got a")


def test_a_folder_or_nothing(tmp_path: Path) -> None:
    fails(tmp_path, tmp_path / "made", str(tmp_path), "got a folder")
    fails(tmp_path / "gone.pt", tmp_path / "made", "gone.pt", "nothing of that name")


@pytest.mark.parametrize("lacking", GIVEN)
def test_what_is_needed_is_asked_for_by_name(lacking: str, tmp_path: Path) -> None:
    file = saved(state("speechbrain"), tmp_path)
    rest = {name: value for name, value in GIVEN.items() if name != lacking}
    option = f"--{lacking.replace('_', '-')}"
    fails(file, tmp_path / "made", f"import: {option}", f"give {option} ", given=rest)


def test_all_that_is_needed_is_asked_for_at_once(tmp_path: Path) -> None:
    """With a line to copy; the two lines that load the model stand at the end."""
    file = saved(state("speechbrain"), tmp_path)
    told = run("import", file, tmp_path / "made", code=2)
    rows = [line.split()[0] for line in told.splitlines()[1:4]]
    assert rows == ["--sample-rate", "--window-len", "--window-stride"]
    line = shlex.split(told.splitlines()[-1])
    assert line[:4] == ["python", "-m", "weight_conversion", "import"]
    made = run(*line[3:]).splitlines()
    assert made[-3:-1] == ["Load it with:", "  from leaf_port import Leaf"]


def test_a_window_that_the_ports_treat_otherwise(tmp_path: Path) -> None:
    """Of 3 samples; 4 are enough."""
    file = saved(state("speechbrain"), tmp_path)
    fails(file, tmp_path / "made", "--window-len", "got 3", given={**GIVEN, "window_len": 0.25})
    imported(file, tmp_path / "made", given={**GIVEN, "window_len": 0.375})


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    file = saved(state("speechbrain"), tmp_path)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "thesis.txt").write_text("years of work")
    fails(file, tmp_path / "made", "--force")
    fails(file, tmp_path / "made", "an earlier conversion", force=True)


def test_what_was_written_wrong_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, whole = saved(state("speechbrain"), tmp_path), safetensors.torch.save_file

    def flips_a_bit(tensors: dict[str, Tensor], path: Path, **kwargs: Any) -> None:
        whole(tensors, path, **kwargs)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)

    monkeypatch.setattr(safetensors.torch, "save_file", flips_a_bit)
    fails(file, tmp_path / "made", "the bits that were read")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(state("speechbrain"), tmp_path)

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    fails(file, tmp_path / "made", "No space left")


def test_the_command_ends_with_exit_code_2(tmp_path: Path) -> None:
    file = saved({"hook": Runs(tmp_path / "proof")}, tmp_path)
    told = run("import", file, tmp_path / "made", "--defaults", code=2)
    assert told.startswith("error: import: ")
    assert told.count("\n") == 1
    assert not (tmp_path / "proof").exists()
    assert not (tmp_path / "made").exists()
