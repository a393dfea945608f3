"""Lengths of clips are told as a list or a tensor, on any device; what are none is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner, told_lengths
from parity.spec import LayerSpec


def told(spec: LayerSpec) -> str:
    """A small case of each choice: the first problem."""
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        assert isinstance(layer, nn.Module)  # noqa: S101
        (given,) = runner.ask(spec, case).inputs.values()
        for problem in _problems(layer, torch.from_numpy(given[[0, 0]])):
            return f"{case.name}: {problem}"
    return ""


@torch.no_grad()
def _problems(layer: nn.Module, pair: Tensor) -> Iterator[str]:
    samples = pair.shape[1]
    shorter = samples - 1 if told_lengths.is_taken(layer, pair, samples - 1) else samples
    lengths = [samples, shorter]
    usual = layer(pair, lengths=lengths)
    for given in (tuple(lengths), torch.tensor(lengths), torch.tensor(lengths, dtype=torch.int32)):
        if not torch.equal(layer(pair, lengths=given), usual):
            yield f"lengths={given!r} give other features than a list of them"
    for wrong in _wrong(samples):
        if problem := _untold(layer, pair, wrong):
            yield f"lengths={wrong!r}: {problem}"
    elsewhere = layer.to("meta")(pair.to("meta"), lengths=lengths)
    if elsewhere.device.type != "meta" or elsewhere.shape != usual.shape:
        yield f"on the meta device the features are {elsewhere}"


def _wrong(samples: int) -> Iterator[Any]:
    """Of two clips."""
    yield [samples]
    yield [samples] * 3
    yield []
    for wrong in (0, -1, samples + 1, samples - 0.5, float(samples), True, None):
        yield [samples, wrong]
        yield [wrong, samples]
    yield torch.tensor([samples, samples + 1])
    yield torch.tensor([float(samples)] * 2)
    yield torch.tensor([[samples, samples]])
    yield torch.tensor(samples)


def _untold(layer: nn.Module, pair: Tensor, wrong: object) -> str:
    """How wrong lengths are not refused, or in words that do not tell what is wrong."""
    try:
        layer(pair, lengths=wrong)
    except LeafError as error:
        if (error.owner, error.argument) != (type(layer).__name__, "lengths"):
            return f"the error is about {error.argument} of {error.owner}"
        expected = f"{len(pair)} whole numbers from 1 to {pair.shape[1]}, one for each row"
        given = wrong.tolist() if isinstance(wrong, Tensor) else wrong
        told = error.expected == expected and error.got == str(given)[:80] and error.fix
        return "" if told else str(error)
    except Exception as error:
        return f"raised {type(error).__name__}, not LeafError: {error}"
    return "accepted"
