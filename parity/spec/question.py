"""The numbers of a case: what port and oracles are given."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np

from parity.spec.answer import Answer, Array
from parity.spec.case import Case, Config
from parity.spec.random_arrays import Source


@dataclasses.dataclass(frozen=True)
class Given:
    """What the exact oracle is given: a case's numbers, the floats in float64.

    Attributes:
        config: of the case.
        inputs: by name, in order.
        weights: by official path, in the official layout; always all of them.
        draws: for the official random functions.
        training: whether the layer runs in training mode.
    """

    config: Config
    inputs: Mapping[str, Array]
    weights: Mapping[str, Array]
    draws: Sequence[Array]
    training: bool


def exactly(*outputs: Array | float, state: Mapping[str, Array] | None = None) -> Answer:
    """An exact answer; complex outputs get a last axis of real and imaginary part."""
    arrays = [np.asarray(output) for output in outputs]
    split = [np.stack([a.real, a.imag], axis=-1) if np.iscomplexobj(a) else a for a in arrays]
    return Answer(split, state=dict(state or {}))


@dataclasses.dataclass(frozen=True)
class Question:
    """A case with its numbers: what the port and every oracle are asked.

    Attributes:
        case: the case.
        inputs: by name, in order.
        weights: by official path, in the official layout; empty for the initial ones.
        draws: for the official random functions.
        seed: of the cotangents, whose shapes only the answer knows.
    """

    case: Case
    inputs: dict[str, Array]
    weights: dict[str, Array]
    draws: list[Array]

    def cotangent(self, index: int, shape: Sequence[int]) -> Array:
        """What output ``index`` is multiplied with before the gradient of the sum is taken."""
        return Source(self.case.seed + 1 + index).uniform(shape, -1.0, 1.0)

    def digest(self) -> str:
        """SHA-256 of everything in here."""
        arrays = {**self.inputs, **{f"weight/{name}": w for name, w in self.weights.items()}}
        arrays |= {f"draw/{index}": draw for index, draw in enumerate(self.draws)}
        return digest(arrays)


def digest(arrays: Mapping[str, Array]) -> str:
    """SHA-256 of named arrays: names, dtypes, shapes, little-endian bytes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        head = json.dumps([name, array.dtype.str, list(array.shape)])
        total.update(head.encode() + array.tobytes())
    return total.hexdigest()
