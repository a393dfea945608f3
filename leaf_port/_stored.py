"""Reads the files of one folder together, whoever replaces the folder meanwhile."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from leaf_port.errors import LeafError

_ATTEMPTS = 1000
_HOLES = 16
_SMALL = 64 << 20
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_together(folder: Path, limits: Sequence[tuple[str, int | None]], fix: str) -> list[bytes]:
    """The bytes of several files that lie in one folder, all of them of the same one.

    A folder may be exchanged for another one, and removed, at any time: then it is opened again.

    Args:
        folder: where they lie.
        limits: their names, and how large each may be; None for as large as it is.
        fix: what to do where one is missing.

    Raises:
        LeafError: one cannot be read, is no plain file, is too large, or is nearly all holes.
    """
    for left in reversed(range(_ATTEMPTS)):
        with contextlib.ExitStack() as stack:
            at = None
            try:
                at = _entered(folder, stack)
                files = [_opened(folder, name, at, stack) for name, _ in limits]
            except OSError as error:
                if left and at is not None and _moved(folder, at):
                    continue
                name = error.filename or folder
                path = Path(folder, name) if at is not None else Path(name)
                got = error.strerror or error
                raise _refusal(path, "a file that can be read", got, fix) from error
            return [
                _whole(file, folder / name, most)
                for file, (name, most) in zip(files, limits, strict=True)
            ]
    raise AssertionError


def _entered(folder: Path, stack: contextlib.ExitStack) -> int | None:
    """A descriptor of the folder, which stays what it is; None on Windows, where folders do."""
    if os.open not in os.supports_dir_fd:
        return None
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    stack.callback(os.close, at)
    return at


def _opened(folder: Path, name: str, at: int | None, stack: contextlib.ExitStack) -> int:
    """A descriptor of a file, by way of the folder's own."""
    path = str(folder / name) if at is None else name
    found = os.open(path, os.O_RDONLY | _NO_WAIT, dir_fd=at)
    stack.callback(os.close, found)
    return found


def _moved(folder: Path, at: int) -> bool:
    """Whether the folder of this name is another one by now."""
    try:
        return not os.path.samestat(os.fstat(at), folder.stat())
    except OSError:
        return False


def _whole(file: int, path: Path, most: int | None) -> bytes:
    """All bytes of an open file."""
    told = os.fstat(file)
    if not stat.S_ISREG(told.st_mode):
        fix = "give a plain file, or a link to one"
        raise _refusal(path, "a plain file", "a folder, device or pipe", fix)
    if most is not None and told.st_size > most:
        got = f"{told.st_size} bytes"
        raise _refusal(path, f"a file of at most {most} bytes", got, "give a file of this kind")
    blocks = 512 * getattr(told, "st_blocks", told.st_size)
    if told.st_size > _SMALL and blocks * _HOLES < told.st_size:
        got = f"{told.st_size} bytes, of which {blocks} are there"
        raise _refusal(path, "a file without holes", got, "copy it again")
    with os.fdopen(os.dup(file), "rb") as opened:
        return opened.read(told.st_size)


def _refusal(path: Path, expected: str, got: object, fix: str) -> LeafError:
    return LeafError("from_pretrained", str(path), expected, got, fix)
