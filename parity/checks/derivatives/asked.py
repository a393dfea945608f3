"""A case as the derivatives are asked of it: in float64, beside float32, along a direction."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import torch

from parity.checks import gradients
from parity.checks.derivatives import ways
from parity.checks.derivatives.function import Function, Values
from parity.checks.derivatives.rounding import Sum, total
from parity.port import runner
from parity.spec import Array, Case, LayerSpec


@dataclasses.dataclass(frozen=True)
class Found:
    """What a check of a case found.

    Attributes:
        problem: what is off; empty where nothing is.
        told: names of the arrays that were compared by more than rounding.
    """

    problem: str
    told: frozenset[str] = frozenset()


class Asked:
    """A layer's case in an arithmetic.

    Attributes:
        spec: the declaration.
        case: one of its cases.
        arithmetic: of the port's filters, where it has a choice.
        double: the layer as a function in float64.
        single: the same in float32, by which the rounding is known.
    """

    def __init__(self, spec: LayerSpec, case: Case, arithmetic: str | None) -> None:
        self.spec, self.case, self.arithmetic = spec, case, arithmetic
        question = runner.ask(spec, case)
        self.double = Function(spec, question, arithmetic)
        self.single = Function(spec, question, arithmetic, torch.float32)

    @property
    def both(self) -> tuple[Function, Function]:
        """In float64, in float32."""
        return self.double, self.single

    @property
    def name(self) -> str:
        """What tells it from the others of its layer."""
        return f"{self.case.name} {self.arithmetic or ''}".rstrip()

    @functools.cached_property
    def finite(self) -> bool:
        """Whether all of the answer is: some configurations are to give NaN."""
        if not self.double.watched:
            return True
        with torch.no_grad():
            return all(bool(output.isfinite().all()) for output in self.double({}))

    @functools.cached_property
    def slopes(self) -> dict[str, Sum]:
        """By reverse mode, of ``sum v y`` along the first direction, by name."""
        if not self.double.watched:
            return {}
        double, single = ways.reverse(self.double), ways.reverse(self.single)
        drawn = self._drawn(1)
        return {name: total(double[name], single[name], drawn[name]) for name in double}

    @functools.cached_property
    def telling(self) -> list[str]:
        """Names of what moves the answer by more than rounding."""
        return [name for name, slope in self.slopes.items() if slope.tells]

    def direction(self, which: int) -> Values:
        """A random direction of what moves the answer: the rest stays.

        It is in proportion to the values, so that a silent sample stays silent and nothing crosses
        a kink at zero; and along no declared tie.
        """
        drawn = self._drawn(which)
        return {name: drawn[name] for name in self.telling}

    def _drawn(self, which: int) -> Values:
        ties, found = self._ties(), {}
        for index, name in enumerate(self.double.watched):
            value: Array = self.double.values[name].numpy()
            step = gradients.direction(value, self.case.seed + 7919 * (index + 1) + which)
            found[name] = torch.from_numpy(np.where(ties.get(name, False), 0.0, step))
        return found

    def _ties(self) -> dict[str, Array]:
        """The declared ones, in the port's layout."""
        ties = dict(self.spec.exceptions.ties(self.case.config))
        for path, weight in self.spec.weights(self.case.config).items():
            name = f"weight/{path}"
            if name in ties:
                ties[name] = weight.to_port(ties[name])
        return ties
