"""Files and folders that appear whole: written under another name, synced, and put in place.

A folder is put in another one's place by one exchange of the two names, so that whoever opens it
finds the old or the new one, always. While it is written, it is locked: what a process that was
killed has left is known by the lock that nobody holds, and goes with the next run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import secrets
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SUFFIX = ".leaf-tmp"
OLD = ".leaf-old"

_EXCHANGE, _NO_REPLACE = 2, 1
_HERE = -100  # AT_FDCWD of Linux
_MAC_EXCHANGE, _MAC_NO_REPLACE = 2, 4
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")

_fsync = os.fsync

Ours = Callable[[Path], bool]
"""Says whether a folder is one that this project wrote, whole or in part."""


@contextmanager
def new_folder(final: Path, ours: Ours) -> Iterator[Path]:
    """A locked folder beside ``final``, under a name of its own; removed when the block ends.

    Args:
        final: the name that its contents are to get, by :func:`publish`.
        ours: of the folders that killed runs left under such names, which may go?

    Raises:
        OSError: the system refuses.
    """
    discard_leftovers(final, ours)
    with undisturbed():
        made, lock = _locked_folder(final)
    try:
        yield made
    finally:
        with undisturbed():
            shutil.rmtree(made, ignore_errors=True)
            os.close(lock)


def publish(made: Path, final: Path, replaces: Callable[[Path], None]) -> None:
    """Gives a folder its name; what had the name before has that of ``made`` then.

    Args:
        made: the folder, whole.
        final: its name.
        replaces: called with what has the name, under whatever name it has then; raises where that
            may not be replaced. It is called again once the two are exchanged: it may have changed.

    Raises:
        OSError: the system refuses, or the name was taken meanwhile.
    """
    sync(made)
    with undisturbed():
        if not os.path.lexists(final):
            _rename_new(made, final)
        else:
            replaces(final)
            _replace(made, final, replaces)
        sync_folder(final.parent)


def _replace(made: Path, final: Path, replaces: Callable[[Path], None]) -> None:
    if exchange(made, final):
        try:
            replaces(made)
        except BaseException:
            exchange(made, final)
            raise
        return
    # No such call: the old one keeps its contents, and gets its name back if need be.
    old = made.with_suffix(OLD)
    final.rename(old)
    try:
        made.rename(final)
    except OSError:
        old.rename(final)
        raise
    old.rename(made)


def exchange(first: Path, second: Path) -> bool:
    """Exchanges two names at once; whether the system can.

    Raises:
        OSError: it can, and refuses.
    """
    return _renamed(first, second, _EXCHANGE, _MAC_EXCHANGE)


def _rename_new(made: Path, final: Path) -> None:
    """Gives a name that nobody has."""
    if not _renamed(made, final, _NO_REPLACE, _MAC_NO_REPLACE):
        made.rename(final)


def _renamed(first: Path, second: Path, linux: int, mac: int) -> bool:
    """``renameat2`` or ``renamex_np``; False where there is neither, or not for these files."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        names = os.fsencode(first), os.fsencode(second)
        if sys.platform == "darwin":
            done = library.renamex_np(*names, ctypes.c_uint(mac))
        else:
            done = library.renameat2(_HERE, names[0], _HERE, names[1], ctypes.c_uint(linux))
    except (OSError, TypeError, AttributeError):  # another system, or an older library
        return False
    if done == 0:
        return True
    error = ctypes.get_errno()
    # ENOSYS, EINVAL, ENOTSUP (Linux, macOS): the kernel or the file system cannot.
    if error in (38, 22, 95, 78, 45):
        return False
    raise OSError(error, os.strerror(error), str(second))


def _locked_folder(final: Path) -> tuple[Path, int]:
    while True:
        made = final.with_name(f".{final.name}.{secrets.token_hex(4)}{SUFFIX}")
        made.mkdir()
        lock = _lock(made)
        if lock is not None:
            return made, lock


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock of a file or folder; None where another process has it."""
    try:
        found = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        import fcntl

        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(found), path.lstat()):
            return found
    except ImportError:  # Windows
        return found
    except OSError:
        pass
    os.close(found)
    return None


def discard_leftovers(final: Path, ours: Ours) -> None:
    """Removes what killed runs left beside ``final``, and gives it back if they took it away."""
    pattern = re.compile(rf"\.{re.escape(final.name)}\.[0-9a-f]{{8}}({SUFFIX}|{OLD})")
    for path in _children(final.parent):
        found = pattern.fullmatch(path.name)
        if found is None or path.is_symlink() or not path.is_dir():
            continue
        lock = _lock(path)
        if lock is None or sys.platform == "win32":
            continue
        try:
            if found[1] == OLD and not os.path.lexists(final):
                path.rename(final)
            elif ours(path):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


@contextmanager
def new_file(final: Path) -> Iterator[Path]:
    """A name beside ``final`` to write to; the file gets its own name when the block ends well.

    Raises:
        OSError: the system refuses.
    """
    discard_files(final.parent, final.name)
    made = final.with_name(f".{final.name}.{secrets.token_hex(4)}{SUFFIX}")
    try:
        lock = _new_locked(made)
        try:
            yield made
            sync_file(made)
            made.replace(final)
            sync_folder(final.parent)
        finally:
            os.close(lock)
    finally:
        made.unlink(missing_ok=True)


def discard_files(folder: Path, name: str) -> None:
    """Removes the files that killed runs left for ``name``; those of living ones are locked."""
    pattern = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}{SUFFIX}")
    for path in _children(folder):
        if pattern.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
            lock = _lock(path)
            if lock is not None:
                with contextlib.suppress(OSError):
                    path.unlink()
                os.close(lock)


class Marks:
    """Temporary files of one run, by their names: each folder has one lock for all of them."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(4)
        self._locks: dict[Path, int] = {}
        self._count = 0

    def name(self, folder: Path) -> Path:
        """A name in ``folder``, of which the next run knows whether this one lives.

        Raises:
            OSError: the system refuses.
        """
        if folder not in self._locks:
            _discard_marked(folder)
            lock = folder / f".leaf-{self._token}.lock"
            self._locks[folder] = _new_locked(lock)
        self._count += 1
        return folder / f".leaf-{self._token}-{self._count}.tmp"

    def close(self) -> None:
        """Gives the locks up; the files are gone by then."""
        for folder, lock in self._locks.items():
            (folder / f".leaf-{self._token}.lock").unlink(missing_ok=True)
            os.close(lock)
        self._locks.clear()


def _discard_marked(folder: Path) -> None:
    """Removes what runs of :class:`Marks` left that were killed."""
    for path in _children(folder):
        if not re.fullmatch(r"\.leaf-[0-9a-f]{8}\.lock", path.name) or not path.is_file():
            continue
        lock = _lock(path)
        if lock is None or sys.platform == "win32":
            continue
        pattern = re.compile(rf"{re.escape(path.stem)}-[0-9]+\.tmp")
        for left in [*filter(lambda each: pattern.fullmatch(each.name), _children(folder)), path]:
            with contextlib.suppress(OSError):
                left.unlink()
        os.close(lock)


def _new_locked(path: Path) -> int:
    """A descriptor of a new file that is locked.

    Another run may take it for a leftover before it is locked: then it is made again.
    """
    while True:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        _lock_file(file)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.lstat()):
                return file
        os.close(file)


def _lock_file(file: int) -> None:
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def sync(folder: Path) -> None:
    """Has the system write a folder, and all that is in it, to the disk."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            sync_file(path)
    sync_folder(folder)


def sync_file(path: Path) -> None:
    """Has the system write a file to the disk."""
    with path.open("rb+") as file:
        _fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Has the system write the names in a folder to the disk, where it can."""
    with contextlib.suppress(OSError):  # Windows opens no folders, some file systems sync none
        opened = os.open(folder, os.O_RDONLY)
        try:
            _fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Signals that would end the process wait until the block has ended."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    wanted = {getattr(signal, name) for name in _ENDING}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def ended_cleanly() -> Iterator[None]:
    """For commands: SIGTERM and SIGHUP end the block as Ctrl-C does, so that it cleans up.

    The process ends with exit code 128 and the signal's number, without a traceback.
    """
    met: list[int] = []

    def ended(number: int, _: FrameType | None) -> None:
        met.append(number)
        raise SystemExit(128 + number)

    before = {}
    for name in _ENDING:
        number = getattr(signal, name, None)
        with contextlib.suppress(ValueError):  # not the main thread
            # A signal that the caller ignores (nohup) stays ignored.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, ended)
    try:
        yield
    except BaseException:
        if met:  # whatever a library in C made of it
            raise SystemExit(128 + met[0]) from None
        raise
    else:
        if met:  # a library in C swallowed it
            raise SystemExit(128 + met[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
