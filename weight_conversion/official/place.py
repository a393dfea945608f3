"""Where a conversion is put: a folder that appears whole, and replaces conversions alone."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leaf_port import _publish, pretrained
from leaf_port.errors import LeafError
from weight_conversion.official.folder import sha256

OPTIMIZER = "optimizer.safetensors"
VERIFICATION = "verification.json"

_FILES = frozenset({pretrained.CONFIG, pretrained.WEIGHTS, OPTIMIZER, VERIFICATION})
# What a run that was killed may leave in its own folder: our files, and what was to become one.
_PARTS = re.compile(r"\.[a-z.]+\.[0-9a-f]{8}\.leaf-tmp")
_CONFIG_LIMIT = 1 << 20


def refuse_existing(folder: Path, force: bool) -> None:
    """Refuses a place that is taken, or where there is none.

    Raises:
        LeafError: no parent folder; something of this name, unless it is an earlier conversion
            and ``force`` is given.
    """
    if not folder.parent.is_dir():
        fix = "make the folder above it first"
        raise LeafError("convert", str(folder), "a path in a folder that exists", "none", fix)
    if not os.path.lexists(folder):
        return
    if not force:
        fix = "give another name, or --force to replace an earlier conversion"
        raise LeafError("convert", str(folder), "a name that is free", "one that is taken", fix)
    _refuse_others(folder, folder)


def _refuse_others(found: Path, named: Path) -> None:
    """Refuses what is no conversion of ours, or was changed since."""
    reason = _why_not_ours(found)
    if reason:
        fix = "give another name, or remove it yourself: --force replaces conversions alone"
        raise LeafError("convert", str(named), "an earlier conversion", reason, fix)


def _why_not_ours(folder: Path) -> str:
    """Why a folder is not one that ``convert`` or ``import`` wrote; empty where it is."""
    if folder.is_symlink() or not folder.is_dir():
        return "something else: no folder"
    if not _holds_ours_alone(folder):
        return "something else: a folder with other files"
    if not (folder / pretrained.CONFIG).is_file():
        return f"something else: no {pretrained.CONFIG}"
    config = _config(folder / pretrained.CONFIG)
    noted = config.get("weights")
    if not all(isinstance(config.get(name), dict) for name in ("weights", "source", "versions")):
        return f"something else: its {pretrained.CONFIG} is none that convert writes"
    for name, expected in noted.items() if isinstance(noted, dict) else ():
        if name not in _FILES or not (folder / name).is_file():
            return f"something else: {ascii(name)[:80]} is gone"
        if sha256(folder / name) != expected:
            return f"other weights in {name} than convert wrote"
    return ""


def _config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _CONFIG_LIMIT:
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _holds_ours_alone(folder: Path) -> bool:
    """Whether all that lies in a folder has a name that conversions give."""
    return all(
        (each.name in _FILES or _PARTS.fullmatch(each.name))
        and each.is_file()
        and not each.is_symlink()
        for each in folder.iterdir()
    )


@contextmanager
def new_folder(folder: Path, force: bool) -> Iterator[Path]:
    """A folder under a temporary name, which gets its own when the block ends well.

    Raises:
        LeafError: the system refuses (permissions, a full disk).
    """
    try:
        with _publish.new_folder(folder, _holds_ours_alone) as made:
            yield made
            refuse_existing(folder, force)  # again: it may have come since
            _publish.publish(made, folder, lambda found: _refuse_others(found, folder))
    except OSError as error:
        fix = "check the folder's permissions and the free space"
        got = error.strerror or error
        raise LeafError("convert", str(folder), "a place to write to", got, fix) from error
