"""Mutants of every format that is read, their checksums made again: files by their names."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import _small
import h5py
import numpy as np
import torch
from _bundle_writer import Bundle, node, part
from _conversion import converted
from _edited import Random, edited_array, edited_arrays, edited_json, edited_name
from _ports import NAMES, state
from _rewritten import Graph, Object
from fuzz_tensor_bundle import spoil
from safetensors.numpy import load, save

from weight_conversion.formats.keras_h5 import KerasWeights
from weight_conversion.formats.tensorflow import object_graph
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.reference.record import RECORDINGS

Files = dict[str, bytes]

BUNDLES = (
    *("leaf", "leaf_fixed", "leaf_options", "tfbanks", "sincnet", "sincnet_plus", "mel"),
    *("legacy_adam_step", "leaf+amsgrad"),
)
WHOLE = 0.02  # of the seeds are as they were recorded


def graph(name: str, whole: bool) -> Graph:
    """A recorded checkpoint, or the same without its encoder; its Adam is AMSGrad if so named."""
    base, _, other = name.partition("+")
    made = Graph(base) if whole else _small.graph(base)
    if other:
        second = made.objects[made.number("optimizer/_velocities")].children
        hats = {each: made.copied(number) for each, number in second.items()}
        made.at("optimizer").children["_velocity_hats"] = made.add(Object(hats))
    return made


@functools.cache
def seed(name: str, whole: bool) -> tuple[dict[str, np.ndarray[Any, Any]], list[_Node]]:
    """Tensors and objects of a recorded checkpoint, or of the same without its encoder."""
    made = graph(name, whole)
    return made.tensors, [_Node(each) for each in made.objects]


@functools.cache
def files(name: str, whole: bool) -> Files:
    """The same as files, by what follows the prefix."""
    if whole and "+" not in name:
        found = Checkpoint(RECORDINGS / name)
        return {
            path.name.removeprefix(found.prefix.name): path.read_bytes() for path in found.files()
        }
    arrays, nodes = seed(name, whole)
    return _files(arrays, b"".join(each.part for each in nodes), 1)


def _files(arrays: dict[str, np.ndarray[Any, Any]], message: bytes, shards: int) -> Files:
    made = Bundle(shards)
    for key, value in arrays.items():
        made.add(key, value)
    return made.add(object_graph.KEY, np.array(message, object)).files()


def _whole(rng: Random) -> bool:
    """Whether a seed has its encoder: it takes three times as long and has little more to it."""
    return rng.random() < WHOLE


def bundle(rng: Random) -> Files:
    """A checkpoint: its bytes spoiled, or its tensors and objects below the checksums."""
    name, whole = rng.choice(BUNDLES), _whole(rng)
    if rng.random() < 0.1:
        made = dict(files(name, whole))
        one = rng.choice(list(made))
        made[one] = spoil(rng, made[one], rng.choice(list(made.values())))
        return {f"c{suffix}": data for suffix, data in made.items()}
    arrays, nodes = seed(name, whole)
    kept = dict(arrays)
    for _ in range(rng.choice((0, 1, 1, 2))):
        key = rng.choice(list(kept))
        kept[key] = edited_array(rng, kept[key])
    nodes = list(nodes)
    for _ in range(rng.choice((0, 1, 1, 2))):
        at = rng.randrange(len(nodes))
        nodes[at] = nodes[at].edited(rng, len(nodes), list(kept))
    message = b"".join(each.part for each in nodes)
    if rng.random() < 0.1:
        message = spoil(rng, message, message)
    made = _files(kept, message, rng.choice((1, 1, 1, 2)))
    return {f"c{suffix}": data for suffix, data in made.items()}


class _Node:
    """An object of a graph; ``part`` is its bytes in the message."""

    def __init__(self, found: Object) -> None:
        self._children = list(found.children.items())
        self._variable = found.variable
        self._slots = list(found.slots)
        self.part = part(1, node(dict(self._children), self._variable, self._slots))

    def edited(self, rng: Random, count: int, keys: list[str]) -> _Node:
        """A copy with one edge, variable or slot changed."""
        children, variable, slots = list(self._children), self._variable, list(self._slots)
        kind = rng.randrange(5)
        if kind <= 1 and children:
            at = rng.randrange(len(children))
            name, child = children[at]
            names = [each for each, _ in children]
            other = (edited_name(rng, name, names), child)
            children[at] = other if kind else (name, rng.randrange(count))
        elif kind == 2 and children:
            del children[rng.randrange(len(children))]
        elif kind == 3 and slots:
            at = rng.randrange(len(slots))
            original, name, slot = slots[at]
            others = ((rng.randrange(count), name, slot), (original, rng.choice("mvx"), slot))
            slots[at] = rng.choice(others)
        elif variable is not None:
            full, key = variable
            full = edited_name(rng, full, []) if rng.random() < 0.6 else full
            variable = full, rng.choice(keys) if rng.random() < 0.5 else key
        return _Node(Object(dict(children), variable, slots))


def saved_model(rng: Random) -> Files:
    """The same as the variables of a SavedModel."""
    names = {"c": "variables"}
    made = {f"variables/{names['c']}{name[1:]}": data for name, data in bundle(rng).items()}
    return {**made, "saved_model.pb": rng.randbytes(20)}


class _H5:
    """What is in a recorded Keras file, in its order, or in the same without its encoder."""

    def __init__(self, name: str, whole: bool, optimizer: bool) -> None:
        found = KerasWeights(RECORDINGS / "leaf" / name)
        self.by_layer, self.layers, self.groups = found.by_layer, found.layers, found.groups
        self.arrays = {key: found.tensor(key) for key in found.keys()}  # noqa: SIM118
        if not whole:
            self.arrays = _small.keras(self.arrays, self.by_layer, optimizer)
            self.layers = [each for each in self.layers if each != "conv_net"]
            left_out = (*_small.LEFT_OUT, *(() if optimizer else ("optimizer",)))
            self.groups = [each for each in self.groups if not each.startswith(left_out)]
        self.data = (RECORDINGS / "leaf" / name).read_bytes() if whole else self.file(self.arrays)

    def file(self, arrays: dict[str, np.ndarray[Any, Any]], rng: Random | None = None) -> bytes:
        """A file with other arrays; layers without weights stand in it as they did."""
        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            taken = [key for key, value in arrays.items() if _put(file, key, value)]
            groups = self.layers if self.by_layer else self.groups
            for name in groups:
                with contextlib.suppress(ValueError, TypeError):  # of a changed name's array
                    file.require_group(name)
            if self.by_layer:
                self._list(rng, file, taken)
        return out.getvalue()

    def _list(self, rng: Random | None, file: h5py.File, taken: list[str]) -> None:
        layers: dict[str, list[str]] = {layer: [] for layer in self.layers}
        for key in taken:
            layer, _, rest = key.partition("/")
            layers.setdefault(layer, []).append(rest)
        try:
            file.attrs["layer_names"] = np.array([each.encode() for each in layers])
            for layer, names in layers.items():
                if names and rng is not None and rng.random() > 0.95:
                    names.append(rng.choice(names))
                listed = np.array([each.encode() for each in names], None if names else "S1")
                file[layer].attrs["weight_names"] = listed
        except (OSError, KeyError, ValueError, AttributeError):  # too long, or no group
            pass


def _put(file: h5py.File, key: str, value: np.ndarray[Any, Any]) -> bool:
    """Adds a dataset; whether HDF5 takes its name."""
    try:
        space = h5py.h5s.create_simple(value.shape) if value.shape else h5py.h5s.create(_SCALAR)
        kind, name = h5py.h5t.py_create(value.dtype), key.encode()
        made = h5py.h5d.create(file.id, name, kind, space, _timeless(), _between())
        if value.size:
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(value))
    except (ValueError, OSError, TypeError, RuntimeError):
        return False
    return True


_SCALAR = h5py.h5s.SCALAR


@functools.cache
def _between() -> Any:
    """Has HDF5 create the groups on the way, their names in UTF-8."""
    made = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    made.set_create_intermediate_group(True)
    made.set_char_encoding(h5py.h5t.CSET_UTF8)
    return made


@functools.cache
def _timeless() -> Any:
    """Has HDF5 note no times: a file is the same each time."""
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_obj_track_times(False)
    return made


_h5_seed = functools.cache(_H5)


def h5(rng: Random) -> Files:
    """A file by layers."""
    return {"w.h5": _h5(rng, "by_layer.h5")}


def weights_h5(rng: Random) -> Files:
    """A file by attributes."""
    return {"w.weights.h5": _h5(rng, "by_attribute.weights.h5")}


def _h5(rng: Random, name: str) -> bytes:
    found = _h5_seed(name, _whole(rng), rng.random() < 0.3)
    if rng.random() < 0.3:
        return spoil(rng, found.data, found.data)
    return found.file(edited_arrays(rng, found.arrays), rng)


@functools.cache
def ports() -> tuple[dict[str, torch.Tensor], ...]:
    """State dicts of both ports."""
    return tuple(state(port) for port in NAMES)


def torch_file(rng: Random) -> Files:
    """A file of ``torch.save``."""
    held = _state(rng)
    out = io.BytesIO()
    with mock.patch.object(torch.serialization, "sorted", list, create=True):  # by address
        torch.save(held, out, _use_new_zipfile_serialization=rng.random() < 0.8)
    data = _named(out.getvalue())
    kind = rng.randrange(4)
    if kind == 0:
        data = spoil(rng, data, data)
    elif kind >= 2 and zipfile.is_zipfile(io.BytesIO(data)):
        data = _below_crc(rng, data)
    return {"w.pt": data}


def _named(data: bytes) -> bytes:
    """The old format names storages by their addresses: here by numbers, the same each time."""
    names: dict[bytes, bytes] = {}

    def named(found: re.Match[bytes]) -> bytes:
        return names.setdefault(found[1], b"X\x0c\0\0\0%012d" % (10**11 + len(names)))

    return data if data.startswith(b"PK") else re.sub(rb"X[\x08-\x14]\0\0\0(\d{8,20})", named, data)


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
            archive.writestr(zipfile.ZipInfo(name), each)  # of one time
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
        for name in ("leaf", "tfbanks", "sincnet", "mel", "leaf_fixed", "leaf+amsgrad"):
            for whole in (False, True):
                source, out = Path(scratch, "source"), Path(scratch, "made")
                converted(
                    name.partition("+")[0], out, "", graph(name, whole).write(source), force=True
                )
                made.append({path.name: path.read_bytes() for path in sorted(out.iterdir())})
    return tuple(made)


def _loaded(data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """In order: safetensors gives another one each time."""
    return dict(sorted(load(data).items()))


def folder(rng: Random) -> Files:
    """A converted folder; its hashes are made again, most of the time."""
    made = dict(rng.choice(folders()[1 if _whole(rng) else 0 :: 2]))
    config = json.loads(made["config.json"])
    for _ in range(rng.choice((0, 1, 1, 2))):
        config = edited_json(rng, config)
    if rng.random() < 0.4:
        one = rng.choice([name for name in made if name != "config.json"])
        made[one] = _edited_tensors(rng, edited_arrays(rng, _loaded(made[one])))
        noted = config.get("weights") if isinstance(config, dict) else None
        if isinstance(noted, dict) and rng.random() < 0.9:
            noted[one] = hashlib.sha256(made[one]).hexdigest()
    try:
        made["config.json"] = json.dumps(config).encode()
    except (RecursionError, ValueError):  # deeper, or of more digits, than Python writes
        made["config.json"] = b"[" * 100_000
    if rng.random() < 0.1:
        made["config.json"] = spoil(rng, made["config.json"], made["config.json"])
    if rng.random() < 0.02:
        made.pop(rng.choice(list(made)))
    return made


MUTANTS = {
    "bundle": bundle,
    "saved_model": saved_model,
    "h5": h5,
    "weights_h5": weights_h5,
    "torch": torch_file,
    "safetensors": safetensors,
    "folder": folder,
}
