"""The folder of an experiment: settings, a file a finished cell, where unfinished ones stand.

``experiment.json`` has what all cells share; ``results/CELL.json`` is a finished cell, whole;
``unfinished/CELL`` is where a cell goes on from. Several processes may work on one folder: a cell
is locked by the one that trains it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from leaf_port import _publish
from leaf_port.errors import LeafError

FORMAT_VERSION = 1
SETTINGS, RESULTS, UNFINISHED, EPOCHS = "experiment.json", "results", "unfinished", "epochs.json"

Epochs = list[dict[str, Any]]


class Experiment:
    """The folder.

    Args:
        path: of it; it may not exist yet.
        owner: the command, for errors.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self.path, self._owner = path, owner

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Makes the folder, or checks that it is of the same settings.

        Raises:
            LeafError: other files are there, or another experiment's.
        """
        told = {"format_version": FORMAT_VERSION, **settings}
        kept = self.path / SETTINGS
        if not kept.exists():
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                got = "files that are none" if self.path.is_dir() else "a file"
                raise self._refusal(self.path, "a new folder, or an experiment's", got, "change it")
            for name in (RESULTS, UNFINISHED):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            _write(kept, told)
            return
        found = self.settings()
        different = sorted(n for n in found.keys() | told.keys() if found.get(n) != told.get(n))
        if different:
            name = different[0]
            expected, got = f"{name} {found.get(name)!r:.100}", f"{told.get(name)!r:.100}"
            fix = "give the options that it began with, or another --out"
            raise self._refusal(kept, expected, got, fix)

    def settings(self) -> dict[str, Any]:
        """What all cells share.

        Raises:
            LeafError: no experiment's folder, or one of another version.
        """
        return self._read(self.path / SETTINGS)

    def results(self) -> list[dict[str, Any]]:
        """Every finished cell, by name.

        Raises:
            LeafError: a damaged file.
        """
        return list(self.cells().values())

    def cells(self) -> dict[str, dict[str, Any]]:
        """Every finished cell's result, by its name.

        Raises:
            LeafError: a damaged file.
        """
        paths = sorted((self.path / RESULTS).glob("*.json"))
        return {path.stem: self._read(path) for path in paths}

    def finished(self, name: str) -> bool:
        """Whether a cell is."""
        return (self.path / RESULTS / f"{name}.json").exists()

    def finish(self, name: str, result: Mapping[str, Any]) -> None:
        """Writes a cell's result, and removes where it stood."""
        told = {"format_version": FORMAT_VERSION, **result}
        _write(self.path / RESULTS / f"{name}.json", told)
        _remove(self._state(name))

    def _state(self, name: str) -> Path:
        return self.path / UNFINISHED / name

    def keep(self, name: str, epochs: Epochs, save: Callable[[Path], None]) -> None:
        """Writes where a cell stands, in place of where it stood.

        Args:
            name: of the cell.
            epochs: what is known of those that are done.
            save: writes the model into a folder.
        """
        final = self._state(name)
        with _publish.new_folder(final, _ours) as made:
            _write(made / EPOCHS, {"format_version": FORMAT_VERSION, "epochs": epochs})
            save(made)
            _publish.publish(made, final, lambda _: None)

    def kept(self, name: str) -> tuple[Epochs, Path] | None:
        """The epochs that are done, and the folder with the model; None before the first.

        Raises:
            LeafError: a damaged file.
        """
        path = self._state(name)
        return (self._read(path / EPOCHS)["epochs"], path) if path.exists() else None

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[bool]:
        """Whether a cell is this process's: False where another one is at it."""
        path = self.path / UNFINISHED / f".{name}.lock"
        lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            mine = _lock(lock)
            yield mine
            if mine:
                path.unlink(missing_ok=True)
        finally:
            os.close(lock)

    def _read(self, path: Path) -> dict[str, Any]:
        fix = "give the folder of an experiment; a damaged file may be removed"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            got = f"{type(error).__name__}: {error}"
            raise self._refusal(path, "an experiment's file", got, fix) from error
        version = found.get("format_version") if isinstance(found, dict) else None
        if version != FORMAT_VERSION:
            raise self._refusal(path, f"format_version {FORMAT_VERSION}", repr(version), fix)
        return dict(found)

    def _refusal(self, path: Path, expected: str, got: object, fix: str) -> LeafError:
        return LeafError(self._owner, str(path), expected, got, fix)


def _ours(path: Path) -> bool:
    return (path / EPOCHS).exists() or not any(path.iterdir())


def _write(path: Path, value: Any) -> None:
    with _publish.new_file(path) as made:
        made.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _lock(file: int) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # Windows: one process at a time
        return True
    except OSError:
        return False
    return True
