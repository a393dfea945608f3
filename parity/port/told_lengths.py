"""Clips of several lengths in a batch, beside each of them alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError


@torch.no_grad()
def unlike_alone(layer: nn.Module, clip: Tensor, rounding: float) -> Iterator[str]:
    """How a clip of several lengths, padded with noise, is answered otherwise than alone."""
    samples = clip.shape[1]
    lengths = {1, samples // 3 + 1, samples - 1, samples} - {0}
    answers = {each: layer(clip[:, :each])[0] for each in lengths if is_taken(layer, clip, each)}
    shorter = {each: answer for each, answer in answers.items() if each < samples - 1}
    for some in (answers, shorter):  # all are padded where the longest is left out
        if not some:
            continue
        together = layer(clip.expand(len(some), *clip.shape[1:]), lengths=list(some))
        if together.shape[1] != max(map(len, some.values())):
            yield f"{together.shape[1]} frames of clips of {list(some)} samples"
        for (length, alone), row in zip(some.items(), together, strict=True):
            frames = len(alone)
            if row[frames:].any():
                yield f"{length} samples: it is not zero behind its {frames} frames"
            off = (row[:frames] - alone).abs().max().item()
            if not off <= rounding * alone.abs().max().item():
                yield f"{length} samples: off by {off:.1e}"
    yield from _other_frames(layer, {each: len(answer) for each, answer in answers.items()})


def _other_frames(layer: nn.Module, known: Mapping[int, int]) -> Iterator[str]:
    """What a layer that tells its frames tells otherwise, in each way to ask it."""
    told: Any = getattr(layer, "frames", None)
    if "lengths" not in (inspect.signature(told).parameters if callable(told) else {}):
        return
    for lengths in (list(known), tuple(known)[:1], []):
        wanted = torch.tensor([known[each] for each in lengths], dtype=torch.int64)
        for given in (lengths, torch.tensor(lengths, dtype=torch.int64), np.array(lengths, int)):
            got = told(given)
            if got.dtype != wanted.dtype or not torch.equal(got, wanted):
                yield f"frames({given!r}) is {got}, not {wanted}"
    for length, frames in known.items():
        if (got := told(length)) != frames:
            yield f"frames({length}) is {got}, not {frames}"


def is_taken(layer: nn.Module, clip: Tensor, length: int) -> bool:
    """Whether the start of a clip is long enough."""
    try:
        layer(clip[:, :length])
    except LeafError:
        return False
    return True
