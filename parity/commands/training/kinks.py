"""How near a computation comes to a kink: where a rounding error changes the gradient by a leap.

A rectifier whose argument is within rounding of 0 passes a gradient or not by the last bit of it,
and so does a maximum between two nearly equal values. There two right implementations differ by the
whole gradient of an element, which no unit counts. So the margin is measured: the distance of every
comparison from its kink, in units of that distance's own rounding (the root mean square over runs
that are disturbed as ``parity.checks.monte_carlo`` does). What is equal in float64 is no near one:
the same operations have computed it of the same numbers, in either implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from parity.checks import monte_carlo
from parity.checks.compare import Rounded
from parity.spec import Array, LayerSpec, Question

_TINY = 1e-20
_EQUAL = 1e-12  # of the magnitudes: float64 values that no operation tells apart


def _rectified(args: Any) -> Tensor:
    return args[0]


def _compared(args: Any) -> Tensor:
    """Nothing for a threshold that only zero is below: no rounding takes a value there."""
    bound = args[1]
    single = not isinstance(bound, Tensor) or bound.ndim == 0
    if single and 0.0 < abs(float(bound)) < _TINY:
        return args[0].new_zeros(0)
    return args[0] - bound


def _of_windows(args: Any) -> Tensor:
    """Between the greatest and the second of each window laid end to end."""
    x, window = args[0], tuple(args[1])
    flat = x.reshape(-1, 1, *x.shape[-2:])
    return _gap(F.unfold(flat, window, stride=window), 1)


def _of_maximum(args: Any) -> Tensor:
    dims = [dim % args[0].ndim for dim in args[1]]
    others = [dim for dim in range(args[0].ndim) if dim not in dims]
    return _gap(args[0].permute(*others, *dims).flatten(len(others)), -1)


def _gap(x: Tensor, dim: int) -> Tensor:
    if x.shape[dim] < 2:
        return x.new_zeros(0)
    first, second = x.topk(2, dim).values.unbind(dim)
    return first - second


_DISTANCES: dict[str, Callable[[Any], Tensor]] = {
    "relu": _rectified,
    "leaky_relu": _rectified,
    "lt": _compared,
    "le": _compared,
    "gt": _compared,
    "ge": _compared,
    "max_pool2d_with_indices": _of_windows,
    "amax": _of_maximum,
}
# Other operations that have kinks, which no model here calls. (The absolute values that they take
# are of frequencies far from 0, and of what is compared with a threshold next.)
_UNKNOWN = (
    "amin",
    "ceil",
    "clamp",
    "elu",
    "floor",
    "hardtanh",
    "maximum",
    "minimum",
    "round",
    "sort",
)


class _Distances(TorchDispatchMode):
    """Keeps the distance of every comparison from its kink, in the order of the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Array] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name, kwargs = func._schema.name.rpartition("::")[2], kwargs or {}
        if name in _UNKNOWN and args[0].is_floating_point():
            raise NotImplementedError(f"{name} has kinks, whose distance is not measured")
        if name in _DISTANCES and args[0].is_floating_point():
            self.found.append(_DISTANCES[name](args).detach().double().numpy().ravel())
        return func(*args, **kwargs)


def measured(
    spec: LayerSpec, question: Question, arithmetic: str | None, runs: int = monte_carlo.RUNS
) -> tuple[Rounded, float]:
    """The float64 answer with its units, and the smallest distance from a kink in its own units.

    The same disturbed runs give both. The distance is infinite where there is no kink.
    """
    kept: list[list[Array]] = []

    def within() -> _Distances:
        distances = _Distances()
        kept.append(distances.found)
        return distances

    rounded = monte_carlo.units(spec, question, arithmetic, runs, lambda: within())
    exact, *disturbed = kept
    least = np.inf
    for at, each in enumerate(exact):
        unit = np.sqrt(sum((run[at] - each) ** 2 for run in disturbed) / runs)
        size = max(1.0, np.abs(each).max(initial=0.0))
        near = (unit > 0) & (np.abs(each) > _EQUAL * size)
        least = min(least, (np.abs(each[near]) / unit[near]).min(initial=np.inf))
    return rounded, float(least)
