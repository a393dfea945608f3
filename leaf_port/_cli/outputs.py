"""Writing files whole or not at all.

Each file is written under a temporary name in the folder it belongs to, and the temporary files get
their names (``os.replace``) when all of them are complete. Whatever fails before, they are removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from leaf_port._cli.finding import Source
from leaf_port._cli.refusal import refusal
from leaf_port._publish import Marks, sync_file, sync_folder, undisturbed
from leaf_port.errors import LeafError


def targets(
    option: str, given: Path, suffix: str, sources: Sequence[Source], many: bool
) -> list[Path]:
    """Where the output of each clip goes.

    Args:
        option: ``"--out"`` or ``"--plot"``.
        given: its value: a file for one clip, a folder for several.
        suffix: ``".npy"`` or ``".png"``.
        sources: the clips.
        many: whether ``given`` is a folder.

    Raises:
        LeafError: another suffix, a missing parent folder, a file where a folder belongs or the
            reverse, two clips with the same output.
    """
    _refuse_no_parent(option, given)
    if not many:
        return [single(option, given, [suffix], " for one clip")]
    if given.suffix.lower() == suffix or (given.exists() and not given.is_dir()):
        expected = f"a folder for the {suffix} files of several clips"
        raise refusal(option, expected, str(given), "give a folder, or one clip")
    return _distinct(option, [given / f"{source.name}{suffix}" for source in sources])


def single(option: str, given: Path, suffixes: Sequence[str], of: str = "") -> Path:
    """Where one output goes.

    Args:
        option: that names it.
        given: its value.
        suffixes: that the name may have.
        of: what it is an output of, in words.

    Raises:
        LeafError: another suffix, a missing parent folder, a folder.
    """
    _refuse_no_parent(option, given)
    if given.suffix.lower() not in suffixes:
        choices = " or ".join(suffixes)
        expected = f"a name that ends in {choices}{of}"
        raise refusal(option, expected, str(given), f"add {choices} to the name")
    if given.is_dir():
        raise refusal(option, "a file", f"the folder {given}", "give another name")
    return given


def _refuse_no_parent(option: str, given: Path) -> None:
    if not given.parent.is_dir():
        fix = "make the folder first"
        raise refusal(option, "a path in a folder that exists", str(given), fix)


def refuse_no_folder(option: str, given: Path) -> None:
    """Refuses what is no folder and cannot become one.

    Raises:
        LeafError: a missing parent folder, or a file.
    """
    _refuse_no_parent(option, given)
    if given.exists() and not given.is_dir():
        raise refusal(option, "a folder", f"the file {given}", "give another name")


def _distinct(option: str, paths: list[Path]) -> list[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            fix = "rename one of the two clips"
            raise refusal(option, "an output of its own for each clip", f"{path} twice", fix)
        seen.add(path)
    return paths


def refuse_existing(option: str, paths: Iterable[Path], force: bool) -> None:
    """Refuses outputs that exist already, unless they may be replaced; a folder never may.

    Raises:
        LeafError: naming the first of them and how many there are.
    """
    existing = [p for p in paths if os.path.lexists(p) and (not force or p.is_dir())]
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        fix = "give another name" + ("" if force else ", or --force to replace it")
        raise refusal(option, "a name that is free", f"{existing[0]}{more}", fix)


class Staging:
    """Files that appear together when the ``with`` block ends well, or not at all.

    Folders that are missing are made, and removed again if the block fails.
    """

    def __init__(self) -> None:
        self._marks = Marks()
        self._temporaries: dict[Path, Path] = {}
        self._folders: list[Path] = []

    def __enter__(self) -> Staging:
        return self

    def add(self, path: Path, write: Callable[[BinaryIO], object]) -> None:
        """Writes what is to become ``path`` under a temporary name beside it.

        Raises:
            LeafError: the system refuses (permissions, a full disk).
        """
        write_file(self.reserve(path), path, write)

    def reserve(self, path: Path) -> Path:
        """The temporary name beside ``path`` for what is to become it, by :func:`write_file`.

        Raises:
            LeafError: the system refuses.
        """
        try:
            self._make_folder(path.parent)
            temporary = self._marks.name(path.parent)
        except OSError as error:
            raise _refusal(path, error) from error
        self._temporaries[temporary] = path
        return temporary

    def drop(self, temporary: Path) -> None:
        """Gives a reserved name up, and what was written there."""
        del self._temporaries[temporary]
        temporary.unlink(missing_ok=True)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        self._folders.append(folder)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            with undisturbed():
                self._discard()

    def _publish(self) -> None:
        folders: set[Path] = set()
        for temporary, path in list(self._temporaries.items()):
            try:
                temporary.replace(path)
            except OSError as error:
                raise _refusal(path, error) from error
            del self._temporaries[temporary]
            folders.add(path.parent)
        for folder in folders:
            sync_folder(folder)

    def _discard(self) -> None:
        """Removes what was not published, and the folders that nothing has come to lie in."""
        for temporary in self._temporaries:
            temporary.unlink(missing_ok=True)
        self._marks.close()
        for folder in reversed(self._folders):
            try:
                folder.rmdir()
            except OSError:
                continue


def write_file(temporary: Path, final: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file under a name that nothing has yet, and has the system put it on the disk.

    Args:
        temporary: the name.
        final: what it is to be called: errors name it.
        write: writes what is in it.

    Raises:
        LeafError: the system refuses (permissions, a full disk).
    """
    try:
        with temporary.open("xb") as stream:
            write(stream)
        sync_file(temporary)
    except OSError as error:
        raise _refusal(final, error) from error


def _refusal(path: Path, error: OSError) -> LeafError:
    fix = "check the folder's permissions and the free space"
    return refusal(path, "a place to write to", error.strerror or error, fix)
