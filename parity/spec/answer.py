"""What the port or an oracle computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Kept:
    """The elements of an array that a compact recording holds.

    Attributes:
        shape: of the whole array.
        at: their positions in it, flattened.
    """

    shape: tuple[int, ...]
    at: Array

    def of(self, array: Array) -> Array:
        """These elements; an array of another shape is given back whole, and so differs."""
        return array.reshape(-1)[self.at] if array.shape == self.shape else array


@dataclasses.dataclass
class Answer:
    """What the port or an oracle computed.

    Attributes:
        outputs: in order; complex ones with real and imaginary part along a last axis.
        gradients: by ``input/NAME`` and ``weight/PATH`` (official path and layout).
        initial: initial weights by official path, official layout.
        state: moving statistics after a call in training mode, by official path.
        kept: of an answer that was recorded in part, where its elements stood.
    """

    outputs: list[Array]
    gradients: dict[str, Array] = dataclasses.field(default_factory=dict)
    initial: dict[str, Array] = dataclasses.field(default_factory=dict)
    state: dict[str, Array] = dataclasses.field(default_factory=dict)
    kept: dict[str, Kept] = dataclasses.field(default_factory=dict)

    def arrays(self) -> dict[str, Array]:
        """All arrays under one name each."""
        named = {f"output/{index}": output for index, output in enumerate(self.outputs)}
        for kind in ("gradients", "initial", "state"):
            named |= {f"{kind}/{name}": array for name, array in getattr(self, kind).items()}
        return named

    def pick(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Of other whole arrays, the elements that this answer has."""
        return {
            name: self.kept[name].of(array) if name in self.kept else array
            for name, array in arrays.items()
        }
