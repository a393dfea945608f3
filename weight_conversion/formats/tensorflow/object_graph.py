"""Which object of a model each key of a checkpoint belongs to.

An object checkpoint holds, under the key ``_CHECKPOINTABLE_OBJECT_GRAPH``, a TrackableObjectGraph
(tensorflow/core/protobuf/trackable_object_graph.proto): the objects as nodes, their attributes'
names as edges, and for each variable its key. Keys are named after the shortest path of edges, so
those of a SavedModel read ``variables/7/...``; the graph knows the other names of the same node.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.protobuf_wire import (
    BYTES,
    VARINT,
    Schema,
    message,
    number,
    parts,
    text,
)

KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
VALUE = "VARIABLE_VALUE"

LISTS = frozenset(
    {"variables", "trainable_variables", "non_trainable_variables", "regularization_losses"}
    | {"keras_api", "signatures", "layers", "layer_metrics", "metrics"}
)
"""Edges that Keras adds for itself; a path without them is preferred."""

_AMPLIFICATION = 64

_GRAPH: Schema = {1: ("nodes", BYTES)}
_NODE: Schema = {1: ("children", BYTES), 2: ("attributes", BYTES), 3: ("slots", BYTES)}
_CHILD: Schema = {1: ("node_id", VARINT), 2: ("local_name", BYTES)}
_ATTRIBUTE: Schema = {1: ("name", BYTES), 2: ("full_name", BYTES), 3: ("checkpoint_key", BYTES)}
_SLOT: Schema = {1: ("original", VARINT), 2: ("slot_name", BYTES), 3: ("slot", VARINT)}


@dataclass(frozen=True, slots=True)
class Attribute:
    """A value of an object.

    Attributes:
        name: ``"VARIABLE_VALUE"`` for variables.
        full_name: the variable's own name: ``"conv2d/kernel"``, ``"Adam/m/conv2d/kernel"``.
        key: its key in the checkpoint.
    """

    name: str
    full_name: str
    key: str


@dataclass(frozen=True, slots=True)
class SlotReference:
    """An optimiser's slot: node of the variable, name (``"m"``), node of the slot variable."""

    original: int
    name: str
    slot: int


@dataclass(frozen=True, slots=True)
class Node:
    """An object: its children by name, its values, and, of an optimiser, its slots."""

    children: tuple[tuple[str, int], ...]
    attributes: tuple[Attribute, ...]
    slots: tuple[SlotReference, ...]

    @property
    def variable(self) -> Attribute | None:
        """Its value, where it is a variable."""
        return next((found for found in self.attributes if found.name == VALUE), None)


@dataclass(frozen=True, slots=True)
class ObjectGraph:
    """The objects of a checkpoint; the first node is the model, or what held it.

    Attributes:
        nodes: all of them.
        size: bytes of the message.
    """

    nodes: tuple[Node, ...]
    size: int

    def child(self, path: str) -> Node | None:
        """The node at a path of names, ``"_frontend/_pooling/kernel"``; None if there is none."""
        at = self.at(path)
        return None if at is None else self.nodes[at]

    def at(self, path: str) -> int | None:
        """The number of the object at a path of names; the first for ``""``, None for none."""
        at = 0
        for name in filter(None, path.split("/")):
            found = next((n for edge, n in self.nodes[at].children if edge == name), None)
            if found is None:
                return None
            at = found
        return at

    def variables(self) -> dict[str, Attribute]:
        """The variables by the shortest path to each, preferably one without :data:`LISTS`.

        ``"_frontend/_complex_conv/kernel"`` in checkpoints and in SavedModels alike. Slots that an
        optimiser keeps by reference alone are in :meth:`slots`.

        Raises:
            MalformedError: paths that would take more than 64 times the graph's own size.
        """
        paths = self.paths()
        found = ((path, self.nodes[node].variable) for node, path in paths.items())
        return {path: variable for path, variable in found if variable is not None}

    def slots(self) -> list[tuple[Attribute, str, Attribute]]:
        """Variable, slot name and slot variable, of optimisers that keep slots by reference.

        The Keras optimiser of TensorFlow up to 2.10 (``tf.keras.optimizers.legacy``) does; those
        of later ones keep lists, ``optimizer/_momentums/0``.
        """
        made = []
        for node in self.nodes:
            for slot in node.slots:
                variable = self.nodes[slot.original].variable
                value = self.nodes[slot.slot].variable
                if variable is not None and value is not None:
                    made.append((variable, slot.name, value))
        return made

    def paths(self) -> dict[int, str]:
        """A path to each node: breadth first, edges of :data:`LISTS` when no other is left.

        Raises:
            MalformedError: as :meth:`variables`.
        """
        paths, left = {0: ""}, _AMPLIFICATION * self.size
        visible, hidden = deque([0]), deque[tuple[str, int]]()
        while visible or hidden:
            if not visible:
                path, node = hidden.popleft()
                if node not in paths:
                    paths[node] = path
                    visible.append(node)
                continue
            parent = visible.popleft()
            for name, node in self.nodes[parent].children:
                if node in paths:
                    continue
                path = f"{paths[parent]}/{name}" if paths[parent] else name
                left -= len(path)
                if left < 0:
                    expected = f"paths of at most {_AMPLIFICATION} times the object graph's size"
                    raise MalformedError(expected, "more")
                if name in LISTS:
                    hidden.append((path, node))
                else:
                    paths[node] = path
                    visible.append(node)
        return paths


def parse(data: bytes) -> ObjectGraph:
    """A TrackableObjectGraph.

    Raises:
        MalformedError: not one, or a reference to a node that is not there.
    """
    nodes = tuple(_node(part) for part in parts(message(data, _GRAPH), "nodes"))
    if not nodes:
        raise MalformedError("at least one object", "none")
    for node in nodes:
        ids = [child for _, child in node.children]
        ids += [each for slot in node.slots for each in (slot.original, slot.slot)]
        for each in ids:
            if not 0 <= each < len(nodes):
                raise MalformedError(f"an object's number below {len(nodes)}", each)
    return ObjectGraph(nodes, len(data))


def _node(data: bytes) -> Node:
    found = message(data, _NODE)
    children = (message(part, _CHILD) for part in parts(found, "children"))
    attributes = (message(part, _ATTRIBUTE) for part in parts(found, "attributes"))
    slots = (message(part, _SLOT) for part in parts(found, "slots"))
    return Node(
        tuple((text(child, "local_name"), number(child, "node_id")) for child in children),
        tuple(
            Attribute(text(each, "name"), text(each, "full_name"), text(each, "checkpoint_key"))
            for each in attributes
        ),
        tuple(
            SlotReference(number(each, "original"), text(each, "slot_name"), number(each, "slot"))
            for each in slots
        ),
    )
