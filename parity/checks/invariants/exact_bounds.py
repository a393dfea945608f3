"""Every operation of a layer is known, and bounds below five units are of exactly rounded ones.

A unit is the rounding of operations, so each must stand in a table of
``parity/checks/operations.py``.

A bound below five units says that both sides do the same correctly rounded operations in the same
order. That holds by IEEE 754 wherever the suite runs, or it does not hold: one processor where a
logarithm of torch and one of NumPy agree is no proof. Which operations a layer calls, torch tells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch

from parity.checks import monte_carlo, operations
from parity.checks.invariants.generic import Usual
from parity.port import runner
from parity.port.dispatch_mode import DispatchMode
from parity.spec import Case, LayerSpec, Question
from parity.spec.budget import NEVER_LOOSE, Budget


class Watch(DispatchMode):
    """Remembers the operations whose last bits depend on the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in monte_carlo.COMPOSITE:
            with self:
                return monte_carlo.COMPOSITE[func](*args, **kwargs or {})
        own = func is torch.ops.aten.sum.default  # of the suite: outputs times cotangents
        if not own and not operations.same_bits(func, args):
            self.seen.add(operations.known(func)[0])
        return func(*args, **kwargs or {})


def _forward(spec: LayerSpec) -> LayerSpec:
    """The same without gradients."""

    def frozen(config: Any) -> Any:
        weights = spec.weights(config)
        return {n: dataclasses.replace(w, differentiable=False) for n, w in weights.items()}

    return dataclasses.replace(spec, differentiable=(), weights=frozen)


def machine_dependent(spec: LayerSpec, question: Question) -> frozenset[str]:
    """The operations of a run of the port whose last bits depend on the machine."""
    watch = Watch()
    first = spec.arithmetics[0] if spec.arithmetics else None
    runner.answer(spec, question, runner.Run(torch.float64, first, lambda: watch))
    return frozenset(watch.seen)


def _narrow(budget: Budget, gradient: bool) -> Iterator[str]:
    names = ("port_gradient", "reference_gradient") if gradient else ("port", "reference", "double")
    for name in names:
        bound = getattr(budget, name)
        if bound.allowed < NEVER_LOOSE and not bound.absent:
            yield f"{name} {bound.allowed:g}"


def declared(spec: LayerSpec, gradient: bool) -> list[str]:
    """The bounds below five units, of outputs or of gradients."""
    budgets = [spec.budget, *([spec.exceptions.adverse] if spec.exceptions.adverse else [])]
    return [text for budget in budgets for text in _narrow(budget, gradient)]


def exact_bounds(spec: LayerSpec, case: Case, asked: Usual) -> str:
    """Whether a layer's operations are known, and as exact as its bounds below five units say."""
    question, _ = asked
    whole = machine_dependent(spec, question)
    for gradient in (False, True):
        narrow = declared(spec, gradient)
        if not narrow:
            continue
        found = whole if gradient else machine_dependent(_forward(spec), question)
        if found:
            return (
                f"{', '.join(narrow)} units are allowed, and it calls {', '.join(sorted(found))}, "
                f"whose last bits depend on the machine: allow {NEVER_LOOSE:g} or more"
            )
    return ""
