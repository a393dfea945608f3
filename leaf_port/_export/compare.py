"""Is what was exported the model? Their answers, on drawn batches and lengths."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from leaf_port._export import roundings
from leaf_port._export.capture import OFFICIAL_RATE, Subject

ALLOWED = 5.0
"""Units: of normally distributed roundings one in 1.7 million is beyond it."""

# What is off by this many times the allowance is off by any unit that more runs could measure.
_HOPELESS = 10.0
_LOUDNESS = (0.3, 0.03, 0.003)  # of the clips of a batch

Called = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Comparison:
    """The answers to one batch.

    Attributes:
        batch: how many clips.
        samples: of each.
        shape: of the model's answer.
        relative: Frobenius norm of the difference from the eager float32 model over that of its
            answer.
        units: the greatest distance of an element from the eager float64 model, in units of its own
            float32 rounding (``leaf_port/_export/roundings.py``).
        ok: whether that is at most :data:`ALLOWED`.
        message: what is wrong; empty where nothing is.
    """

    batch: int
    samples: int
    shape: tuple[int, ...]
    relative: float
    units: float
    ok: bool
    message: str = ""


def drawn(what: Subject, shortest: int, asked: Sequence[int]) -> list[tuple[int, int]]:
    """Batches and lengths: the shortest clip, a multiple of the hop, others, up to a second.

    Args:
        what: the model.
        shortest: the fewest samples of the graph.
        asked: further lengths.
    """
    choose = random.Random(shortest)  # noqa: S311 - the same ones each time
    second, hop = what.sample_rate or OFFICIAL_RATE, what.hop

    def length(least: float, most: float) -> int:
        hops = choose.randint(math.ceil(least * second / hop), math.ceil(most * second / hop))
        return shortest - shortest % hop + hops * hop + choose.randint(min(1, hop - 1), hop - 1)

    whole = hop * math.ceil((shortest + second // 8) / hop)
    pairs = [
        (1, shortest),
        (3, shortest),
        (1, length(0.01, 0.05)),
        (3, length(0.01, 0.05)),
        (3, whole),
        (1, length(0.2, 0.4)),
        (3, length(0.1, 0.3)),
        (1, length(0.7, 1.0)),
    ]
    return pairs + [(batch, samples) for samples in asked for batch in (1, 3)]


def compare(what: Subject, called: Called, pairs: Sequence[tuple[int, int]]) -> list[Comparison]:
    """Compares what was exported with the model.

    Args:
        what: the model.
        called: what was exported, read again: ``(batch, samples)`` to the output.
        pairs: of :func:`drawn`.
    """
    double = roundings.in_double(what.model)

    def units(clips: Tensor, runs: int) -> tuple[Tensor, Tensor]:
        return roundings.exact_and_units(double, clips, runs)

    return [_one(what, called, units, _clips(*pair)) for pair in pairs]


def _clips(batch: int, samples: int) -> Tensor:
    """Noise, ``(batch, samples)``: one clip louder than the next."""
    generator = torch.Generator().manual_seed(1000 * batch + samples)
    loudness = torch.tensor(_LOUDNESS).repeat(-(-batch // len(_LOUDNESS)))[:batch]
    return torch.randn(batch, samples, generator=generator) * loudness[:, None]


def _one(
    what: Subject,
    called: Called,
    units: Callable[[Tensor, int], tuple[Tensor, Tensor]],
    clips: Tensor,
) -> Comparison:
    with torch.inference_mode():
        eager = what.model(clips)
    told = clips.shape[0], clips.shape[1], tuple(eager.shape)
    try:
        found = called(clips)
    except Exception as error:  # what runs it raises errors of many kinds
        return Comparison(*told, math.inf, math.inf, False, " ".join(str(error).split())[:200])
    wrong = _incomparable(found, eager)
    if wrong:
        return Comparison(*told, math.inf, math.inf, False, wrong)
    relative = float((found - eager).double().norm() / (eager.double().norm() or 1.0))
    worst = _worst(found, *units(clips, roundings.RUNS))
    if ALLOWED < worst < _HOPELESS * ALLOWED:
        worst = _worst(found, *units(clips, roundings.STURDY_RUNS))
    ok = worst <= ALLOWED
    message = "" if ok else f"{worst:.3g} units off the float64 model, {ALLOWED:g} allowed"
    return Comparison(*told, relative, worst, ok, message)


def _incomparable(found: Tensor, eager: Tensor) -> str:
    if found.dtype != eager.dtype:
        return f"{found.dtype} for {eager.dtype}"
    if found.shape != eager.shape:
        return f"shape {tuple(found.shape)} for {tuple(eager.shape)}"
    return "" if bool(found.isfinite().all()) else "NaN or infinity, of a finite clip"


def _worst(found: Tensor, exact: Tensor, unit: Tensor) -> float:
    apart = (found.double() - exact).abs()
    # An element that no rounding changes has a unit of zero, and must be equal.
    each = torch.where(apart == 0.0, 0.0, apart / unit)
    return float(each.max()) if each.numel() else 0.0
