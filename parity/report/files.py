"""Where the report goes: nothing is overwritten unasked, nothing is left half written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from leaf_port.errors import LeafError

WHERE = "report"


def check(option: str, path: Path, force: bool) -> None:
    """Refuses a path that cannot be written, before anything is run.

    Raises:
        LeafError: its folder does not exist, it is a folder, or it exists and may not be replaced.
    """
    if not path.parent.is_dir():
        expected = "a file in a folder that exists"
        raise LeafError(WHERE, option, expected, path, "make the folder first")
    if path.is_dir():
        raise LeafError(WHERE, option, "a file", f"the folder {path}", "give another name")
    if os.path.lexists(path) and not force:
        fix = "give another name, or --force to replace it"
        raise LeafError(WHERE, option, "a name that is free", f"{path}, which exists", fix)


def write(texts: Mapping[Path, str], force: bool) -> None:
    """Writes each file under a temporary name beside its place, then moves all to their places.

    Raises:
        LeafError: the system refuses, or a file has come to be meanwhile.
    """
    parts: dict[Path, Path] = {}
    try:
        for index, (path, text) in enumerate(texts.items()):
            part = path.with_name(f".parity-{os.getpid()}-{index}.tmp")
            parts[part] = path
            part.write_text(text, encoding="utf-8")
        for part, path in parts.items():
            _publish(part, path, force)
    except OSError as error:
        fix = "check the folder's permissions and the free space"
        what = error.strerror or str(error)
        raise LeafError(WHERE, str(path), "a place to write to", what, fix) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _publish(part: Path, path: Path, force: bool) -> None:
    if os.path.lexists(path) and not force:
        fix = "give another name, or --force to replace it"
        raise LeafError(WHERE, str(path), "a name that is free", "a file", fix)
    part.replace(path)
