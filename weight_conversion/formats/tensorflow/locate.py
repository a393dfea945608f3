"""Where a checkpoint is: from what a user names to the prefix of its files."""

from __future__ import annotations

import os
import re
from pathlib import Path

from leaf_port.errors import LeafError
from weight_conversion.formats.malformed import refusal, shown

STATE = "checkpoint"
_STATE_LIMIT = 1 << 20
_SMALL, _HOLES = 64 << 20, 16
_LATEST = re.compile(rb'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"\s*$', re.MULTILINE)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))")
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}
_READABLE = "check its name and its permissions"
_EXPECTED = "a checkpoint: its prefix, its .index file, its folder, or a SavedModel folder"


def find_prefix(path: Path) -> Path:
    """The prefix of a checkpoint's files: ``prefix.index``, ``prefix.data-00000-of-00001``, ...

    Args:
        path: the prefix; the ``.index`` file; a SavedModel's folder; a folder with a ``checkpoint``
            file, which names the latest (a text form of CheckpointState,
            tensorflow/python/training/checkpoint_state.proto: the file beside it counts, wherever
            it stood when it was written), or with one ``.index`` file alone.

    Raises:
        LeafError: none of these, or a folder with several checkpoints and nothing to say which.
    """
    try:
        return _find(path)
    except OSError as error:  # such as a name that is too long, or a folder that may not be read
        raise unreadable(path, error) from None


def _find(path: Path) -> Path:
    if _index(path).is_file():
        return path  # before anything else: the official training's prefix is named "checkpoint"
    if path.suffix == ".index" and path.is_file():
        return path.with_suffix("")
    if path.is_dir():
        return _in_folder(path)
    if path.name == STATE and path.is_file():
        return _latest(path)
    got = "a file of another kind" if path.exists() else "nothing there"
    raise refusal(path, None, _EXPECTED, got, "give the path of one")


def _index(prefix: Path) -> Path:
    return prefix.parent / f"{prefix.name}.index"


def _in_folder(folder: Path) -> Path:
    saved_model = folder / "variables" / "variables"
    if _index(saved_model).is_file():
        return saved_model
    if (folder / "saved_model.pb").is_file():
        fix = "copy the whole folder; a SavedModel without variables holds no weights"
        raise refusal(folder, None, "variables/variables.index in a SavedModel", "none", fix)
    if (folder / STATE).is_file():
        return _latest(folder / STATE)
    found = sorted(folder.glob("*.index"))
    if len(found) == 1:
        return found[0].with_suffix("")
    got = f"{len(found)} .index files" if found else "a folder without any"
    names = ", ".join(shown(path.name) for path in found[:5])
    raise refusal(folder, None, _EXPECTED, got, f"name one: {names}" if found else "name another")


def _latest(state: Path) -> Path:
    """The checkpoint that a state file names, beside it."""
    if state.stat().st_size > _STATE_LIMIT:
        expected = f"a state file of at most {_STATE_LIMIT} bytes"
        raise refusal(state, None, expected, f"{state.stat().st_size}", "name the .index file")
    found = _LATEST.search(state.read_bytes())
    if found is None:
        fix = "name the .index file instead of the folder"
        raise refusal(state, None, 'a line model_checkpoint_path: "..."', "none", fix)
    name = re.split(r"[/\\]", _unescaped(found[1], state))[-1]
    prefix = state.with_name(name) if name not in ("", ".", "..") else state
    try:
        there = _index(prefix).is_file()
    except OSError:
        there = False
    if not there:
        raise refusal(state, None, "the checkpoint that it names, beside it", name, _missing(state))
    return prefix


def _unescaped(text: bytes, state: Path) -> str:
    """The value of a string in protobuf's text format."""

    def replaced(found: re.Match[bytes]) -> bytes:
        if found[1] or found[2]:
            return bytes([int(found[1] or found[2], 8 if found[1] else 16) & 0xFF])
        return _LETTERS.get(found[3], found[3])

    try:
        return _ESCAPE.sub(replaced, text).decode()
    except UnicodeDecodeError:
        raise refusal(state, None, "a name in UTF-8", text, "name the .index file") from None


def _missing(state: Path) -> str:
    names = ", ".join(shown(path.name) for path in sorted(state.parent.glob("*.index"))[:5])
    return f"copy the checkpoint's files beside it, or name one that is there: {names or 'none'}"


def shard_path(prefix: Path, shard: int, count: int) -> Path:
    """The data file of a shard."""
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{count:05d}")


def size_of(path: Path) -> int:
    """The size of a file.

    Raises:
        LeafError: it is not there, or no plain file.
    """
    try:
        if path.is_file():
            found = path.stat()
            _check_holes(path, found)
            return found.st_size
    except OSError as error:
        raise unreadable(path, error) from None
    got = "something else" if path.exists() else "nothing there"
    fix = "copy all of the checkpoint's files: the .index and every .data"
    raise refusal(path, None, "a file of the checkpoint", got, fix)


def _check_holes(path: Path, found: os.stat_result) -> None:
    """Refuses a large file that is nearly all holes: it would take memory that no disk holds."""
    stored = 512 * getattr(found, "st_blocks", found.st_size)
    if found.st_size > _SMALL and stored * _HOLES < found.st_size:
        got = f"{found.st_size} bytes, of which {stored} are there"
        raise refusal(path, None, "a file without holes", got)


def unreadable(path: Path, error: OSError) -> LeafError:
    """The error for a file that the system does not let us read."""
    return refusal(path, None, "a file that can be read", error.strerror or error, _READABLE)
