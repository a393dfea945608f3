"""Object graphs and tensors in memory, for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weight_conversion.formats.tensorflow.object_graph import (
    VALUE,
    Attribute,
    Node,
    ObjectGraph,
    SlotReference,
)

Named = Mapping[str, Any]
Shape = tuple[int, ...]


class Objects:
    """A graph in the making: a text is a variable of that name, a mapping is an object."""

    def __init__(self, root: Named, slots: Sequence[tuple[str, str, str]] = ()) -> None:
        self._nodes: list[Node] = []
        self._variables: dict[str, int] = {}
        self._add(root)
        made = tuple(SlotReference(self._variable(v), n, self._variable(s)) for v, n, s in slots)
        root_node = self._nodes[0]
        self._nodes[0] = Node(root_node.children, root_node.attributes, made)
        self.graph = ObjectGraph(tuple(self._nodes), 10_000)

    def _add(self, value: Any) -> int:
        if isinstance(value, str):
            return self._variable(value)
        number = len(self._nodes)
        self._nodes.append(Node((), (), ()))
        children = tuple((name, self._add(each)) for name, each in value.items())
        self._nodes[number] = Node(children, (), ())
        return number

    def _variable(self, name: str) -> int:
        if name not in self._variables:
            self._variables[name] = len(self._nodes)
            attribute = Attribute(VALUE, name, f"key of {name}")
            self._nodes.append(Node((), (attribute,), ()))
        return self._variables[name]


class Tensors:
    """A reader of tensors in memory."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.arrays = {
            key: np.full(shape, i, np.float32) for i, (key, shape) in enumerate(shapes.items())
        }

    def keys(self) -> list[str]:
        return list(self.arrays)

    def shape(self, key: str) -> Shape:
        return self.arrays[key].shape

    def dtype(self, key: str) -> str:
        return str(self.arrays[key].dtype)

    def tensor(self, key: str) -> Any:
        return self.arrays[key]
