"""Tensors in files that PyTorch programs write: ``torch.save`` and safetensors.

Nothing in a file is run: ``torch.load(weights_only=True)`` builds tensors, numbers, texts and
containers, and refuses what else a pickle names. It does so in a process of its own, with little
memory (``weight_conversion.formats.torch_file_child``). NumPy's numbers are let through, since
training scripts put their mean losses beside the weights; what is no tensor is told by its kind
alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from leaf_port.errors import LeafError
from weight_conversion.formats import child_process
from weight_conversion.formats.boundary import reading
from weight_conversion.formats.malformed import MalformedError, shown
from weight_conversion.formats.tensorflow.locate import size_of
from weight_conversion.formats.torch_file_child import AGAIN, DEEPEST, cause

SAFETENSORS = ".safetensors"
_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".bin", SAFETENSORS})
_LAYOUT = "_leaf_port_layout"


@dataclass(frozen=True)
class Other:
    """What is no tensor and no container: its kind, ``"int"``."""

    kind: str


class Held(dict[Any, Any]):
    """A container of a file; its kind, ``"OrderedDict"``."""

    kind = "dict"


def kind(value: Any) -> str:
    """The name of the class that a value of a file has there."""
    return str(getattr(value, "kind", type(value).__name__))


def layout(value: Tensor) -> str:
    """``"torch.strided"``, or as the file has it."""
    return str(getattr(value, _LAYOUT, value.layout))


def is_torch_file(path: Path) -> bool:
    """Whether a path is a file with a name as PyTorch programs give."""
    return path.suffix in _SUFFIXES and path.is_file()


def read(path: Path) -> Any:
    """What a file holds; its tensors on the CPU.

    Raises:
        LeafError: no such file, one that is damaged or of another kind, or one with code in it.
    """
    if not path.is_file():
        got = "a folder" if path.is_dir() else "nothing of that name"
        fix = "give a file of torch.save or safetensors"
        raise LeafError("import", str(path), "a file", got, fix)
    size_of(path)
    if path.suffix == SAFETENSORS:
        return _safetensors(path)
    try:
        with reading("import", path):
            return _saved(path)
    except MalformedError as error:
        raise LeafError("import", str(path), error.expected, error.got, error.fix) from None


def _saved(path: Path) -> Any:
    """What the child finds in a file of ``torch.save``."""
    expected = "a file of torch.save"
    size = path.stat().st_size
    head, storages = child_process.ask(
        "weight_conversion.formats.torch_file_child", path, size, expected, AGAIN
    )
    return _value(head["held"], storages)


def _value(told: dict[str, Any], storages: list[npt.NDArray[np.uint8]]) -> Any:
    if "shape" in told:
        return _tensor(told, storages)
    if "items" not in told:
        return Other(told["kind"])
    made = Held(
        (key if text else Other(key), _value(each, storages)) for key, text, each in told["items"]
    )
    made.kind = told["kind"]
    return made


def _tensor(told: dict[str, Any], storages: list[npt.NDArray[np.uint8]]) -> Tensor:
    """A tensor of a storage; on the meta device where it has none."""
    dtype = getattr(torch, told["dtype"], None)
    if not isinstance(dtype, torch.dtype):
        raise MalformedError("tensors of a type that torch has", told["dtype"], AGAIN)
    if "storage" not in told:
        made = torch.empty(told["shape"], dtype=dtype, device="meta")
        setattr(made, _LAYOUT, told["layout"])
        return made
    raw = storages[told["storage"]]
    count = raw.size // dtype.itemsize
    empty = torch.empty(0, dtype=dtype)
    whole = torch.frombuffer(raw, dtype=dtype, count=count) if count else empty
    return whole.as_strided(told["shape"], told["stride"], told["offset"])


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except Exception as error:  # its reader has many words for a damaged file
        expected, fix = "a safetensors file", "fetch or save it again"
        raise LeafError("import", str(path), expected, shown(cause(error)), fix) from error


def state_dicts(held: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """The dictionaries with tensors among their values, by the names that lead to them.

    ``""`` is the file's own; names of containers within containers are joined by slashes.
    """
    if not isinstance(held, Mapping) or depth > DEEPEST:
        return
    named = {key: value for key, value in held.items() if isinstance(key, str)}
    if any(isinstance(value, Tensor) for value in named.values()):
        yield name, named
    for key, value in named.items():
        yield from state_dicts(value, f"{name}/{key}" if name else key, depth + 1)


def in_full(value: Tensor) -> bool:
    """Whether all elements of a tensor are in the file."""
    if value.layout != torch.strided or value.is_meta:
        return False
    return math.prod(value.shape) * value.element_size() <= value.untyped_storage().nbytes()


class TorchFile:
    """A file's tensors, listed as those of a checkpoint are.

    Raises:
        LeafError: as :func:`read`.
    """

    def __init__(self, path: Path) -> None:
        self.held = read(path)
        self._tensors = {
            f"{name}/{key}" if name else key: value
            for name, state in state_dicts(self.held)
            for key, value in state.items()
            if isinstance(value, Tensor)
        }

    def keys(self) -> list[str]:
        """The names of all tensors."""
        return list(self._tensors)

    def shape(self, key: str) -> tuple[int, ...]:
        """A tensor's axes."""
        return tuple(self._tensors[key].shape)

    def dtype(self, key: str) -> str:
        """A tensor's type."""
        return str(self._tensors[key].dtype).removeprefix("torch.")

    def tensor(self, key: str) -> Tensor:
        """A tensor."""
        return self._tensors[key]
