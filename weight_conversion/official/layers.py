"""A model's layers as a file lists them, those without weights too.

Every form of a checkpoint is brought to this tree, in the official attributes' names, before
anything is told from it: which class it is (``weight_conversion.official.structure``), and where
its weights are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.object_graph import LISTS, ObjectGraph

MOST = 20_000
MAX_DEPTH = 8

_FUNCTIONS = frozenset(
    {"train_function", "test_function", "predict_function", "call_and_return_conditional_losses"}
    | {"train_tf_function", "test_tf_function", "predict_tf_function", "__call__"}
    | {"call_and_return_all_conditional_losses", "_default_save_signature", "serving_fn"}
    | {"_jit_compiled_convolution_op", "_keep_axis", "_reduce_axis", "_reduce_axis_mask"}
    | {"_broadcast_shape"}
)
KERAS = LISTS | _FUNCTIONS | {"save_counter", "axis", "state_spec", "_updates", "loss_tracker"}
"""Edges that Keras or a checkpoint adds for itself: no layers."""


@dataclass
class Layer:
    """A layer, or a group of them.

    Attributes:
        kind: its class in snake case, ``"conv2d"``; empty where the file does not tell.
        members: layers in it by the official attribute; those of a Sequential are
            ``layer_with_weights-N``, or without weights ``layer-N``.
        arrays: keys of its own variables by name: ``{"kernel": ...}``.
        ordered: whether the members of a Sequential stand in their order.
        scope: the name of its first variable in the program that wrote it; empty where untold.
    """

    kind: str = ""
    members: dict[str, Layer] = field(default_factory=dict)
    arrays: dict[str, str] = field(default_factory=dict)
    ordered: bool = False
    scope: str = ""

    def weights(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Path and key of each variable in it."""
        for name, key in self.arrays.items():
            yield prefix + name, key
        for name, member in self.members.items():
            yield from member.weights(f"{prefix}{name}/")

    @property
    def has_weights(self) -> bool:
        """Whether there is a variable anywhere in it."""
        return next(self.weights(), None) is not None


class GraphLayers:
    """The layers of an object graph.

    Args:
        graph: of a checkpoint.
        kinds: classes by the number of the object; only SavedModels tell them.
        apart: objects that are no layers: optimisers.
    """

    def __init__(self, graph: ObjectGraph, kinds: dict[int, str], apart: frozenset[int]) -> None:
        self._graph, self._kinds, self._apart = graph, kinds, apart
        self._made = 0

    def layer(self, node: int, depth: int = 0, above: frozenset[int] = frozenset()) -> Layer:
        """The layer of an object.

        Raises:
            MalformedError: more objects than any official model has.
        """
        self._made += 1
        if self._made > MOST:
            raise MalformedError(f"at most {MOST} layers", "more")
        made = Layer(self._kinds.get(node, ""), ordered=True)
        above = above | {node}
        for name, child in self._members(node):
            if child in above or depth >= MAX_DEPTH:
                continue
            variable = self._graph.nodes[child].variable
            if variable is None:
                made.members[name] = self.layer(child, depth + 1, above)
            elif variable.key not in made.arrays.values():
                made.arrays[name] = variable.key
                made.scope = made.scope or variable.full_name
        return made

    def _members(self, node: int) -> list[tuple[str, int]]:
        """Its edges; a member of a Sequential, which has two, once, and where it stands."""
        edges = [
            (name, child)
            for name, child in self._graph.nodes[node].children
            if name not in KERAS and child not in self._apart
        ]
        weighted = {child: name for name, child in edges if name.startswith("layer_with_weights-")}
        found = [
            (weighted.get(child, name) if name.startswith("layer-") else name, child)
            for name, child in edges
            if not (name.startswith("layer_with_weights-"))
        ]
        placed = {child for _, child in found}
        found += [(name, child) for child, name in weighted.items() if child not in placed]
        private = [each for each in found if each[0].startswith("_")]
        return [each for each in found if each not in private] + private
