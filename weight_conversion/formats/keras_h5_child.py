"""Reads a Keras weights file in a process of its own (``python -m`` this module).

HDF5's C library can hang, crash or ask for any memory on a damaged file (one flipped bit in the
heap of a list of names is enough), so it does not run in the process of the user. What it finds
goes to the standard output: a line of JSON, and then the arrays' bytes one after another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import numpy.typing as npt

from weight_conversion.formats import child_process, limits
from weight_conversion.formats.malformed import MalformedError

TOP_LEVEL = "top_level_model_weights"
MODEL = "model_weights"
MAX_DEPTH = 64
MAX_NAMES = 65536

FIX = "save the weights again with Keras: model.save_weights(name)"

Array = npt.NDArray[Any]


def read(path: Path) -> tuple[dict[str, Any], Iterator[Array]]:
    """What the line of JSON says, and the arrays in its order.

    Raises:
        MalformedError: not such a file, or one that holds what is not followed.
    """
    try:
        file = h5py.File(path, "r")
        found, all_groups = _walked(file)
        _check_places(found, path.stat().st_size)
        base = file if _by_layer(file) or MODEL not in file else file[MODEL]
        by_layer = _by_layer(base)
        layers = _names(base, "layer_names") if by_layer else []
        names = _listed(base, layers, path.stat().st_size) if by_layer else sorted(found)
        if base is not file:  # a whole model: its optimiser's are in another group
            names = [f"{MODEL}/{name}" for name in names]
            layers = [f"{MODEL}/{layer}" for layer in layers]
            found = {name: each for name, each in found.items() if name.startswith(f"{MODEL}/")}
        _check_listed(names, found)
        groups = [] if by_layer else all_groups
    except MalformedError:
        raise
    except Exception as error:  # HDF5's library finds many words
        raise MalformedError("an HDF5 file", str(error) or type(error).__name__, FIX) from error
    arrays = [
        {"name": name, "dtype": found[name].dtype.str, "shape": found[name].shape} for name in names
    ]
    head = {"by_layer": by_layer, "layers": layers, "groups": groups, "arrays": arrays}
    return head, (_array(found[name]) for name in names)


def _by_layer(group: h5py.Group) -> bool:
    """Whether its attributes list layers."""
    if not isinstance(group, h5py.Group):
        return False
    return "layer_names" in group.attrs or "layer_names0" in group.attrs


def _array(found: h5py.Dataset) -> Array:
    return np.ascontiguousarray(found[()]).astype(found.dtype, copy=False)


def _walked(file: h5py.File) -> tuple[dict[str, h5py.Dataset], list[str]]:
    """All datasets below the root, by path, and the paths of all groups; each may be met once.

    The empty groups are layers without weights.
    """
    found: dict[str, h5py.Dataset] = {}
    groups: list[str] = []
    seen, stack = {_address(file)}, [("", file, 0)]
    while stack:
        prefix, group, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise MalformedError(f"groups at most {MAX_DEPTH} deep", prefix)
        for name in group:
            path = f"{prefix}{name}"
            child = _member(group, name, path)
            if _address(child) in seen:
                raise MalformedError("a tree", f"{path}, which is met twice", FIX)
            seen.add(_address(child))
            if isinstance(child, h5py.Dataset):
                _check_dataset(child, path)
                found[path] = child
            else:
                groups.append(path)
                stack.append((f"{path}/", child, depth + 1))
    return found, sorted(groups, key=lambda path: path.split("/"))


def _member(group: h5py.Group, name: str, path: str) -> h5py.Group | h5py.Dataset:
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise MalformedError(f"{path} in the file itself", type(link).__name__, FIX)
    child = group[name]
    if not isinstance(child, (h5py.Group, h5py.Dataset)):
        raise MalformedError(f"{path} to be a group or a dataset", type(child).__name__, FIX)
    return child


def _address(found: h5py.HLObject) -> int:
    return int(h5py.h5o.get_info(found.id).addr)


def _check_dataset(found: h5py.Dataset, path: str) -> None:
    """Plain numbers, stored in one piece in this file, as many bytes as they take."""
    plist = found.id.get_create_plist()
    plain = plist.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    if not plain or plist.get_nfilters() or plist.get_external_count():
        got = "a virtual, external, chunked or compressed one"
        raise MalformedError(f"{path} to be a contiguous dataset", got, FIX)
    if found.dtype.kind not in "biufc" or found.shape is None:
        raise MalformedError(f"{path} to hold numbers", str(found.dtype), FIX)
    needed, stored = found.size * found.dtype.itemsize, found.id.get_storage_size()
    if needed != stored:
        raise MalformedError(f"{path} to fill {needed} bytes", stored)


def _check_places(found: dict[str, h5py.Dataset], size: int) -> None:
    """Datasets lie within the file, and no two overlap."""
    places = []
    for path, dataset in found.items():
        offset, length = dataset.id.get_offset(), dataset.id.get_storage_size()
        if offset is not None and length:
            places.append((offset, length, path))
        elif length > size:
            raise MalformedError(f"{path} within the file's {size} bytes", length)
    free = 0
    for offset, length, path in sorted(places):
        if offset < free or offset + length > size:
            expected = f"{path} between bytes {free} and {size}"
            raise MalformedError(expected, f"{offset} to {offset + length}")
        free = offset + length


def _listed(file: h5py.Group, listed: list[str], size: int) -> list[str]:
    """What the attributes of a file by layers list, in order; no more than a file can hold."""
    layers = [*listed, TOP_LEVEL] if TOP_LEVEL in file else listed
    made = []
    for layer in layers:
        group = file.get(layer)
        if not isinstance(group, h5py.Group):
            raise MalformedError(f"a group of the layer {layer}", "none", FIX)
        weights = _names(group, "weight_names")
        size -= sum(map(len, weights))
        if size < 0:
            raise MalformedError("names that the file holds, each once", "names that share", FIX)
        made += [f"{layer}/{weight}" for weight in weights]
    return made


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """A list of names; where it is over HDF5's 64 kB, Keras numbers its parts from 0."""
    if attribute in group.attrs:
        return _texts(group, attribute)
    made, part = [], 0
    while f"{attribute}{part}" in group.attrs:
        made += _texts(group, f"{attribute}{part}")
        part += 1
    if not part:
        raise MalformedError(f"an attribute {attribute}", "none", FIX)
    return made


def _texts(group: h5py.Group, attribute: str) -> list[str]:
    found = h5py.h5a.open(group.id, attribute.encode())
    shape, dtype = found.shape, found.dtype
    if shape == (0,):
        return []  # NumPy makes it float64
    text = dtype.kind == "S" or h5py.check_string_dtype(dtype) is not None
    if len(shape) != 1 or shape[0] > MAX_NAMES or not text:
        expected = f"{attribute} to be a list of up to {MAX_NAMES} names"
        raise MalformedError(expected, f"{dtype} of shape {shape}", FIX)
    values = group.attrs[attribute]
    return [each.decode() if isinstance(each, bytes) else str(each) for each in values]


def _check_listed(names: list[str], found: dict[str, h5py.Dataset]) -> None:
    """The listed names are those of the datasets, each once."""
    if len(set(names)) != len(names) or set(names) != set(found):
        differing = sorted(set(names) ^ set(found)) or ["a name that is listed twice"]
        expected = "weight_names to list each dataset once"
        raise MalformedError(expected, ", ".join(differing[:5]), FIX)


def main(path: Path, out: IO[bytes]) -> None:
    """Reads a file, and says to ``out`` what is in it."""
    size = path.stat().st_size
    limits.confine(size)
    try:
        head, arrays = read(path)
    except MalformedError as error:
        head, arrays = child_process.refused(error), iter(())
    child_process.answer(head, arrays, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdout.buffer)
