"""Where a model's folder is put: it appears whole, and replaces such folders alone."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaf_port import _publish
from leaf_port.errors import LeafError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
OPTIMIZER = "optimizer.safetensors"
VERIFICATION = "verification.json"
CARD = "README.md"
PREPROCESSOR = "preprocessor_config.json"
EXTRACTOR = "LeafFeatureExtractor"
FORMAT_VERSION = 1

_FILES = frozenset({CONFIG, WEIGHTS, OPTIMIZER, VERIFICATION, CARD, PREPROCESSOR})
# What a run that was killed may leave in its own folder: our files, and what was to become one.
_PARTS = re.compile(r"\.[A-Za-z.]+\.[0-9a-f]{8}\.leaf-tmp")
_LIMIT = 1 << 20
_SEAL = "<!-- Written by leaf_port. SHA-256 of the lines above: {} -->\n"


@dataclass(frozen=True)
class Place:
    """The folder of a model that is written.

    Attributes:
        folder: its name.
        owner: who writes it, for the errors.
        option: the option that replaces an earlier one, as it is given.
        noun: what an earlier one is called.
    """

    folder: Path
    owner: str
    option: str
    noun: str

    def refuse_existing(self, replace: bool) -> None:
        """Refuses a place that is taken, or where there is none.

        Raises:
            LeafError: no parent folder; something of this name, unless it is a model's folder that
                nobody changed and ``replace`` is given.
        """
        if not self.folder.parent.is_dir():
            fix = "make the folder above it first"
            raise self._refusal("a path in a folder that exists", "none", fix)
        if not os.path.lexists(self.folder):
            return
        if not replace:
            fix = f"give another name, or {self.option} to replace an earlier {self.noun}"
            raise self._refusal("a name that is free", "one that is taken", fix)
        self._refuse_others(self.folder)

    @contextmanager
    def new_folder(self, replace: bool) -> Iterator[Path]:
        """A folder under a temporary name, which gets its own when the block ends well.

        Raises:
            LeafError: the system refuses (permissions, a full disk).
        """
        try:
            with _publish.new_folder(self.folder, _holds_ours_alone) as made:
                yield made
                self.refuse_existing(replace)  # again: it may have come since
                _publish.publish(made, self.folder, self._refuse_others)
        except OSError as error:
            fix = "check the folder's permissions and the free space"
            raise self._refusal("a place to write to", error.strerror or error, fix) from error

    def _refuse_others(self, found: Path) -> None:
        """Refuses what is no model's folder of ours, or was changed since."""
        reason = _why_not_ours(found)
        if reason:
            fix = f"give another name, or remove it yourself: {self.option} replaces such alone"
            raise self._refusal(f"an earlier {self.noun}", reason, fix)

    def _refusal(self, expected: str, got: object, fix: str) -> LeafError:
        return LeafError(self.owner, str(self.folder), expected, got, fix)


def sha256(path: Path) -> str:
    """Of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed(card: str) -> str:
    """A card with the hash by which it is told from one that a person changed."""
    return card + _SEAL.format(hashlib.sha256(card.encode()).hexdigest())


def is_sealed(path: Path) -> bool:
    """Whether a card is as it was written.

    Raises:
        OSError: it cannot be read.
    """
    if path.stat().st_size > _LIMIT:
        return False
    text = path.read_bytes().decode("utf-8", "replace")
    card = text[: len(text) - len(_SEAL.format("0" * 64))]
    return text == sealed(card)


def preprocessor(sampling_rate: int, feature_size: int) -> str:
    """The ``preprocessor_config.json`` of a frontend's extractor; see ``leaf_port/extractor.py``.

    Args:
        sampling_rate: in Hz.
        feature_size: number of filters.
    """
    told = {
        "feature_extractor_type": EXTRACTOR,
        "feature_size": feature_size,
        "padding_value": 0.0,
        "return_attention_mask": True,
        "sampling_rate": sampling_rate,
    }
    return f"{json.dumps(told, indent=1)}\n"


def _is_preprocessor(path: Path) -> bool:
    """Whether a ``preprocessor_config.json`` is as it was written."""
    found = _json(path)
    text = preprocessor(found.get("sampling_rate", 0), found.get("feature_size", 0))
    return path.read_bytes() == text.encode()


def _why_not_ours(folder: Path) -> str:
    """Why a folder is not one that this project wrote; empty where it is."""
    if folder.is_symlink() or not folder.is_dir():
        return "something else: no folder"
    if not _holds_ours_alone(folder):
        return "something else: a folder with other files"
    if not (folder / CONFIG).is_file():
        return f"something else: no {CONFIG}"
    config = _json(folder / CONFIG)
    noted = config.get("weights")
    if not (isinstance(noted, dict) and WEIGHTS in noted and "versions" in config):
        return f"something else: its {CONFIG} is none of this project's"
    for name, expected in noted.items():
        if name not in _FILES or not (folder / name).is_file():
            return f"something else: {ascii(name)[:80]} is gone"
        if sha256(folder / name) != expected:
            return f"other weights in {name} than were written"
    if (folder / CARD).exists() and not is_sealed(folder / CARD):
        return f"a {CARD} of yours"
    if (folder / PREPROCESSOR).exists() and not _is_preprocessor(folder / PREPROCESSOR):
        return f"a {PREPROCESSOR} of yours"
    return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LIMIT:
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _holds_ours_alone(folder: Path) -> bool:
    """Whether all that lies in a folder has a name that this project gives."""
    return all(
        (each.name in _FILES or _PARTS.fullmatch(each.name))
        and each.is_file()
        and not each.is_symlink()
        for each in folder.iterdir()
    )
