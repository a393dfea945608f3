"""Folders of features, as ``python -m leaf_port features --format safetensors`` writes them.

``features-00007-of-00012.safetensors`` holds the features of a block of clips, each under the
clip's name, ``(frames, filters)``. Its header tells, under ``leaf_port``, which run it is of and
which clips it was made from. ``index-00001-of-00004.json`` tells the same of all files that one
process wrote, or found there, when it is done: a folder is complete when its indices name all
files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError

FORMAT_VERSION = 1
METADATA = "leaf_port"
FILES = re.compile(r"features-(\d+)-of-(\d+)\.safetensors")
INDICES = re.compile(r"index-(\d+)-of-(\d+)\.json")
_AGAIN = "run the command again: it goes on where it stopped"


def file_name(number: int, count: int) -> str:
    """Of file ``number`` of ``count``, from 0."""
    return f"features-{number:05d}-of-{count:05d}.safetensors"


def index_name(index: int, count: int) -> str:
    """Of the index of part ``index`` of ``count``, from 0."""
    return f"index-{index:05d}-of-{count:05d}.json"


def found(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """The files of a folder with such names, sorted."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if names.fullmatch(path.name))


def read_index(owner: str, path: Path) -> dict[str, Any]:
    """What an index tells.

    Raises:
        LeafError: no JSON, or of another version.
    """
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        got = f"{type(error).__name__}: {error}"
        raise LeafError(owner, str(path), "an index in JSON", got, _AGAIN) from error
    return _of_this_version(owner, path, told, ("run", "files", "clips", "skipped"))


def read_header(owner: str, path: Path) -> dict[str, Any]:
    """What the header of a file tells.

    Raises:
        LeafError: no safetensors file, one of something else, or of another version.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, framework="np") as file:
            told = json.loads((file.metadata() or {}).get(METADATA, "null"))
    except Exception as error:  # what its reader raises is of many kinds
        got = f"{type(error).__name__}: {str(error)[:200]}"
        fix = "it is damaged: delete it and run the command again"
        raise LeafError(owner, str(path), "a safetensors file", got, fix) from error
    return _of_this_version(owner, path, told, ("run", "clips", "skipped"))


def _of_this_version(owner: str, path: Path, told: Any, needed: tuple[str, ...]) -> dict[str, Any]:
    version = told.get("format_version") if isinstance(told, dict) else None
    if version != FORMAT_VERSION or not all(isinstance(told.get(key), dict) for key in needed):
        expected = f"features of leaf_port, format_version {FORMAT_VERSION}"
        fix = "give a folder that this version of leaf_port wrote"
        raise LeafError(owner, str(path), expected, repr(version), fix)
    return dict(told)


def differing(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[str, str]:
    """What differs between two runs, of the first and of the second; empty where nothing does."""
    names = [
        name for name in sorted(wanted.keys() | given.keys()) if wanted.get(name) != given.get(name)
    ]
    first, second = (
        ", ".join(f"{name} {json.dumps(run.get(name))}" for name in names)
        for run in (wanted, given)
    )
    return first, second
