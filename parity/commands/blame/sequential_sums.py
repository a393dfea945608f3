"""What statistics that are added up one value after the other in float32 do to an answer.

TensorFlow's fused batch normalisation computes means and variances so, on the CPU. The port runs in
float64 but for these sums: where its distance from the exact answer is then the official one's,
they make it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from parity.checks import case_checks, compare, ground_truth, monte_carlo
from parity.checks.compare import Rounded
from parity.oracles import exact_answer, recorded
from parity.port import runner
from parity.spec import Answer, Case, LayerSpec


def _sum(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The sum over some axes, in their order, every partial sum rounded; the axes stay."""
    axes = [axis % x.ndim for axis in axes]
    terms = x.float().numpy().transpose(*axes, *(a for a in range(x.ndim) if a not in axes))
    total = np.zeros(terms.shape[len(axes) :], np.float32)
    for term in terms.reshape(-1, *total.shape):
        total = total + term
    kept = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return torch.from_numpy(total).to(x.dtype).reshape(kept)


def _reduced(x: Tensor, axes: Sequence[int], keepdim: bool) -> Tensor:
    return x if keepdim else x.squeeze([axis % x.ndim for axis in axes])


class SerialStatistics(TorchDispatchMode):
    """Adds up the sums, means and variances of a map in float32, one value after the other."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name, kwargs = func._schema.name.rpartition("::")[2], kwargs or {}
        if name not in ("sum", "mean", "var_mean") or len(args) < 2 or len(args[1] or ()) < 2:
            return func(*args, **kwargs)
        x, axes = args[:2]
        if not x.is_floating_point():  # how many are the greatest, say: no sum of values
            return func(*args, **kwargs)
        keepdim = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
        count = math.prod(x.shape[axis] for axis in axes)
        if name == "sum":
            return _reduced(_sum(x, axes), axes, keepdim)
        mean = (_sum(x, axes) / count).float().to(x.dtype)
        if name == "mean":
            return _reduced(mean, axes, keepdim)
        variance = _sum((x - mean).float().to(x.dtype).square(), axes) / count
        return _reduced(variance, axes, keepdim), _reduced(mean, axes, keepdim)


@dataclasses.dataclass(frozen=True)
class Likeness:
    """An array's greatest distances from the exact answer, in units.

    Attributes:
        array: its name.
        official: of the official answer.
        serial: of the port in float64 with such statistics.
    """

    array: str
    official: float
    serial: float


def likeness(spec: LayerSpec, case: Case) -> list[Likeness]:
    """Of every array of a recorded case, the official distance greatest first."""
    question = runner.ask(spec, case)
    official = recorded.load(spec).answer(spec, question)
    pinned = exact_answer.pinned(question, official)
    arithmetic = case_checks.arithmetics(spec)[0]
    with np.errstate(all="ignore"):
        doubled = monte_carlo.units(spec, pinned, arithmetic, monte_carlo.STURDY_RUNS)
        rounded = ground_truth.of(spec, pinned, doubled).of_official
        made = runner.answer(spec, pinned, runner.Run(torch.float64, arithmetic, SerialStatistics))
    theirs, serial = (_distances(each, official, rounded) for each in (official, made))
    found = [Likeness(name, theirs[name], serial[name]) for name in theirs]
    return sorted(found, key=lambda each: -each.official)


def _distances(answer: Answer, picked: Answer, rounded: Rounded) -> dict[str, float]:
    """Over the elements that a recording holds."""
    arrays, exact, units = (
        picked.pick(each) for each in (answer.arrays(), rounded.exact, rounded.units)
    )
    names = [name for name in arrays if name in exact and not name.startswith("initial/")]
    return {name: compare.farthest(arrays[name], exact[name], units[name]) for name in names}
