"""Models that come with the package are loaded by their names; a path comes first."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

import leaf_port
from leaf_port import shipped
from leaf_port.errors import LeafError
from parity.checks.invariants.folder import CONFIG, Kept, kept
from parity.spec import LayerSpec

_FOLDER = Path(leaf_port.__file__).parent / "weights"


def by_name(spec: LayerSpec) -> str:
    """Every name of the package's models, asked of a layer's class: the first problem."""
    held = kept(spec)
    names = sorted(each.name for each in _FOLDER.iterdir() if (each / CONFIG).is_file())
    if shipped.names() != names:
        return f"the names are {shipped.names()}, there are {names}"
    with tempfile.TemporaryDirectory(prefix="parity-folder-") as top, contextlib.chdir(top):
        for name in names:
            if problem := _unlike(held, name):
                return f"{name}: {problem}"
        for name in names:
            held.write(Path(name))
            if _state(held, name).keys() != held.weights.keys():
                return f"{name}: a path of this name does not come first"
    return ""


def _unlike(held: Kept, name: str) -> str:
    """How a name gives otherwise than its folder's path; a path of the name is no name."""
    by_path, by_name = (_told(held, given) for given in (_FOLDER / name, name))
    if by_path != by_name:
        return f"by its path {by_path:.100}, by its name {by_name:.100}"
    try:
        _state(held, Path(name))
    except LeafError as error:
        return "" if error.argument == name else f"a path that is not there is {error.argument}"
    return "a path that is not there is a model"


def _told(held: Kept, given: str | Path) -> str:
    """What a class says to a folder: its weights, or the error of a model of another class."""
    try:
        return repr({name: _bits(each) for name, each in _state(held, given).items()})
    except LeafError as error:
        return f"{error.argument}: {error.expected}"


def _bits(tensor: Tensor) -> tuple[tuple[int, ...], int]:
    return tuple(tensor.shape), int(tensor.contiguous().view(torch.int32).sum())


def _state(held: Kept, given: str | Path) -> Mapping[str, Tensor]:
    state: Mapping[str, Tensor] = held.cls.from_pretrained(given).state_dict()
    return state
