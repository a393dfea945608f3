"""Files that are read together are of one folder, whoever replaces it, and whole."""

from __future__ import annotations

import errno
import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from leaf_port import _stored
from leaf_port.errors import LeafError

_NAMES = "a", "b"
_SMALL = 64 << 20
_HOLES = 16
_READ = 40
"""How often files are read while nothing may stay open."""


class _Between(list[tuple[str, None]]):
    """The names of the files; once, something happens between the first and the second."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__((name, None) for name in _NAMES)
        self._happens: Callable[[], object] | None = happens

    def __iter__(self) -> Iterator[tuple[str, None]]:
        for index, each in enumerate(super().__iter__()):
            if index and self._happens:
                happens, self._happens = self._happens, None
                happens()
            yield each


def of_one_folder() -> str:
    """How files of two folders, or half a file, can be read; empty where they cannot."""
    for law in (_exchanged, _removed, _gone, _closed, _by_paths, _imported, _with_holes):
        with tempfile.TemporaryDirectory(prefix="parity-files-") as top:
            for name in ("old", "new"):
                _made(Path(top, name))
            if problem := law(Path(top)):
                return problem
    return ""


def _made(folder: Path) -> None:
    folder.mkdir()
    for name in _NAMES:
        (folder / name).write_bytes(f"{folder.name} {name}".encode())


def _of(name: str) -> list[bytes]:
    return [f"{name} {each}".encode() for each in _NAMES]


def _put(top: Path) -> None:
    """Puts another folder in the place of the one that is read."""
    (top / "old").rename(top / "moved")
    (top / "new").rename(top / "old")


def _exchanged(top: Path) -> str:
    """The folder that was opened is the one that is read."""
    if os.open not in os.supports_dir_fd:  # as on Windows, where an open file holds its folder
        return ""
    read = _stored.read_together(top / "old", _Between(lambda: _put(top)), "-")
    return "" if read == _of("old") else f"of two folders that were exchanged: {read}"


def _removed(top: Path) -> str:
    """Where it is removed meanwhile, the folder in its place is read."""
    if os.open not in os.supports_dir_fd:
        return ""

    def replaced() -> None:
        _put(top)
        (top / "moved" / "b").unlink()

    read = _stored.read_together(top / "old", _Between(replaced), "-")
    return "" if read == _of("new") else f"of a folder that was removed: {read}"


def _gone(top: Path) -> str:
    """Where nothing comes in its place, the file is told that is missing."""

    def removed() -> None:
        (top / "old").rename(top / "moved")
        (top / "moved" / "b").unlink()

    try:
        _stored.read_together(top / "old", _Between(removed), "mend it")
    except LeafError as error:
        told = error.owner, error.argument, error.expected, error.fix
        wanted = "from_pretrained", str(top / "old" / "b"), "a file that can be read", "mend it"
        return "" if told == wanted else f"of a folder that is gone: {error}"
    return "a folder that is gone is read"


def _closed(top: Path) -> str:
    """Nothing stays open: neither of what is read nor of what is refused."""
    before = _free()
    for _ in range(_READ):
        _stored.read_together(top / "old", [("a", None), ("b", None)], "-")
        _refused(top / "old", "c", None)
        _refused(top / "none", "a", None)
        _refused(top / "old", "a", 1)
    return "" if _free() < before + _READ else "files stay open"


def _by_paths(top: Path) -> str:
    """As on Windows, where no folder is opened, and nobody knows how much of a file is there."""
    usual, whole = os.open, os.fstat

    def windows(path: str | Path, flags: int, dir_fd: int | None = None) -> int:
        if dir_fd is not None or Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return usual(path, flags)

    def size(file: int) -> SimpleNamespace:
        found = whole(file)
        return SimpleNamespace(st_mode=found.st_mode, st_size=found.st_size)

    with mock.patch.object(os, "open", windows), mock.patch.object(os, "fstat", size):
        read = _stored.read_together(top / "old", [("a", None), ("b", None)], "-")
        told = _refused(top / "old", "c", None)
    if read != _of("old"):
        return f"without descriptors of folders: {read}"
    right = told.startswith(f"from_pretrained: {top / 'old' / 'c'}: expected a file that can be")
    return "" if right else f"without descriptors of folders: {told}"


def _imported(top: Path) -> str:
    """Where the system has no flags of these names, as of Windows and others, it is imported."""
    flags = "O_NONBLOCK", "O_BINARY"
    found = importlib.util.find_spec(_stored.__name__)
    assert found is not None  # noqa: S101
    assert found.loader is not None  # noqa: S101
    alone = importlib.util.module_from_spec(found)
    kept = {name: value for name, value in vars(os).items() if name not in flags}
    with mock.patch.dict(vars(os), kept, clear=True):
        found.loader.exec_module(alone)
    read = alone.read_together(top / "old", [("a", None), ("b", None)], "-")
    return "" if read == _of("old") else f"without flags of the system: {read}"


def _free() -> int:
    """A descriptor that files have that are opened now, behind holes between those that are."""
    found = [os.open(os.devnull, os.O_RDONLY) for _ in range(_HOLES)]
    for each in found:
        os.close(each)
    return max(found)


def _refused(folder: Path, name: str, most: int | None) -> str:
    """What is said of a file that is refused; empty where it is read."""
    try:
        (data,) = _stored.read_together(folder, [(name, most)], "-")
    except LeafError as error:
        return str(error)
    whole = (folder / name).stat().st_size
    return "" if len(data) == whole else f"{len(data)} of {whole} bytes are read"


def _with_holes(top: Path) -> str:
    """A large file that is hardly there is refused, any other one is read."""
    path = top / "old" / "a"
    for written in (0, 5 << 20):
        with path.open("wb") as file:
            file.write(b"1" * written)
            os.fsync(file.fileno())
        there = _there(path)
        for size in (_SMALL, _SMALL + 1, there * _HOLES, there * _HOLES + 1):
            if size < written:
                continue
            os.truncate(path, size)
            refused = size > _SMALL and _there(path) * _HOLES < size
            expected = f"{path}: expected a file without holes, got {size} bytes, of which"
            told = _refused(top / "old", "a", None)
            if not (told.startswith(f"from_pretrained: {expected}") if refused else told == ""):
                return f"{size} bytes, of which {_there(path)} are there: {told or 'read'}"
    return ""


def _there(path: Path) -> int:
    """How many bytes of a file the disk has."""
    told = path.stat()
    return 512 * getattr(told, "st_blocks", told.st_size)
