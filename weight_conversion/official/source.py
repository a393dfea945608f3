"""What a checkpoint of the official code holds, whichever form it is of, by official path.

Weights have the path of their variable in the model, ``"_frontend/_pooling/kernel"``; those of an
optimiser are apart, in ``weight_conversion.official.optimizers``' terms. Counters of metrics and of
saves are no part of a model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from weight_conversion.formats.reader import Reader
from weight_conversion.official.candidates import ITSELF
from weight_conversion.official.layers import Layer
from weight_conversion.official.optimizers import Optimizer as Optimizer

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Source:
    """A checkpoint.

    Attributes:
        path: as the user gave it.
        files: what it consists of.
        keys: by official path of each weight.
        names: full names of the weights, by path; empty where the file has none.
        optimizer: None where there is nothing of one.
        reader: of its tensors.
        layers: the model's, with and without weights, by their official names.
        chosen: the object that is the model, by the file's names; ``"."`` for the whole file.
        beside: what else the file holds, in words; it is not converted.
        notes: what to know about the file.
        whole: whether layers without weights inside of others are listed too.
    """

    path: Path
    files: list[Path]
    keys: dict[str, str]
    names: dict[str, str]
    optimizer: Optimizer | None
    reader: Reader
    layers: Layer = field(default_factory=Layer)
    chosen: str = ITSELF
    beside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    whole: bool = True

    def shape(self, path: str) -> tuple[int, ...]:
        """The axes of a weight."""
        return self.reader.shape(self.keys[path])

    def tensor(self, path: str) -> Array:
        """A weight."""
        return self.reader.tensor(self.keys[path])

    def described(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and axes of each weight."""
        return {
            path: (self.reader.dtype(key), self.reader.shape(key))
            for path, key in self.keys.items()
        }
