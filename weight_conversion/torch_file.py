"""Tensors in files that PyTorch programs write: ``torch.save`` and safetensors.

Nothing in a file is run: ``torch.load(weights_only=True)`` builds tensors, numbers, texts and
containers, and refuses what else a pickle names. NumPy's numbers are let through, since training
scripts put their mean losses beside the weights.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leaf_port.errors import LeafError

SAFETENSORS = ".safetensors"
_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".bin", SAFETENSORS})
# Containers within containers; deeper ones hold no state dict, and a pickle may hold itself.
_DEEPEST = 4
_NUMBERS = tuple(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd")
_SCALAR: Any = np.float64(0.0).__reduce__()[0]
# By the names of NumPy 1 and NumPy 2.
_NUMPY: list[Any] = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *_NUMBERS,
]
_SAVE_ALONE = "save the weights alone: torch.save(model.state_dict(), path)"


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
    if path.suffix == SAFETENSORS:
        return _safetensors(path)
    try:
        _check_sums(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_NUMPY):
            warnings.simplefilter("ignore")  # what it says of TorchScript, it also raises
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything
        raise _unread(path, error) from error


def _check_sums(path: Path) -> None:
    """Checks the CRC-32 of each record of a zip archive, which torch does not.

    Raises:
        zipfile.BadZipFile: naming the record that is damaged or compressed: torch stores all.
    """
    if not zipfile.is_zipfile(path):  # the old format, without sums
        return
    with zipfile.ZipFile(path) as archive:
        stored = all(each.compress_type == zipfile.ZIP_STORED for each in archive.infolist())
        bad = archive.testzip() if stored else "a compressed record"
    if bad is not None:
        raise zipfile.BadZipFile(f"the CRC-32 of {bad} differs" if stored else bad)


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        expected, fix = "a safetensors file", "fetch or save it again"
        raise LeafError("import", str(path), expected, _cause(error), fix) from error


def _unread(path: Path, error: Exception) -> LeafError:
    """The error of a file that torch cannot read."""
    named = re.search(r"(?:GLOBAL|global|type|function):? ?([\w.]+\.\w+)", str(error))
    if "Weights only load failed" in str(error) and named:
        got = f"a pickle that asks for {named[1]}, which is not run"
        return LeafError("import", str(path), "tensors and numbers alone", got, _SAVE_ALONE)
    if "TorchScript" in str(error):
        expected, fix = "a state dict", "load it with torch.jit.load, and save its state_dict()"
        return LeafError("import", str(path), expected, "a TorchScript program", fix)
    got = f"one that is damaged, cut off or of another kind ({_cause(error)})"
    return LeafError("import", str(path), "a file of torch.save", got, "fetch or save it again")


def _cause(error: Exception) -> str:
    """The first sentence of what went wrong, without torch's advice to run the file's code."""
    said = str(error)
    if "Weights only load failed" in said:
        found = re.search(r"WeightsUnpickler error: (.*)", said)
        said = found[1] if found else ""
    first = re.split(r"\. |\n", said, maxsplit=1)[0].strip()
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def state_dicts(held: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """The dictionaries with tensors among their values, by the names that lead to them.

    ``""`` is the file's own; names of containers within containers are joined by slashes.
    """
    if not isinstance(held, Mapping) or depth > _DEEPEST:
        return
    named = {key: value for key, value in held.items() if isinstance(key, str)}
    if any(isinstance(value, Tensor) for value in named.values()):
        yield name, named
    for key, value in named.items():
        yield from state_dicts(value, f"{name}/{key}" if name else key, depth + 1)


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
