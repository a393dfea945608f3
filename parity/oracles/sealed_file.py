"""A safetensors file whose every byte a hash covers, which stands in the file itself.

The metadata hold one text, ``record``: JSON whose first entry is the seal. The seal is the SHA-256
of the whole file with the seal's own 64 digits as zeros. So a file is refused that is cut or has
one other bit: header, names, shapes and numbers alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from leaf_port import _publish
from leaf_port.errors import LeafError
from parity.spec.answer import Array

FORMAT = 2
_WHERE = "recorded oracle"
_DIGITS = 64
_BLANK = b"0" * _DIGITS
# A quotation mark inside of the text is escaped, so no name of a tensor looks like this.
_SEAL = re.compile(rb'\\"seal\\": \\"([0-9a-f]{%d})\\"' % _DIGITS)
_LENGTH = 8  # bytes that tell how long the header is

RESTORE = (
    "restore it, for example with git checkout; or delete it and record it again: "
    "python -m parity record --draw 10"
)
RESEAL = "python -m parity record --reseal, if it is whole"


def name_of(path: Path) -> str:
    """A file, with the folder that tells it from others of its name."""
    return f"{path.parent.name}/{path.name}"


def write(path: Path, arrays: Mapping[str, Array], record: Mapping[str, Any]) -> None:
    """Writes a sealed file, whole or not at all."""
    text = json.dumps({"seal": _BLANK.decode(), "format": FORMAT, **record})
    data = safetensors.numpy.save(dict(arrays), metadata={"record": text})
    found = _seal(data)
    if found is None:
        expected = "a record without a seal of its own"
        raise LeafError(_WHERE, name_of(path), expected, "another seal", "rename the entry")
    start, end = found
    path.parent.mkdir(parents=True, exist_ok=True)
    with _publish.new_file(path) as file:
        file.write_bytes(data[:start] + _hash(data, start, end) + data[end:])


def read(path: Path, unsealed: bool = False) -> tuple[dict[str, Any], dict[str, Array]]:
    """The record and the arrays of a file.

    Args:
        path: the file.
        unsealed: whether a file of format 1 is read too, which has no seal.

    Raises:
        LeafError: there is no such file, it is damaged, or of another format.
    """
    data = _bytes(path)
    try:
        record = json.loads(_header(data)["__metadata__"]["record"])
        arrays = safetensors.numpy.load(data)
        kind = record.get("format", 1)
    except (safetensors.SafetensorError, AttributeError, LookupError, TypeError, ValueError) as e:
        raise damaged(path, f"{type(e).__name__}: {e}") from e
    if kind == 1 and "seal" not in record:
        if unsealed:
            return record, arrays
        got = "one of format 1, whose header no hash covers"
        raise LeafError(_WHERE, name_of(path), f"a recording of format {FORMAT}", got, RESEAL)
    found = _seal(data)
    if found is None:
        raise damaged(path, "a header without a seal")
    start, end = found
    if data[start:end] != _hash(data, start, end):
        raise damaged(path, "another hash than its seal: a part of it was changed or cut")
    if kind != FORMAT:
        fix = "take the leaf_port that it belongs to"
        expected = f"a recording of format {FORMAT}"
        raise LeafError(_WHERE, name_of(path), expected, f"one of format {kind}", fix)
    return record, arrays


def damaged(path: Path, got: str) -> LeafError:
    """What is raised for a file that is there and cannot be used."""
    return LeafError(_WHERE, name_of(path), "a recording as it was written", got, RESTORE)


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise damaged(path, "a folder")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        fix = "restore it, or record it: python -m parity record --draw 10"
        raise LeafError(_WHERE, name_of(path), "a file", "none", fix) from error
    except OSError as error:
        raise damaged(path, str(error.strerror)) from error


def _header_end(data: bytes) -> int:
    return _LENGTH + int.from_bytes(data[:_LENGTH], "little")


def _header(data: bytes) -> Any:
    end = _header_end(data)
    if len(data) < _LENGTH or end > len(data):
        raise ValueError(f"{len(data)} bytes, less than its header")
    return json.loads(data[_LENGTH:end])


def _seal(data: bytes) -> tuple[int, int] | None:
    """Where the digits of the only seal stand."""
    found = list(_SEAL.finditer(data, 0, _header_end(data)))
    return found[0].span(1) if len(found) == 1 else None


def _hash(data: bytes, start: int, end: int) -> bytes:
    """The seal that a file should have whose seal stands there."""
    total = hashlib.sha256(data[:start] + _BLANK + data[end:])
    return total.hexdigest().encode()
