"""Which part of a corpus is this process's: ``--shard I/N``, or RANK and WORLD_SIZE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from leaf_port._cli.refusal import refusal

_VARIABLES = ("RANK", "WORLD_SIZE")


@dataclass(frozen=True)
class Shard:
    """Part ``index`` of ``count``.

    Attributes:
        index: from 0.
        count: of all parts.
        told_by: what says so, where no option does.
    """

    index: int = 0
    count: int = 1
    told_by: str = ""

    def takes(self, number: int) -> bool:
        """Whether a thing of this number is in it: ``number mod count == index``."""
        return number % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def shard_of(option: str | None, environment: Mapping[str, str]) -> Shard:
    """From the option; else from the variables that torchrun sets.

    Raises:
        LeafError: not two whole numbers ``0 <= I < N``, or one variable without the other.
    """
    if option is not None:
        form = "I/N with 0 <= I < N, as 0/4"
        return _checked("--shard", form, option, re.fullmatch(r"(\d+)/(\d+)", option))
    given = {name: environment[name] for name in _VARIABLES if name in environment}
    if not given:
        return Shard()
    got = ", ".join(f"{name}={value}" for name, value in given.items())
    if len(given) < len(_VARIABLES):
        fix = "set both (torchrun does), or neither, or give --shard I/N"
        raise refusal(" and ".join(_VARIABLES), "both", f"{got} alone", fix)
    form = "0 <= RANK < WORLD_SIZE"
    told = re.fullmatch(r"(\d+)/(\d+)", "/".join(given.values()))
    return _checked("RANK and WORLD_SIZE", form, got, told, "RANK and WORLD_SIZE")


def _checked(
    argument: str, expected: str, got: str, told: re.Match[str] | None, told_by: str = ""
) -> Shard:
    if told is None or int(told[1]) >= int(told[2]):
        fix = "parts are counted from 0: the last of 4 is 3/4"
        raise refusal(argument, expected, got, fix)
    return Shard(int(told[1]), int(told[2]), told_by)
