"""What a checkpoint of the official code holds, whichever form it is of, by official path.

Weights have the path of their variable in the model, ``"_frontend/_pooling/kernel"``; those of an
optimiser are apart, in ``weight_conversion.adam``'s terms. Counters of metrics and of saves are no
part of a model.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from leaf_port.errors import LeafError
from weight_conversion import _judged, keras_paths
from weight_conversion.keras_h5 import KerasWeights
from weight_conversion.tensor_bundle import Checkpoint
from weight_conversion.torch_file import is_torch_file

Array = npt.NDArray[Any]

_OPTIMIZER = "optimizer/"
_SLOT_LISTS = (f"{_OPTIMIZER}_variables/", f"{_OPTIMIZER}vars/")
_NO_WEIGHTS = ("keras_api/", "metrics/", "save_counter")
_HEAD = "_head/kernel"


class Reader(Protocol):
    """What reads a file."""

    def shape(self, key: str) -> tuple[int, ...]:
        """A tensor's axes."""

    def dtype(self, key: str) -> str:
        """A tensor's type."""

    def tensor(self, key: str) -> Array:
        """A tensor."""


@dataclass(frozen=True)
class Optimizer:
    """The optimiser's part.

    Attributes:
        scalars: keys of its numbers by name: ``{"iterations": ..., "learning_rate": ...}``.
        listed: of an optimiser that keeps its slots in a list, their keys in order.
        names: the full names of those, ``"Adam/m/conv2d/kernel"``; empty where the file has none.
        referred: of one that keeps them by reference, keys by path of the weight and slot name.
    """

    scalars: dict[str, str] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    referred: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A checkpoint.

    Attributes:
        path: as the user gave it.
        files: what it consists of.
        keys: by official path of each weight.
        names: full names of the weights, by path; empty where the file has none.
        optimizer: None where there is nothing of one.
        reader: of its tensors.
    """

    path: Path
    files: list[Path]
    keys: dict[str, str]
    names: dict[str, str]
    optimizer: Optimizer | None
    reader: Reader

    def shape(self, path: str) -> tuple[int, ...]:
        """The axes of a weight."""
        return self.reader.shape(self.keys[path])

    def tensor(self, path: str) -> Array:
        """A weight."""
        return self.reader.tensor(self.keys[path])

    def described(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and axes of each weight."""
        return {
            path: (self.reader.dtype(key), self.reader.shape(key))
            for path, key in self.keys.items()
        }


def open_source(path: str | os.PathLike[str]) -> Source:
    """Opens a checkpoint, SavedModel or Keras ``.h5``, by what the path says.

    Raises:
        LeafError: as the readers do, or an ``.h5`` whose layers are none of the official code.
    """
    path = Path(path)
    if path.suffix in (".h5", ".hdf5"):
        return _from_h5(path)
    if is_torch_file(path):
        fix = "those of leaf-pytorch and SpeechBrain: python -m weight_conversion import"
        raise LeafError("convert", str(path), "a TensorFlow checkpoint", "a file of PyTorch", fix)
    return _from_checkpoint(path)


def _from_checkpoint(path: Path) -> Source:
    reader = Checkpoint(path)
    names = {p: each.full_name for p, each in reader.object_graph().variables().items()}
    keys = reader.variables()
    prefix = _model_prefix(list(keys))
    weights = _weights(keys, prefix)
    return Source(
        path,
        reader.files(),
        weights,
        {path: names[prefix + path] for path in weights},
        _of_checkpoint(reader, keys, names, weights, path),
        reader,
    )


def _model_prefix(paths: list[str]) -> str:
    """Where the model is: ``"model/"`` in ``tf.train.Checkpoint(model=...)``, else ``""``."""
    heads = [path for path in paths if path == _HEAD or path.endswith(f"/{_HEAD}")]
    return min(heads, key=len).removesuffix(_HEAD) if heads else ""


def _weights(keys: dict[str, str], prefix: str) -> dict[str, str]:
    """What of all variables is the model's; below another name than the model's nothing is lost."""
    skipped = (*_NO_WEIGHTS, _OPTIMIZER, f"{prefix}{_OPTIMIZER}", f"{prefix}keras_api/")
    return {
        path.removeprefix(prefix): key for path, key in keys.items() if not path.startswith(skipped)
    }


def _of_checkpoint(
    reader: Checkpoint,
    keys: dict[str, str],
    names: dict[str, str],
    weights: dict[str, str],
    path: Path,
) -> Optimizer | None:
    """The optimiser's variables, wherever its object hangs."""
    own = {p[p.index(_OPTIMIZER) :]: p for p in keys if f"/{p}".find(f"/{_OPTIMIZER}") >= 0}
    listed = [name for name in own if name.startswith(_SLOT_LISTS[0])]
    listed.sort(key=lambda name: _judged.numbered(name, path))
    scalars = {
        name.removeprefix(_OPTIMIZER).removeprefix("_"): keys[full]
        for name, full in own.items()
        if name not in listed
    }
    of_key = {key: name for name, key in weights.items()}
    referred = {
        (of_key.get(variable.key, variable.key), name): slot.key
        for variable, name, slot in reader.object_graph().slots()
    }
    if not (scalars or listed or referred):
        return None
    full_names = [names[own[name]] for name in listed]
    return Optimizer(scalars, [keys[own[name]] for name in listed], full_names, referred)


def _from_h5(path: Path) -> Source:
    reader = KerasWeights(path)
    keys = [key for key in reader.keys() if not key.startswith("metrics/")]  # noqa: SIM118
    slots = [key for key in keys if key.startswith(_SLOT_LISTS[1])]
    slots.sort(key=lambda key: _judged.numbered(key, path))
    weights = [key for key in keys if key not in set(slots)]
    translate = keras_paths.by_layer if reader.by_layer else keras_paths.by_attribute
    shapes = {key: reader.shape(key) for key in weights}
    return Source(path, [path], translate(path, shapes), {}, _of_h5(reader, slots), reader)


def _of_h5(reader: KerasWeights, slots: list[str]) -> Optimizer | None:
    """Numbers come first: the step, as an integer, and in later versions the learning rate."""
    if not slots:
        return None
    scalars: dict[str, str] = {}
    while slots and reader.shape(slots[0]) == ():
        integer = np.issubdtype(reader.tensor(slots[0]).dtype, np.integer)
        name = "iterations" if integer else "learning_rate"
        if name in scalars:
            break
        scalars[name] = slots.pop(0)
    return Optimizer(scalars, slots)
