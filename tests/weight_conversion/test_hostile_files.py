"""Files that ask for more than they hold: a refusal, in little memory and time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _forked
import h5py
import numpy as np
import pytest
import torch
from _bundle_writer import Bundle, header, node, table
from _conversion import settings
from _ports import GIVEN, imported, state
from _rewritten import Graph
from safetensors.torch import save_file

import leaf_port as lp
from weight_conversion.formats import child_process
from weight_conversion.formats.keras_h5 import KerasWeights
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.official.convert import convert

VALUE = ".ATTRIBUTES/VARIABLE_VALUE"
SPARE = 300_000_000


@pytest.fixture(autouse=True)
def _forked_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading torch anew for each file takes a hundred times as long as reading it."""
    monkeypatch.setattr(child_process, "started", _forked.started)


def within(attempt: Callable[[], object], seconds: int = 20) -> str:
    """What a process with 300 MB to spare is told; seconds of the processor's protect the tests."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + SPARE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        told = "nothing was refused"
        try:
            attempt()
        except BaseException as error:
            told = f"{type(error).__name__}: {error}"
        os.write(theirs, told.encode(errors="replace")[:4000])
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as said:
        told = said.read().decode()
    assert os.waitpid(child, 0)[1] == 0, told
    return told


KEYS = {
    "kernel": f"_head/kernel/{VALUE}",
    "bias": f"_head/bias/{VALUE}",
    "gabor": f"_frontend/_complex_conv/kernel/{VALUE}",
}


def model(prefix: Path, **arrays: np.ndarray[Any, Any]) -> Path:
    """The recorded checkpoint of a classifier with other arrays in it."""
    graph = Graph()
    for name, array in arrays.items():
        assert KEYS[name] in graph.tensors
        graph.tensors[KEYS[name]] = array
    return graph.write(prefix)


@pytest.mark.parametrize("count", [2**31 - 1, 2**62])
def test_shards_that_are_not_there(count: int, tmp_path: Path) -> None:
    made = Bundle().add_graph([node({"x": 1}), node(variable=("x", f"x/{VALUE}"))])
    made.add(f"x/{VALUE}", np.ones(1, np.float32))
    pairs = [(b"", header(count)), *made.pairs()[1:]]
    made.write(tmp_path / "c", table(pairs))
    data = f"c.data-00000-of-{count:05d}"
    (tmp_path / "c.data-00000-of-00001").rename(tmp_path / data)
    told = within(lambda: convert(tmp_path / "c", tmp_path / "made", settings("")))
    assert told.startswith("LeafError: convert")


@pytest.mark.parametrize(
    "shapes",
    [
        {"kernel": (0, 2**40), "bias": (3,)},
        {"kernel": (2**31, 0), "bias": (3,)},
        {"kernel": (), "bias": (3,)},
        {"kernel": (3,), "bias": (3,)},
        {"gabor": (2**40, 0)},
        {"gabor": (0, 1, 2**40)},
        {"gabor": ()},
        {"gabor": (2,)},
        {"gabor": (2**28, 2, 0)},
    ],
)
def test_axes_of_nothing(shapes: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    empty = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    source = model(tmp_path / "c", **empty)
    told = within(lambda: convert(source, tmp_path / "made", settings("leaf")))
    assert told.startswith("LeafError: convert"), told
    assert "/kernel" in told
    assert str(source) in told
    assert "what it says" not in told


def folder(place: Path, config: dict[str, Any], weights: dict[str, torch.Tensor]) -> Path:
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"format_version": 1, **config}))
    save_file(weights, place / "model.safetensors")
    return place


NUMBERS = {
    "filters": ("Leaf", {"n_filters": 2**31}),
    "window": ("TimeDomainFilterbanks", {"n_filters": 3, "window_len": 1e9}),
    "filters and window": ("SincNet", {"n_filters": 10**6, "window_len": 2000.0}),
    "transform": ("MelFilterbanks", {"n_fft": 2**31}),
    "mel filters": ("MelFilterbanks", {"n_filters": 2**20}),
    "mel window": ("MelFilterbanks", {"window_len": 1e8}),
    "channels": (
        "Leaf",
        {"compression_fn": {"kind": "PCEN", "arguments": {"num_channels": 2**40}}},
    ),
    "400 digits": ("Leaf", {"n_filters": 10**400}),
    "400 digits of a rate": ("MelFilterbanks", {"sample_rate": 10**400}),
    "infinity": ("Leaf", {"sample_rate": float("inf")}),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_a_configuration(name: str, tmp_path: Path) -> None:
    kind, arguments = NUMBERS[name]
    place = folder(tmp_path / "x", {"kind": kind, "arguments": arguments}, {})
    told = within(lambda: getattr(lp, kind).from_pretrained(place))
    assert told.startswith("LeafError"), told


ENCODERS = {
    "outputs": ({"num_outputs": 2**40, "num_features": 64}, None),
    "depth": (
        {"num_outputs": 3},
        {"kind": "PANN", "arguments": {"depth": 10**9, "num_features": 3}},
    ),
    "blocks": ({"num_outputs": 3}, {"kind": "ConvNet", "arguments": {"filters": [1] * 90000}}),
    "a block": ({"num_outputs": 3}, {"kind": "ConvNet", "arguments": {"filters": [2**39]}}),
    "a list": ({"num_outputs": 3}, [[1] * 9] * 9),
    "many": ({"num_outputs": 3}, {"kind": "PANN", "arguments": {str(i): {} for i in range(999)}}),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_numbers_of_an_encoder(name: str, tmp_path: Path) -> None:
    arguments, encoder = ENCODERS[name]
    config = {"kind": "AudioClassifier", "arguments": {**arguments, "encoder": encoder}}
    place = folder(tmp_path / "x", config, {"head.bias": torch.zeros(3)})
    told = within(lambda: lp.AudioClassifier.from_pretrained(place))
    assert told.startswith("LeafError"), told


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, " " * (2 << 20)])
def test_json_that_is_deep_or_long(text: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "x", {"kind": "Leaf"}, {})
    (place / "config.json").write_text(text)
    with pytest.raises(lp.LeafError, match=r"config\.json"):
        lp.Leaf.from_pretrained(place)


def _pickled(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("w/data.pkl", data)
        archive.writestr("w/version", b"3\n")
        archive.writestr("w/byteorder", b"little")
    return out.getvalue()


# An element of a type of 2 GB, of which the pickle holds no byte.
VOID = b"cnumpy\ndtype\nX\x0b\x00\x00\x00V2000000000\x85R\x85R."


PICKLES = {
    "bytes": b"\x80\x02c__builtin__\nbytearray\nJ\x00\x00\x00\x7f\x85R.",
    "void": b"\x80\x02cnumpy.core.multiarray\nscalar\n" + VOID,
    "nested": b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b".",
    "memory": b"\x80\x02}" + b"r\xff\xff\xff\x7f" + b".",
}


def peak(attempt: Callable[[], object]) -> int:
    """The most memory that a process has that attempts it, and its children, in bytes."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(lp.LeafError):
            attempt()
        os._exit(0)
    _, status, used = os.wait4(child, 0)
    assert status == 0
    return used.ru_maxrss * 1024


@pytest.mark.parametrize("name", PICKLES)
def test_pickles_that_ask_for_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(_pickled(PICKLES[name]))
    with pytest.raises(lp.LeafError, match=r"import: .*w\.pt"):
        imported(path, tmp_path / "made")
    assert peak(lambda: imported(path, tmp_path / "made")) < 1_500_000_000  # torch's, and 512 MB


def sharing(path: Path, layers: int, count: int = 4000, length: int = 60_000) -> Path:
    """So many layers with so many names, all of one layer the same letters of HDF5's heap."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([f"dense_{i}".encode() for i in range(layers)])
        for i in range(layers):
            layer = file.create_group(f"dense_{i}")
            names = ["k" * length, *(f"n{k}" for k in range(count - 1))]
            layer.attrs["weight_names"] = np.array(names, object)
            layer["kernel"] = np.ones(1, np.float32)
    data = bytearray(path.read_bytes())
    at = -1
    for _ in range(layers):
        # A name is its length, the address of its heap and its number there: 16 bytes.
        at = data.index(struct.pack("<I", length), at + 1)
        while struct.unpack_from("<I", data, at + 16)[0] != 2:
            at = data.index(struct.pack("<I", length), at + 1)
        data[at : at + 16 * count] = data[at : at + 16] * count
    path.write_bytes(data)
    return path


def test_names_that_share_their_letters(tmp_path: Path) -> None:
    path = sharing(tmp_path / "w.h5", 12)
    with pytest.raises(lp.LeafError, match=r"w\.h5.*(names that share|memory)"):
        KerasWeights(path)


def test_the_child_runs_nothing_of_the_current_folder(tmp_path: Path) -> None:
    for name in ("h5py", "json", "numpy", "torch", "weight_conversion"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["_head/vars/0"] = np.ones(3)
    torch.save(state("speechbrain"), tmp_path / "w.pt")
    code = (
        "import sys; from pathlib import Path;"
        "from weight_conversion.formats import keras_h5, torch_file;"
        "sys.path.insert(0, ''); sys.path.insert(1, str(Path.cwd()));"
        "keras_h5.KerasWeights('w.h5'); torch_file.read(Path('w.pt'))"
    )
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, "."])}
    environment.pop("PYTHONSAFEPATH", None)
    command = [sys.executable, "-P", "-c", code]
    started = "import os, sys; os.chdir(sys.argv[1]); " + code
    command = [sys.executable, "-c", f"import weight_conversion, torch, h5py; {started}", "."]
    environment["PYTHONPATH"] = root
    done = subprocess.run(
        [command[0], "-P", *command[1:3], str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_nearly_all_holes(tmp_path: Path) -> None:
    place = folder(tmp_path / "x", {"kind": "Leaf", "arguments": {}}, {})
    with (place / "model.safetensors").open("r+b") as file:
        file.truncate(1 << 36)
    told = within(lambda: lp.Leaf.from_pretrained(place))
    assert "holes" in told
    for name in ("w.pt", "w.safetensors", "w.bin"):
        (place / "model.safetensors").rename(place / name)
        assert "holes" in within(lambda name=name: imported(place / name, tmp_path / "made"))  # type: ignore[misc]
        (place / name).rename(place / "model.safetensors")


def test_pipes_and_devices(tmp_path: Path) -> None:
    place = folder(tmp_path / "x", {"kind": "Leaf", "arguments": {}}, {})
    for make in (os.mkfifo, lambda path: Path(path).symlink_to("/dev/zero")):
        for name in ("model.safetensors", "config.json"):
            held = (place / name).read_bytes()
            (place / name).unlink()
            make(place / name)
            assert "a plain file" in within(lambda: lp.Leaf.from_pretrained(place))
            (place / name).unlink()
            (place / name).write_bytes(held)


def test_an_index_of_gigabytes(tmp_path: Path) -> None:
    Bundle().add("x", np.ones(3, np.float32)).write(tmp_path / "c")
    data = (tmp_path / "c.index").read_bytes()
    with (tmp_path / "c.index").open("wb") as file:
        file.truncate(1 << 32)
        file.seek(0, os.SEEK_END)
        file.write(data[-48:])
    assert "an index of at most" in within(lambda: Checkpoint(tmp_path / "c"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("form", ["w.pt", "w.safetensors"])
def test_weights_that_are_no_numbers_are_not_imported(
    form: str, value: float, tmp_path: Path
) -> None:
    weights = state("speechbrain")
    weights["pooling._bias"][1] = value
    save = torch.save if form == "w.pt" else save_file
    save(weights, tmp_path / form)
    with pytest.raises(
        lp.LeafError, match=r"finite weights, got 1 NaN or infinite in pooling\._bias"
    ):
        imported(tmp_path / form, tmp_path / "made", given=GIVEN)
    assert not (tmp_path / "made").exists()


def test_weights_that_are_no_numbers_are_not_converted(tmp_path: Path) -> None:
    biases = np.full_like(Graph().tensors[KEYS["bias"]], np.nan)
    source = model(tmp_path / "c", bias=biases)
    with pytest.raises(lp.LeafError, match=f"{len(biases)} NaN or infinite in _head/bias"):
        convert(source, tmp_path / "made", settings("leaf"))
    assert not (tmp_path / "made").exists()
