"""Batches of clips of different lengths: each row is what the clip alone gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port.errors import LeafError

Lengths: TypeAlias = "Tensor | Sequence[int]"


def checked(owner: str, lengths: Lengths, inputs: Tensor) -> list[int]:
    """As many whole numbers as ``(batch, samples, 1)`` has rows, from 1 to its samples."""
    given = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
    batch, samples = inputs.shape[:2]
    whole = isinstance(given, list) and all(_is_whole(each) for each in given)
    if not whole or len(given) != batch or not all(1 <= each <= samples for each in given):
        expected = f"{batch} whole numbers from 1 to {samples}, one for each row"
        fix = "give the number of samples of each clip before it was padded"
        raise LeafError(owner, "lengths", expected, str(given)[:80], fix)
    return given


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def by_length(function: Callable[[Tensor], Tensor], inputs: Tensor, lengths: list[int]) -> Tensor:
    """``function`` of all rows of one length at once, padded with zeros to the longest result."""
    if not lengths:
        return function(inputs)
    if len(set(lengths)) == 1:
        return function(inputs[:, : lengths[0]])
    rows: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        rows.setdefault(length, []).append(row)

    def at(places: Sequence[int]) -> Tensor:  # a graph knows how many there are
        return torch.tensor(places, device=inputs.device)

    made = [function(inputs[at(own), :length]) for length, own in rows.items()]
    told = [row for own in rows.values() for row in own]
    order = sorted(range(len(told)), key=told.__getitem__)
    return torch.cat(of_one_length(made))[at(order)]


def of_one_length(made: Sequence[Tensor]) -> list[Tensor]:
    """Batches ``(batch, frames, channels)``, padded with zeros to the frames of the longest."""
    most = max(each.shape[1] for each in made)
    return [F.pad(each, (0, 0, 0, most - each.shape[1])) for each in made]


def inside(lengths: Sequence[int], inputs: Tensor) -> Tensor:
    """Of each row and place of ``(batch, time, ...)`` whether it is below its length."""
    most = torch.tensor(lengths, device=inputs.device).unsqueeze(1)
    mask = torch.arange(inputs.shape[1], device=inputs.device) < most
    return mask.reshape(*mask.shape, *[1] * (inputs.ndim - 2))
