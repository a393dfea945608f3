"""What is trained: a data set, a variant of Leaf, initial filters, a seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from leaf_port.errors import LeafError

KEYWORDS = "keywords"
"""The data set that is made here; others have the names of their folders."""

EXACT, FROZEN, FASTER = "exact", "frozen", "faster_filters"
SPEECHBRAIN, AUTRAINER, MEL = "speechbrain", "autrainer", "mel_filterbanks"
VARIANTS = {
    EXACT: "the official function",
    FROZEN: "the official function, whose filters and pooling are not trained",
    FASTER: "the official function, whose filters and pooling have ten times the learning rate",
    SPEECHBRAIN: "with SpeechBrain's pooling (a trained bias of 1, symmetric padding), and "
    "constraints in the forward pass alone",
    AUTRAINER: "with the faults of LeafIs in autrainer: symmetric padding, filters whose width "
    "follows the triangles' bases, a smoothing coefficient that is not clipped, and constraints "
    "in the forward pass alone",
    MEL: "log mel filterbanks: nothing is trained but the encoder",
}
USUAL = tuple(name for name in VARIANTS if name != FASTER)
INITIAL = ("mel", "bark", "linear", "constant")
SEEDS = (0, 1, 2)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training."""

    data: str
    variant: str
    initial: str
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.data}-{self.variant}-{self.initial}-{self.seed}"


def chosen(
    data: Sequence[str], variants: Sequence[str], initial: Sequence[str], seeds: Sequence[int]
) -> Iterator[Cell]:
    """All combinations, seed by seed; mel filterbanks have the mel scale alone.

    Args:
        data: names of data sets.
        variants: the usual ones if empty.
        initial: scales of the first filters; all if empty.
        seeds: the usual ones if empty.

    Raises:
        LeafError: an unknown name, or a negative seed.
    """
    for option, given, known in (("variant", variants, VARIANTS), ("initial", initial, INITIAL)):
        for name in given:
            if name not in known:
                expected, fix = f"one of {', '.join(known)}", "give one of them"
                raise LeafError("study", f"--{option}", expected, name, fix)
    for seed in seeds or SEEDS:
        if seed < 0:
            raise LeafError("study", "--seed", "at least 0", seed, "give another one")
        for where in data:
            for variant in variants or USUAL:
                for scale in initial or INITIAL:
                    if variant != MEL or scale == "mel":
                        yield Cell(where, variant, scale, seed)
