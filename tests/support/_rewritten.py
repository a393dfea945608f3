"""Recorded checkpoints, rewritten as other files would be: the objects' graph, or Keras' groups."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from _bundle_writer import Bundle, node

from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.formats.tensorflow.object_graph import KEY
from weight_conversion.reference.record import RECORDINGS

Change = Callable[["Graph"], object]


@dataclass
class Object:
    """An object of a graph, to be changed."""

    children: dict[str, int] = field(default_factory=dict)
    variable: tuple[str, str] | None = None
    slots: list[tuple[int, str, int]] = field(default_factory=list)


class Graph:
    """The objects and tensors of a recorded checkpoint.

    Attributes:
        objects: by number.
        tensors: by key.
    """

    def __init__(self, name: str = "leaf") -> None:
        found = Checkpoint(RECORDINGS / name / "checkpoint")
        self.tensors = {key: found.tensor(key) for key in found.keys() if key != KEY}  # noqa: SIM118
        self.objects = [
            Object(
                dict(each.children),
                (each.variable.full_name, each.variable.key) if each.variable else None,
                [(slot.original, slot.name, slot.slot) for slot in each.slots],
            )
            for each in found.object_graph().nodes
        ]

    def at(self, path: str) -> Object:
        """The object at a path."""
        return self.objects[self.number(path)]

    def number(self, path: str) -> int:
        """Its number."""
        at = 0
        for name in filter(None, path.split("/")):
            at = self.objects[at].children[name]
        return at

    def add(self, made: Object | None = None) -> int:
        """A new object's number."""
        self.objects.append(made or Object())
        return len(self.objects) - 1

    def variable(self, value: Any, name: str = "Variable") -> int:
        """A new variable's number."""
        key = f"extra/{len(self.tensors)}/.ATTRIBUTES/VARIABLE_VALUE"
        self.tensors[key] = np.asarray(value)
        return self.add(Object(variable=(name, key)))

    def wrap(self, name: str, **beside: int) -> None:
        """Hangs all of it below a ``tf.train.Checkpoint``, beside other objects."""
        old = self.objects[0]
        number = self.add(old)
        old.children.pop("root", None)
        beside["save_counter"] = self.variable(np.int64(1), "save_counter")
        self.objects[0] = Object({name: number, **beside})

    def copied(self, number: int, done: dict[int, int] | None = None) -> int:
        """A copy of an object and of all below it, with variables of its own."""
        done = {} if done is None else done
        if number in done:
            return done[number]
        old = self.objects[number]
        if old.variable is not None:
            full, key = old.variable
            done[number] = self.variable(self.tensors[key] + 1, full)
            return done[number]
        done[number] = made = self.add()
        children = {n: c for n, c in old.children.items() if c != number and n != "optimizer"}
        self.objects[made].children = {n: self.copied(c, done) for n, c in children.items()}
        return made

    def renamed(self, old: str, new: str) -> None:
        """Other names of variables."""
        for each in self.objects:
            if each.variable is not None:
                each.variable = (each.variable[0].replace(old, new), each.variable[1])

    def write(self, prefix: Path) -> Path:
        """Writes it as a checkpoint."""
        bundle = Bundle()
        for key, value in self.tensors.items():
            bundle.add(key, value)
        bundle.add_graph([node(o.children, o.variable, o.slots) for o in self.objects])
        return bundle.write(prefix)


def graph(prefix: Path, change: Change, name: str = "leaf") -> Path:
    """A checkpoint whose objects were changed."""
    made = Graph(name)
    change(made)
    return made.write(prefix)


def keras(path: Path, change: Callable[[h5py.File], object], name: str = "by_attribute") -> Path:
    """A Keras file that was changed."""
    suffix = ".weights.h5" if name == "by_attribute" else ".h5"
    shutil.copy(RECORDINGS / "leaf" / f"{name}{suffix}", path)
    with h5py.File(path, "a") as file:
        change(file)
    return path
