"""What is captured of a case: a module of tensors alone, and the shapes that it is traced with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from parity.spec import LayerSpec, Question

# By how much the traced sizes are larger than the case's. No size is traced at 0 or 1, which
# torch.export takes for constants, and no two axes that differ become equal.
LONGER: Mapping[str, int] = {"batch": 3, "time": 1037}
AXES = tuple(LONGER)


class Called(nn.Module):
    """A layer called as its declaration says: real tensors go in and come out, nothing else.

    Args:
        spec: the declaration.
        layer: what it built.
        inputs: how many of the tensors are inputs; the others are the draws.
        split: makes real tensors of a result.
    """

    def __init__(
        self,
        spec: LayerSpec,
        layer: Callable[..., Any],
        inputs: int,
        split: Callable[[Any], list[Tensor]],
    ) -> None:
        super().__init__()
        self.layer = layer
        self._spec, self._inputs, self._split = spec, inputs, split
        if isinstance(layer, nn.Module):
            self.train(layer.training)

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """Inputs, then draws, to outputs."""
        inputs, draws = arrays[: self._inputs], list(arrays[self._inputs :])
        extra = (draws,) if self._spec.draws else ()
        return tuple(self._split(self._spec.call(self.layer, *inputs, *extra)))


def _axes(spec: LayerSpec, question: Question) -> list[Sequence[str]]:
    """The names of the leading axes of each tensor."""
    declared = spec.sampling.axes(question.case.config)
    drawn = [declared.get("draws", ())] * len(question.draws)
    return [*(declared.get(name, ()) for name in question.inputs), *drawn]


def longer(
    spec: LayerSpec, question: Question, arrays: Sequence[Tensor], free: Sequence[str]
) -> list[Tensor]:
    """Tensors of the shapes that an export is traced with.

    Args:
        spec: the declaration, which names the axes.
        question: the case.
        arrays: its inputs and draws.
        free: the axes whose size may vary: those are longer, the others as in the case.
    """
    made = []
    for array, names in zip(arrays, _axes(spec, question), strict=True):
        value = array.detach()
        for axis, name in enumerate(names):
            if name in free:
                more = torch.arange(value.shape[axis] + LONGER[name]) % max(value.shape[axis], 1)
                value = value.index_select(axis, more)
        made.append(value.clone())
    return made
