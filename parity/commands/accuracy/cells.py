"""What is trained: a side, a frontend, a seed; and the settings that all of them share."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from leaf_port import _checks
from leaf_port.errors import LeafError
from leaf_port.training.corpus import Corpus
from leaf_port.training.recipe import FILTERS, Recipe

OFFICIAL, PORT = "official", "port"
SIDES = (OFFICIAL, PORT)
FRONTENDS = ("leaf", "mel", "sincnet_plus", "tfbanks")
SEEDS = (0, 1, 2)
FILTERS_RATE = 16000
"""Hz. The official configurations take samples of any rate as samples of this one."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training."""

    side: str
    frontend: str
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.side}-{self.frontend}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of all cells; the defaults are the official recipe.

    Attributes:
        recordings_rate: sample rate of the recordings, in Hz.
        seq_len: length of an example, in samples.
        epochs: how often each clip is trained on.
        batch_size: clips of a step.
        learning_rate: Adam's.
        filters: channels of ConvNet's blocks.
        dropout: of each block.
    """

    recordings_rate: int
    seq_len: int
    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 1e-4
    filters: tuple[int, ...] = FILTERS
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("seq_len", "epochs", "batch_size"):
            _checks.at_least("accuracy", name, getattr(self, name))
        _checks.positive("accuracy", "learning_rate", self.learning_rate)

    def recipe(self, cell: Cell) -> Recipe:
        """The port's, whose filters are those of 16 kHz, as the official ones are."""
        return Recipe(
            config=cell.frontend,
            encoder="convnet",
            filters=self.filters,
            dropout=self.dropout,
            sample_rate=FILTERS_RATE,
            seq_len=self.seq_len,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=cell.seed,
        )

    def as_dict(self, corpus: Corpus) -> dict[str, Any]:
        """For JSON, with the data set."""
        return {
            **dataclasses.asdict(self),
            "filters": list(self.filters),
            "filters_rate": FILTERS_RATE,
            "labels": list(corpus.labels),
            "clips": {split: len(items) for split, items in corpus.splits.items()},
            "data": corpus.digest(),
            "notes": list(corpus.notes),
        }


def channels(text: str | None) -> tuple[int, ...]:
    """ConvNet's, from integers between commas; the official ones by default.

    Raises:
        LeafError: something else is there.
    """
    if text is None:
        return FILTERS
    try:
        found = tuple(int(each) for each in text.split(","))
    except ValueError as error:
        expected, fix = "integers, such as 64,128", "mend it"
        raise LeafError("accuracy", "--filters", expected, text, fix) from error
    for each in found:
        _checks.at_least("accuracy", "--filters", each)
    return found


def chosen(sides: Sequence[str], frontends: Sequence[str], seeds: Sequence[int]) -> Iterator[Cell]:
    """All combinations; seed by seed, so that a part of them is a whole table of fewer seeds.

    Raises:
        LeafError: an unknown name, or a negative seed.
    """
    for option, given, known in (("side", sides, SIDES), ("frontend", frontends, FRONTENDS)):
        for name in given:
            if name not in known:
                expected, fix = f"one of {', '.join(known)}", "give one of them"
                raise LeafError("accuracy", f"--{option}", expected, name, fix)
    for seed in seeds or SEEDS:
        _checks.at_least("accuracy", "--seed", seed, 0)
        for frontend in frontends or FRONTENDS:
            for side in sides or SIDES:
                yield Cell(side, frontend, seed)
