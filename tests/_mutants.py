"""Mutants of every format that is read, their checksums made again: files by their names."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from _bundle_writer import Bundle, node, part
from _conversion import converted
from _edited import Random, edited_array, edited_arrays, edited_json, edited_name
from _ports import NAMES, state
from fuzz_tensor_bundle import spoil
from safetensors.numpy import load, save

from weight_conversion.formats.tensorflow import object_graph
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.reference.record import RECORDINGS

Files = dict[str, bytes]

BUNDLES = ("leaf", "leaf_fixed", "leaf_options", "tfbanks", "sincnet", "sincnet_plus", "mel")
H5 = {"h5": "by_layer.h5", "weights.h5": "by_attribute.weights.h5"}


@functools.cache
def stored(name: str) -> tuple[dict[str, np.ndarray[Any, Any]], object_graph.ObjectGraph]:
    """The tensors of a recorded checkpoint, and its graph."""
    found = Checkpoint(RECORDINGS / name)
    keys = [key for key in found.keys() if key != object_graph.KEY]  # noqa: SIM118
    return {key: found.tensor(key) for key in keys}, found.object_graph()


@functools.cache
def raw(name: str) -> Files:
    """The files of a recorded checkpoint."""
    found = Checkpoint(RECORDINGS / name)
    return {path.name.removeprefix(found.prefix.name): path.read_bytes() for path in found.files()}


def bundle(rng: Random) -> Files:
    """A checkpoint: its bytes spoiled, or its tensors and objects below the checksums."""
    name = rng.choice(BUNDLES)
    if rng.random() < 0.1:
        files = dict(raw(name))
        one = rng.choice(list(files))
        files[one] = spoil(rng, files[one], rng.choice(list(files.values())))
        return {f"c{suffix}": data for suffix, data in files.items()}
    arrays, graph = stored(name)
    kept = dict(arrays)
    for _ in range(rng.choice((0, 1, 1, 2))):
        key = rng.choice(list(kept))
        kept[key] = edited_array(rng, kept[key])
    nodes = [_Node(each) for each in graph.nodes]
    for _ in range(rng.choice((0, 1, 1, 2))):
        rng.choice(nodes).edit(rng, len(nodes), list(kept))
    made = Bundle(rng.choice((1, 1, 1, 2)))
    for key, value in kept.items():
        made.add(key, value)
    message = b"".join(part(1, each.encoded()) for each in nodes)
    if rng.random() < 0.1:
        message = spoil(rng, message, message)
    made.add(object_graph.KEY, np.array(message, object))
    return {f"c{suffix}": data for suffix, data in made.files().items()}


class _Node:
    """An object of the graph, to be changed."""

    def __init__(self, found: object_graph.Node) -> None:
        self.children = list(found.children)
        self.variable = found.variable
        self.slots = [(each.original, each.name, each.slot) for each in found.slots]

    def edit(self, rng: Random, count: int, keys: list[str]) -> None:
        """One edge, variable or slot changed."""
        kind = rng.randrange(5)
        if kind <= 1 and self.children:
            at = rng.randrange(len(self.children))
            name, child = self.children[at]
            names = [each for each, _ in self.children]
            self.children[at] = (
                (edited_name(rng, name, names), child) if kind else (name, rng.randrange(count))
            )
        elif kind == 2 and self.children:
            del self.children[rng.randrange(len(self.children))]
        elif kind == 3 and self.slots:
            at = rng.randrange(len(self.slots))
            original, name, slot = self.slots[at]
            self.slots[at] = rng.choice(
                ((rng.randrange(count), name, slot), (original, rng.choice("mvx"), slot))
            )
        elif self.variable is not None:
            full, key = self.variable.full_name, self.variable.key
            full = edited_name(rng, full, []) if rng.random() < 0.6 else full
            key = rng.choice(keys) if rng.random() < 0.5 else key
            self.variable = object_graph.Attribute(object_graph.VALUE, full, key)

    def encoded(self) -> bytes:
        variable = self.variable and (self.variable.full_name, self.variable.key)
        return node(dict(self.children), variable, self.slots)


def saved_model(rng: Random) -> Files:
    """The same as the variables of a SavedModel."""
    names = {"c": "variables"}
    made = {f"variables/{names['c']}{name[1:]}": data for name, data in bundle(rng).items()}
    return {**made, "saved_model.pb": rng.randbytes(20)}


@functools.cache
def h5_arrays(name: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a recorded Keras file, in its order."""
    from weight_conversion.formats.keras_h5 import KerasWeights

    found = KerasWeights(RECORDINGS / "leaf" / name)
    return {key: found.tensor(key) for key in found.keys()}  # noqa: SIM118


def h5(rng: Random) -> Files:
    """A file by layers."""
    return {"w.h5": _h5(rng, "by_layer.h5", True)}


def weights_h5(rng: Random) -> Files:
    """A file by attributes."""
    return {"w.weights.h5": _h5(rng, "by_attribute.weights.h5", False)}


def _h5(rng: Random, name: str, by_layer: bool) -> bytes:
    if rng.random() < 0.3:
        data = (RECORDINGS / "leaf" / name).read_bytes()
        return spoil(rng, data, data)
    made = edited_arrays(rng, h5_arrays(name))
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        layers: dict[str, list[str]] = {}
        for key, value in made.items():
            try:
                file[key] = value
            except (ValueError, OSError, TypeError):  # a name that HDF5 does not take
                continue
            layer, _, rest = key.partition("/")
            layers.setdefault(layer, []).append(rest)
        if by_layer:
            _list_layers(rng, file, layers)
    return out.getvalue()


def _list_layers(rng: Random, file: h5py.File, layers: dict[str, list[str]]) -> None:
    try:
        file.attrs["layer_names"] = np.array([each.encode() for each in layers])
        for layer, names in layers.items():
            listed = names if rng.random() < 0.95 else [*names, rng.choice(names)]
            file[layer].attrs["weight_names"] = np.array([each.encode() for each in listed])
    except (OSError, KeyError, ValueError, AttributeError):  # too long, or no group
        pass


@functools.cache
def ports() -> tuple[dict[str, torch.Tensor], ...]:
    """State dicts of both ports."""
    return tuple(state(port) for port in NAMES)


def torch_file(rng: Random) -> Files:
    """A file of ``torch.save``."""
    held = _state(rng)
    out = io.BytesIO()
    torch.save(held, out, _use_new_zipfile_serialization=rng.random() < 0.8)
    data = out.getvalue()
    kind = rng.randrange(4)
    if kind == 0:
        data = spoil(rng, data, data)
    elif kind >= 2 and zipfile.is_zipfile(io.BytesIO(data)):
        data = _below_crc(rng, data)
    return {"w.pt": data}


def _state(rng: Random) -> Any:
    found = {key: value.numpy() for key, value in rng.choice(ports()).items()}
    if rng.random() < 0.6:
        found = edited_arrays(rng, found)
    made: dict[str, Any] = {}
    for key, value in found.items():
        made[key] = torch.from_numpy(np.array(value, copy=True))
    if made and rng.random() < 0.2:
        key = rng.choice(list(made))
        value = made[key]
        others = (1.5, "text", None, [value], value.to_sparse(), value.to("meta"), {key: value})
        made[key] = rng.choice(others)
    if rng.random() < 0.3:
        return {"model": made, "epoch": 3, "loss": np.float64(0.5), "other": [1, {"a": made}]}
    return made


def _below_crc(rng: Random, data: bytes) -> bytes:
    """A record of the archive changed, its CRC-32 made again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {each.filename: archive.read(each) for each in archive.infolist()}
    pickles = [name for name in records if name.endswith("data.pkl")]
    one = rng.choice(pickles if rng.random() < 0.8 else list(records))
    records[one] = spoil(rng, records[one], records[one])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, each in records.items():
            archive.writestr(name, each)
    return out.getvalue()


def safetensors(rng: Random) -> Files:
    """A port's state dict as safetensors, its header changed."""
    found = {key: value.numpy() for key, value in rng.choice(ports()).items()}
    if rng.random() < 0.5:
        found = edited_arrays(rng, found)
    return {"w.safetensors": _edited_tensors(rng, found)}


def _edited_tensors(rng: Random, found: dict[str, np.ndarray[Any, Any]]) -> bytes:
    found = {key: value for key, value in found.items() if value.dtype != np.complex64}
    data = save(found)
    kind = rng.randrange(5)
    if kind == 0:
        return spoil(rng, data, data)
    if kind <= 2:
        return data
    size = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + size], data[8 + size :]
    if kind == 3:
        header = spoil(rng, header, header)
    else:
        try:
            header = json.dumps(edited_json(rng, json.loads(header))).encode()
        except (RecursionError, ValueError):
            header = b'{"a":' * 100_000
    return len(header).to_bytes(8, "little") + header + rest


@functools.cache
def folders() -> tuple[Files, ...]:
    """Converted folders."""
    made = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("leaf", "tfbanks", "sincnet", "mel", "leaf_fixed"):
            converted(name, Path(scratch, name))
            found = Path(scratch, name).iterdir()
            made.append({path.name: path.read_bytes() for path in found})
    return tuple(made)


def folder(rng: Random) -> Files:
    """A converted folder; its hashes are made again, most of the time."""
    files = dict(rng.choice(folders()))
    config = json.loads(files["config.json"])
    for _ in range(rng.choice((0, 1, 1, 2))):
        config = edited_json(rng, config)
    if rng.random() < 0.4:
        one = rng.choice([name for name in files if name != "config.json"])
        files[one] = _edited_tensors(rng, edited_arrays(rng, load(files[one])))
        noted = config.get("weights") if isinstance(config, dict) else None
        if isinstance(noted, dict) and rng.random() < 0.9:
            noted[one] = hashlib.sha256(files[one]).hexdigest()
    try:
        files["config.json"] = json.dumps(config).encode()
    except (RecursionError, ValueError):  # deeper, or of more digits, than Python writes
        files["config.json"] = b"[" * 100_000
    if rng.random() < 0.1:
        files["config.json"] = spoil(rng, files["config.json"], files["config.json"])
    if rng.random() < 0.02:
        files.pop(rng.choice(list(files)))
    return files


MUTANTS = {
    "bundle": bundle,
    "saved_model": saved_model,
    "h5": h5,
    "weights_h5": weights_h5,
    "torch": torch_file,
    "safetensors": safetensors,
    "folder": folder,
}
