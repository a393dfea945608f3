"""One configuration of a layer with its seed, and ways to list configurations."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """One configuration with its seed.

    Attributes:
        layer: name of the declaration.
        config: arguments of its builders.
        initial: whether the weights are the initial ones; else they are drawn.
        training: whether the layer runs in training mode.
        signal: what becomes of the input (see :data:`SIGNALS`).
        draw: tells drawn examples of one configuration apart.
    """

    layer: str
    config: Config
    initial: bool = False
    training: bool = False
    signal: str = "plain"
    draw: int = 0

    @property
    def name(self) -> str:
        """What tells the case from others of its layer; a file name and a pytest id."""
        parts = [f"{key}={_short(value)}" for key, value in self.config.items()]
        parts += ["initial"] * self.initial + ["training"] * self.training
        parts += [self.signal] * (self.signal != "plain") + [f"draw={self.draw}"] * bool(self.draw)
        return ",".join(parts) or "default"

    def as_json(self) -> str:
        """Everything about the case, to run it again by."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Case:
        """The inverse of :meth:`as_json`."""
        return cls(**json.loads(text))

    @property
    def seed(self) -> int:
        """Seed of inputs, weights and cotangents, from layer and case alone."""
        digest = hashlib.sha256(f"{self.layer}/{self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "little")


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "x".join(str(item) for item in value)
    return str(value)


def grid(**axes: Sequence[Any]) -> list[dict[str, Any]]:
    """Configurations in which every value of every axis occurs, end points included.

    Not the product: as many as the longest axis has values. Each axis is cycled, shifted by one at
    every lap, so that the same values do not always meet.
    """
    rows = range(max(len(values) for values in axes.values()))
    return [
        {name: values[(row + row // len(values)) % len(values)] for name, values in axes.items()}
        for row in rows
    ]


def product(**axes: Sequence[Any]) -> list[dict[str, Any]]:
    """The product of all axes."""
    names = list(axes)
    return [dict(zip(names, row, strict=True)) for row in itertools.product(*axes.values())]
