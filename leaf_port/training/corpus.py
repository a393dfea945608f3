"""What a data set is: its labels, and the files of each split with theirs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True)
class Item:
    """A recording.

    Attributes:
        file: below the data set's folder, with ``/``.
        labels: indices of its labels; exactly one, unless the data set has several a clip.
    """

    file: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Corpus:
    """A data set.

    Attributes:
        folder: of its files.
        labels: their names, in the order of the model's outputs.
        splits: ``"train"``, ``"validation"`` and, where there is one, ``"test"``.
        several: whether a clip has several labels (AudioSet).
        notes: what a reader should know, in words, such as files that are missing.
    """

    folder: Path
    labels: tuple[str, ...]
    splits: Mapping[str, Sequence[Item]]
    several: bool = False
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """SHA-256 of labels and splits, by which a resumed run knows its data set again."""
        found = hashlib.sha256(repr((self.labels, self.several)).encode())
        for name in SPLITS:
            for item in self.splits.get(name, ()):
                found.update(f"{name}\0{item.file}\0{item.labels}\n".encode())
        return found.hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        splits = {
            name: [[item.file, list(item.labels)] for item in items]
            for name, items in self.splits.items()
        }
        return {"labels": list(self.labels), "several": self.several, "splits": splits}

    def without(self, files: frozenset[str]) -> Corpus:
        """Itself, but for some files."""
        splits = {
            name: [item for item in items if item.file not in files]
            for name, items in self.splits.items()
        }
        return Corpus(self.folder, self.labels, splits, self.several, self.notes)

    def check(self) -> None:
        """Refuses a data set that cannot be trained on.

        Raises:
            LeafError: an empty split, fewer than two labels, or a label without a clip to train on.
        """
        for name in (TRAIN, VALIDATION):
            if not self.splits.get(name):
                fix = "check the lists of files beside the folders"
                raise LeafError("train", str(self.folder), f"clips for {name}", "none", fix)
        if len(self.labels) < 2:
            fix = "give the folder that holds one folder for each label"
            raise LeafError("train", str(self.folder), "two labels or more", len(self.labels), fix)
        count = Counter(label for item in self.splits[TRAIN] for label in item.labels)
        missing = [name for i, name in enumerate(self.labels) if not count[i]]
        if missing and not self.several:
            expected, got = "clips to train on for each label", f"none for {', '.join(missing[:5])}"
            fix = "add recordings, remove the label's folder, or move some out of the other lists"
            raise LeafError("train", str(self.folder), expected, got, fix)
