"""Weights that Keras wrote into an HDF5 file, ``.h5`` or ``.weights.h5``.

Layouts, as Keras 2.13 and tf-keras 2.21 write them:

* ``model.save_weights("x.h5")``, in both: the root's attribute ``layer_names`` lists groups, each
  group's ``weight_names`` the datasets below it. Keras loads them by order, trained weights before
  others, so :meth:`KerasWeights.keys` keeps it: ``"conv_net/conv2d/kernel:0"``. No optimiser.
* ``model.save_weights("x.weights.h5")`` in 2.13: groups are the attributes of the model, each with
  a group ``vars`` of datasets by number: ``"_frontend/_complex_conv/vars/0"``,
  ``"optimizer/vars/12"``; children of a Sequential below ``_layer_checkpoint_dependencies``.
* the same in 2.21: groups are the layers by the name of their class:
  ``"layers/leaf/layers/gabor_conv1d/vars/0"``, ``"optimizer/vars/12"``.

HDF5 is parsed by its own C library, which hostile files have crashed before; the checks here are of
what it makes of the file. Nothing is followed out of the file or out of the tree (soft and external
links, external storage, virtual datasets), nothing is unpickled or decompressed, and only numbers
are read that fill as many bytes of the file as they take.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from leaf_port.errors import LeafError
from weight_conversion._locate import size_of, unreadable
from weight_conversion._malformed import MalformedError, refusal

SIGNATURE = b"\x89HDF\r\n\x1a\n"
TOP_LEVEL = "top_level_model_weights"
MAX_DEPTH = 64
MAX_NAMES = 65536

_FIX = "save the weights again with Keras: model.save_weights(name)"


class KerasWeights:
    """The arrays of a Keras weights file, by name.

    Args:
        path: the ``.h5`` file.

    Attributes:
        path: the file.
        by_layer: whether it is of the layout by layer names (``.h5``) rather than by attributes.

    Raises:
        LeafError: not such a file, or one that holds what is not followed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        _check_signature(self.path)
        with self._open() as file:
            found = _datasets(file)
            _check_places(found, self.path.stat().st_size)
            self.by_layer = "layer_names" in file.attrs or "layer_names0" in file.attrs
            names = _listed(file) if self.by_layer else sorted(found)
            _check_listed(names, found)
            self._found = {name: (found[name].shape, found[name].dtype) for name in names}

    def keys(self) -> list[str]:
        """Paths of the datasets: in Keras' order in a file by layers, else sorted."""
        return list(self._found)

    def shape(self, key: str) -> tuple[int, ...]:
        """An array's axes.

        Raises:
            LeafError: no such key.
        """
        return tuple(self._of(key)[0])

    def dtype(self, key: str) -> str:
        """The type of an array's numbers: ``"float32"``.

        Raises:
            LeafError: no such key.
        """
        return str(self._of(key)[1].name)

    def tensor(self, key: str) -> npt.NDArray[Any]:
        """An array, in the machine's byte order.

        Raises:
            LeafError: no such key, or bytes that cannot be read.
        """
        shape, dtype = self._of(key)
        with self._open(key) as file:
            data = np.asarray(_dataset(file, key)[()])
            if data.shape != shape or data.dtype != dtype:
                raise MalformedError(f"{dtype} of shape {shape}", f"{data.dtype}, {data.shape}")
            return data.astype(dtype.newbyteorder("="), copy=False)

    def _of(self, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        if key not in self._found:
            fix = "see keys(), or `python -m weight_conversion inspect`"
            raise refusal(self.path, key, f"one of {len(self._found)} keys", "no such key", fix)
        return self._found[key]

    @contextmanager
    def _open(self, key: str | None = None) -> Iterator[h5py.File]:
        """The file; whatever goes wrong with it is told as an error of ours."""
        try:
            with h5py.File(self.path, "r") as file:
                yield file
        except LeafError:
            raise
        except MalformedError as error:
            raise error.of(self.path, key) from None
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise refusal(self.path, key, "an HDF5 file", str(error)) from error


def _check_signature(path: Path) -> None:
    size_of(path)
    try:
        with path.open("rb") as file:
            found = file.read(len(SIGNATURE))
    except OSError as error:
        raise unreadable(path, error) from None
    if found != SIGNATURE:
        raise refusal(path, None, "an HDF5 file", found, _FIX)


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """All datasets below the root, by path; each object may be met once."""
    found: dict[str, h5py.Dataset] = {}
    seen, stack = {_address(file)}, [("", file, 0)]
    while stack:
        prefix, group, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise MalformedError(f"groups at most {MAX_DEPTH} deep", prefix)
        for name in group:
            path = f"{prefix}{name}"
            child = _child(group, name, path)
            if _address(child) in seen:
                raise MalformedError("a tree", f"{path}, which is met twice", _FIX)
            seen.add(_address(child))
            if isinstance(child, h5py.Dataset):
                _check_dataset(child, path)
                found[path] = child
            else:
                stack.append((f"{path}/", child, depth + 1))
    return found


def _child(group: h5py.Group, name: str, path: str) -> h5py.Group | h5py.Dataset:
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise MalformedError(f"{path} in the file itself", type(link).__name__, _FIX)
    child = group[name]
    if not isinstance(child, (h5py.Group, h5py.Dataset)):
        raise MalformedError(f"{path} to be a group or a dataset", type(child).__name__, _FIX)
    return child


def _address(found: h5py.HLObject) -> int:
    return int(h5py.h5o.get_info(found.id).addr)


def _check_dataset(found: h5py.Dataset, path: str) -> None:
    """Plain numbers, stored in one piece in this file, as many bytes as they take."""
    plist = found.id.get_create_plist()
    plain = plist.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    if not plain or plist.get_nfilters() or plist.get_external_count():
        got = "a virtual, external, chunked or compressed one"
        raise MalformedError(f"{path} to be a contiguous dataset", got, _FIX)
    if found.dtype.kind not in "biufc" or found.shape is None:
        raise MalformedError(f"{path} to hold numbers", str(found.dtype), _FIX)
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


def _listed(file: h5py.File) -> list[str]:
    """What the attributes of a file by layers list, in order."""
    layers = _names(file, "layer_names")
    if TOP_LEVEL in file:
        layers.append(TOP_LEVEL)
    made = []
    for layer in layers:
        group = file.get(layer)
        if not isinstance(group, h5py.Group):
            raise MalformedError(f"a group of the layer {layer}", "none", _FIX)
        made += [f"{layer}/{weight}" for weight in _names(group, "weight_names")]
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
        raise MalformedError(f"an attribute {attribute}", "none", _FIX)
    return made


def _texts(group: h5py.Group, attribute: str) -> list[str]:
    found = h5py.h5a.open(group.id, attribute.encode())
    shape, dtype = found.shape, found.dtype
    if shape == (0,):
        return []  # NumPy makes it float64
    text = dtype.kind == "S" or h5py.check_string_dtype(dtype) is not None
    if len(shape) != 1 or shape[0] > MAX_NAMES or not text:
        expected = f"{attribute} to be a list of up to {MAX_NAMES} names"
        raise MalformedError(expected, f"{dtype} of shape {shape}", _FIX)
    values = group.attrs[attribute]
    return [each.decode() if isinstance(each, bytes) else str(each) for each in values]


def _check_listed(names: list[str], found: dict[str, h5py.Dataset]) -> None:
    """The listed names are those of the datasets, each once."""
    if len(set(names)) != len(names) or set(names) != set(found):
        differing = sorted(set(names) ^ set(found)) or ["a name that is listed twice"]
        expected = "weight_names to list each dataset once"
        raise MalformedError(expected, ", ".join(differing[:5]), _FIX)


def _dataset(file: h5py.File, key: str) -> h5py.Dataset:
    """The dataset at a path, each link checked again: the file may have changed."""
    node: h5py.Group | h5py.Dataset = file
    parts = key.split("/")
    for i, name in enumerate(parts):
        if not isinstance(node, h5py.Group):
            raise MalformedError("a group", "a dataset")
        node = _child(node, name, "/".join(parts[: i + 1]))
    if not isinstance(node, h5py.Dataset):
        raise MalformedError("a dataset", "a group")
    _check_dataset(node, key)
    return node
