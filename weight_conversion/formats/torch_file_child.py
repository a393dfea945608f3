"""Reads a file of ``torch.save`` in a process of its own (``python -m`` this module).

``torch.load(weights_only=True)`` runs no code of a file, but builds what its pickle asks for: a
few hundred bytes can ask for gigabytes. What is in the file goes to the standard output
(``weight_conversion.formats.child_process``): the containers as lists of JSON, tensors by the
number of their storage, and the storages' bytes.
"""

from __future__ import annotations

import re
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from weight_conversion.formats import child_process, limits
from weight_conversion.formats.malformed import MalformedError

DEEPEST = 4
"""Containers within containers; deeper ones hold no state dict, and a pickle may hold itself."""

AGAIN = "fetch or save it again"
SAVE_ALONE = "save the weights alone: torch.save(model.state_dict(), path)"

_NUMBERS = tuple(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd")
_SCALAR: Any = np.float64(0.0).__reduce__()[0]
# By the names of NumPy 1 and NumPy 2.
_NUMPY: list[Any] = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *_NUMBERS,
]


def load(path: Path) -> Any:
    """What a file holds; its tensors on the CPU.

    Raises:
        MalformedError: it is damaged, of another kind, or has code in it.
    """
    try:
        _check_sums(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_NUMPY):
            warnings.simplefilter("ignore")  # what it says of TorchScript, it also raises
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything
        raise _unread(error) from error


def _check_sums(path: Path) -> None:
    """Checks the CRC-32 of each record of a zip archive, which torch does not.

    Raises:
        zipfile.BadZipFile: naming the record that is damaged or compressed: torch stores all.
    """
    if not zipfile.is_zipfile(path):  # the old format, without sums
        return
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        stored = all(each.compress_type == zipfile.ZIP_STORED for each in records)
        if stored and sum(each.file_size for each in records) > path.stat().st_size:
            raise zipfile.BadZipFile("records that overlap")
        bad = archive.testzip() if stored else "a compressed record"
    if bad is not None:
        raise zipfile.BadZipFile(f"the CRC-32 of {bad} differs" if stored else bad)


def _unread(error: Exception) -> MalformedError:
    """The error of a file that torch cannot read."""
    named = re.search(r"(?:GLOBAL|global|type|function):? ?([\w.]+\.\w+)", str(error))
    if "Weights only load failed" in str(error) and named:
        got = f"a pickle that asks for {named[1]}, which is not run"
        return MalformedError("tensors and numbers alone", got, SAVE_ALONE)
    if "TorchScript" in str(error):
        fix = "load it with torch.jit.load, and save its state_dict()"
        return MalformedError("a state dict", "a TorchScript program", fix)
    got = f"one that is damaged, cut off or of another kind ({cause(error)})"
    return MalformedError("a file of torch.save", got, AGAIN)


def cause(error: Exception) -> str:
    """The first sentence of what went wrong, without torch's advice to run the file's code."""
    said = str(error)
    if "Weights only load failed" in said:
        found = re.search(r"WeightsUnpickler error: (.*)", said)
        said = found[1] if found else ""
    first = re.split(r"\. |\n", said, maxsplit=1)[0].strip()
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


class Described:
    """What a file holds, as JSON tells it, and the storages of its tensors.

    Args:
        held: what ``torch.load`` gave.
        size: of the file; no honest one has more entries than bytes, however often it is told.

    Raises:
        MalformedError: containers that hold each other so often that they cannot be listed.
    """

    def __init__(self, held: Any, size: int) -> None:
        self._left = size
        self._storages: dict[int, int] = {}
        self._bytes: list[npt.NDArray[np.uint8]] = []
        self.head: dict[str, Any] = {"held": self._value(held, 0)}
        self.head["arrays"] = [{"dtype": "|u1", "shape": [len(each)]} for each in self._bytes]

    def arrays(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The storages' bytes, in order."""
        return iter(self._bytes)

    def _value(self, value: Any, depth: int) -> dict[str, Any]:
        self._left -= 1
        if self._left < 0:
            raise MalformedError("a tree of containers", "ones that hold each other", SAVE_ALONE)
        kind = type(value).__name__
        if isinstance(value, Tensor):
            return self._tensor(value)
        if not isinstance(value, Mapping) or depth > DEEPEST:
            return {"kind": kind}
        items = [
            [str(key)[:1000], isinstance(key, str), self._value(each, depth + 1)]
            for key, each in value.items()
        ]
        return {"kind": kind, "items": items}

    def _tensor(self, value: Tensor) -> dict[str, Any]:
        plain = value.layout == torch.strided and not value.is_meta and not value.is_quantized
        told = {
            "shape": list(value.shape),
            "dtype": str(value.dtype).removeprefix("torch."),
            "layout": str(value.layout),
        }
        if not plain or value.is_conj() or value.is_neg():
            return told
        storage = value.untyped_storage()
        number = self._storages.setdefault(storage.data_ptr(), len(self._bytes))
        if number == len(self._bytes):
            empty = torch.empty(0, dtype=torch.uint8)
            self._bytes.append(empty.set_(storage).numpy())
        return told | {
            "storage": number,
            "offset": value.storage_offset(),
            "stride": list(value.stride()),
        }


def main(path: Path, out: IO[bytes]) -> None:
    """Reads a file, and says to ``out`` what is in it."""
    size = path.stat().st_size
    limits.confine(size)
    try:
        found = Described(load(path), size)
        head, arrays = found.head, found.arrays()
    except MalformedError as error:
        head, arrays = child_process.refused(error), iter(())
    child_process.answer(head, arrays, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.stdout.buffer)
