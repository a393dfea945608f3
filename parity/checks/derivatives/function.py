"""A layer as a function of its numbers: of inputs, weights and draws, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from parity.port import runner, trace_shapes
from parity.spec import Array, LayerSpec, Question

Values = dict[str, Tensor]


class Function:
    """A case's layer as a function without state.

    Args:
        spec: the declaration.
        question: what is asked.
        arithmetic: of the port's filters, where it has a choice.
        dtype: the precision.

    Attributes:
        values: all numbers of the question by name: ``input/NAME``, ``weight/PATH``,
            ``draw/INDEX``; weights in the port's layout.
        watched: names of those by which it is differentiated.
        state: names of the statistics that a call moves.
    """

    def __init__(
        self,
        spec: LayerSpec,
        question: Question,
        arithmetic: str | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self._spec, self._question, self._dtype = spec, question, dtype
        case = question.case
        layer = runner.build(spec, case, arithmetic)
        if isinstance(layer, nn.Module):
            layer = layer.to(dtype)
        self._called = trace_shapes.Called(spec, layer, len(question.inputs), runner.tensors)
        declared = spec.weights(case.config)
        self._keys = {f"weight/{path}": f"layer.{w.key}" for path, w in declared.items()}
        self.state = [f"weight/{path}" for path in spec.state(case)]
        self.values = self.read(question)
        wanted = [f"input/{name}" for name in spec.differentiable]
        wanted += [f"weight/{path}" for path in spec.differentiable_weights(case.config)]
        self.watched = [
            name for name in wanted if name in self.values and self.values[name].is_floating_point()
        ]

    def read(self, question: Question) -> Values:
        """The numbers of a question about the same configuration."""
        declared = self._spec.weights(question.case.config)
        arrays = {f"input/{name}": value for name, value in question.inputs.items()}
        arrays |= {f"weight/{p}": declared[p].to_port(v) for p, v in question.weights.items()}
        arrays |= {f"draw/{index}": value for index, value in enumerate(question.draws)}
        return {
            name: torch.from_numpy(np.array(value)).to(_dtype_in(value, self._dtype))
            for name, value in arrays.items()
        }

    def answered(self, given: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Outputs and moved statistics; what is not given is the question's own."""
        used = {**self.values, **given}
        # A call in training moves the statistics in place: not those that were given.
        used |= {name: used[name].clone() for name in self.state}
        arrays = [value for name, value in used.items() if name not in self._keys]
        weights = {key: used[name] for name, key in self._keys.items()}
        outputs = functional_call(self._called, weights, tuple(arrays))
        return list(outputs), [used[name] for name in self.state]

    def __call__(self, given: Mapping[str, Tensor]) -> list[Tensor]:
        """The outputs."""
        return self.answered(given)[0]

    def cotangents(self, outputs: Sequence[Tensor]) -> list[Tensor]:
        """A random tensor for each output, always the same."""
        return [
            torch.from_numpy(self._question.cotangent(index, output.shape)).to(output.dtype)
            for index, output in enumerate(outputs)
        ]

    def loss(self, outputs: Sequence[Tensor]) -> Tensor:
        """``sum v y^2 / 2``: by the square what is linear has a second derivative too."""
        terms = [
            (cotangent * output.square()).sum() / 2.0
            for output, cotangent in zip(outputs, self.cotangents(outputs), strict=True)
        ]
        return torch.stack(terms).sum()


def _dtype_in(array: Array, precision: torch.dtype) -> torch.dtype:
    """The dtype an array takes in a computation of ``precision``: integers stay."""
    return precision if np.issubdtype(array.dtype, np.floating) else torch.from_numpy(array).dtype
