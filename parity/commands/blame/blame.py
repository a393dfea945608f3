"""Which operations' rounding makes the port's distance from the exact answer.

The port runs in float32 once more, with one kind of operation at a time computed in float64 and
rounded once. Where that takes the distance away, the rounding inside that operation made it: a
bound's explanation is shown so, not supposed.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from parity.checks import case_checks, compare, ground_truth, monte_carlo
from parity.checks.compare import Rounded
from parity.oracles import exact_answer, recorded
from parity.port import runner
from parity.spec import Case, LayerSpec, Question


def _widened(value: Any) -> Any:
    """float32 tensors as float64, also within lists."""
    if isinstance(value, Tensor):
        return value.to(_WIDER[value.dtype]) if value.dtype in _WIDER else value
    if isinstance(value, (list, tuple)):
        return type(value)(_widened(each) for each in value)
    return value


def _narrowed(value: Any) -> Any:
    """The inverse of :func:`_widened`, for an operation's results."""
    if isinstance(value, Tensor):
        return value.to(_NARROWER[value.dtype]) if value.dtype in _NARROWER else value
    if isinstance(value, (list, tuple)):
        return type(value)(_narrowed(each) for each in value)
    return value


_WIDER = {torch.float32: torch.float64, torch.complex64: torch.complex128}
_NARROWER = {wide: narrow for narrow, wide in _WIDER.items()}


class InDouble(TorchDispatchMode):
    """Computes the operations of some names in float64, and rounds their results once.

    Args:
        names: as in ``torch.ops.aten``. Operations in place are left as they are.

    Attributes:
        met: names of all operations that were called.
    """

    def __init__(self, names: Collection[str]) -> None:
        super().__init__()
        self.met: set[str] = set()
        self._names = names

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name, kwargs = func._schema.name.rpartition("::")[2], kwargs or {}
        self.met.add(name)
        if name not in self._names or name.endswith("_"):
            return func(*args, **kwargs)
        wide = {key: _widened(value) for key, value in kwargs.items()}
        return _narrowed(func(*_widened(args), **wide))


@dataclasses.dataclass(frozen=True)
class Share:
    """What is left of a distance.

    Attributes:
        operation: what was computed in float64; empty for nothing.
        units: the array's greatest distance from the exact answer then, in units.
    """

    operation: str
    units: float


@dataclasses.dataclass(frozen=True)
class Blame:
    """Where an array's distance comes from.

    Attributes:
        array: its name.
        units: its greatest distance from the exact answer, in units.
        shares: what is left with one operation in float64, the least first, where it is less
            than ``TELLING`` of it.
    """

    array: str
    units: float
    shares: Sequence[Share]


TELLING = 0.7


class Experiment:
    """A case, its exact answer and its units.

    Args:
        spec: the declaration.
        case: one of its recorded cases, or any with drawn weights.
        arithmetic: of the port's filters; None for the first declared, or where there is no choice.

    Raises:
        LeafError: the case runs with initial weights, which only a recording tells, and is none.
    """

    def __init__(self, spec: LayerSpec, case: Case, arithmetic: str | None = None) -> None:
        self._spec = spec
        self._arithmetic = arithmetic or case_checks.arithmetics(spec)[0]
        self._question = _pinned(spec, case)
        with np.errstate(all="ignore"):
            doubled = monte_carlo.units(
                spec, self._question, case_checks.arithmetics(spec)[0], monte_carlo.STURDY_RUNS
            )
            self._rounded: Rounded = ground_truth.of(spec, self._question, doubled)

    def distances(self, names: Collection[str] = ()) -> tuple[dict[str, float], set[str]]:
        """Each array's greatest distance in units, with the named operations in float64; and the
        names of all operations.
        """
        mode = InDouble(names)

        @contextlib.contextmanager
        def watched() -> Iterator[None]:
            with mode:
                yield

        run = runner.Run(arithmetic=self._arithmetic, noise=watched)
        arrays = runner.answer(self._spec, self._question, run).arrays()
        return {name: self._units(name, array) for name, array in arrays.items()}, mode.met

    def _units(self, name: str, array: Any) -> float:
        exact = self._rounded.exact.get(name)
        if exact is None or name.startswith("initial/"):
            return 0.0
        return compare.farthest(array, exact, self._rounded.units[name])

    def blame(self, arrays: int = 3) -> list[Blame]:
        """The arrays that are farthest from exact, and the operations that make them so."""
        before, met = self.distances()
        worst = sorted(before, key=lambda name: -before[name])[:arrays]
        after = {name: self.distances([name])[0] for name in sorted(met)}
        return [
            Blame(array, before[array], _telling(array, before[array], after)) for array in worst
        ]


def _pinned(spec: LayerSpec, case: Case) -> Question:
    """The question of a case, its initial weights those that were recorded."""
    question = runner.ask(spec, case)
    if not case.initial:
        return question
    return exact_answer.pinned(question, recorded.load(spec).answer(spec, question))


def _telling(array: str, units: float, after: dict[str, dict[str, float]]) -> list[Share]:
    shares = [Share(operation, left[array]) for operation, left in after.items()]
    telling = [share for share in shares if share.units < TELLING * units]
    return sorted(telling, key=lambda share: share.units)
