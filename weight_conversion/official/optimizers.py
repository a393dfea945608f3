"""Which optimiser a checkpoint's is, as far as its objects say.

The optimisers of TensorFlow 2.11 and later keep lists of variables, ``_momentums`` and
``_velocities`` in Adam; those before (``tf.keras.optimizers.legacy``) keep slots by reference to
the weights. Several kinds keep what looks like Adam's moments and mean something else, so the lists
and the name that the variables carry must both be of the kind: ``"Adam/m/conv2d/kernel"``. Under a
name of the user's own, lists of Adam's may be AdamW's: then the kind is not told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.object_graph import ObjectGraph

ADAM, ADAMW = "Adam", "AdamW"
CONVERTED = (ADAM, ADAMW)
AMSGRAD = "amsgrad"
AVERAGES = "moving averages of the weights (EMA)"
KINDS = (
    *(ADAM, ADAMW, "Nadam", "Adamax", "Adadelta", "Adagrad", "Adafactor", "Ftrl", "Lion"),
    *("RMSprop", "SGD", "LAMB", "LazyAdam", "NovoGrad", "Yogi"),
)

_NAME = re.compile(r"^(?:cond(?:_\d+)?/)?[^/]+/[mv]/.+$")
_SCALARS = {
    **{"_iterations": "iterations", "iter": "iter", "decay": "decay"},
    **{"_learning_rate": "learning_rate", "learning_rate": "learning_rate"},
    **{"_current_learning_rate": "current_learning_rate"},
    **{"beta_1": "beta_1", "beta_2": "beta_2", "momentum": "momentum", "rho": "rho"},
}
_KEPT = frozenset(
    {"_variables", "_index_dict", "_momentums", "_velocities", "_velocity_hats", "loss_scale"}
    | {"_update_step_xla"}  # a function, in SavedModels
    | {"_model_variables_moving_average", "_optimizer", "base_optimizer", "inner_optimizer"}
    | {*_SCALARS, "epsilon"}
)
_LISTS = {"_variables", "_momentums", "_velocities", "_velocity_hats"}
_OF_OTHERS = {"_u_product": "Nadam", "momentum_cache": "Nadam", "_u": "Adamax"}


@dataclass(frozen=True)
class Optimizer:
    """The optimiser's part.

    Attributes:
        scalars: keys of its numbers by name: ``{"iterations": ..., "learning_rate": ...}``.
        listed: of an optimiser that keeps its slots in a list, their keys in order.
        names: the full names of those, ``"Adam/m/conv2d/kernel"``; empty where the file has none.
        hats: of AMSGrad that keeps a list, the keys of the greatest ``v``, one for each weight.
        referred: of one that keeps them by reference, keys by path of the weight and slot name.
        kind: ``"Adam"``; empty where the file does not tell.
        notes: what it holds that is not converted.
        config: its arguments, where the file tells them.
    """

    scalars: dict[str, str] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    hats: list[str] = field(default_factory=list)
    referred: dict[tuple[str, str], str] = field(default_factory=dict)
    kind: str = ""
    notes: tuple[str, ...] = ()
    config: dict[str, object] = field(default_factory=dict)


def amsgrad(optimizer: Optimizer) -> bool:
    """Whether it is AMSGrad, and keeps what that needs by name."""
    slots = {name for _, name in optimizer.referred}
    return AMSGRAD in optimizer.notes and (bool(optimizer.hats) or "vhat" in slots)


def nodes(graph: ObjectGraph) -> frozenset[int]:
    """The objects that are optimisers, and what they consist of."""
    found = set()
    for number, node in enumerate(graph.nodes):
        edges = {name for name, _ in node.children}
        wrapped = "loss_scale" in edges and not edges.isdisjoint({"_optimizer", "base_optimizer"})
        if node.slots or "_iterations" in edges or {"iter", "learning_rate"} <= edges or wrapped:
            found.add(number)
    return frozenset(found)


def read(graph: ObjectGraph, node: int, paths: Mapping[str, str]) -> Optimizer:
    """An optimiser's object.

    Args:
        graph: of the checkpoint.
        node: of the optimiser.
        paths: official paths of the weights by key.
    """
    edges = dict(graph.nodes[node].children)
    if "_iterations" not in edges and "iter" not in edges:  # one that scales the loss
        inner = edges.get("_optimizer", edges.get("base_optimizer"))
        if inner is not None and inner != node:
            return read(graph, inner, paths)
    scalars = {}
    for edge, name in _SCALARS.items():
        variable = graph.nodes[edges[edge]].variable if edge in edges else None
        if variable is not None:
            scalars[name] = variable.key
    own = graph.nodes[node].slots
    if own or "_iterations" not in edges:
        return _legacy(graph, node, scalars, paths)
    for name in _LISTS & edges.keys():
        _check_list(graph, edges[name], name)
    lists = {name: _variables(graph, child) for name, child in edges.items()}
    first, second = lists.get("_momentums", {}), lists.get("_velocities", {})
    listed = [pair for both in zip(first.items(), second.items(), strict=False) for pair in both]
    names = list(lists.get("_variables", {}).values())
    if len(first) != len(second) or not first:  # another's, or not whole
        listed = [each for each in lists.get("_variables", {}).items() if "/" in each[1]]
    kind = _kind(edges, [name for _, name in listed], names)
    keys, full = [key for key, _ in listed], [name for _, name in listed]
    hats = list(lists.get("_velocity_hats", {}))
    return Optimizer(scalars, keys, full, hats, {}, kind, _notes(edges, lists))


def _check_list(graph: ObjectGraph, node: int, name: str) -> None:
    """A list with a member less would pass for one of fewer trained weights.

    Raises:
        MalformedError: its members are not numbered from 0 without a gap.
    """
    members = {member for member, _ in graph.nodes[node].children}
    odd = members ^ {str(index) for index in range(len(members))}
    if odd:
        expected = f"a list {name} whose members are numbered from 0"
        raise MalformedError(expected, f"the member {min(odd)!r}, there or missing")


def _variables(graph: ObjectGraph, node: int) -> dict[str, str]:
    """Full names by key of a list of variables."""
    children = sorted(
        (int(name), child)
        for name, child in graph.nodes[node].children
        if name.isascii() and name.isdecimal() and len(name) < 10
    )
    found = (graph.nodes[child].variable for _, child in children)
    return {each.key: each.full_name for each in found if each is not None}


def _kind(edges: Mapping[str, int], slots: list[str], names: list[str]) -> str:
    """Of an optimiser that keeps lists."""
    for edge, kind in _OF_OTHERS.items():
        if edge in edges:
            return kind
    told = _told(names)
    parts = [_NAME.search(name) for name in slots]
    if all(parts) and {"_momentums", "_velocities"} <= edges.keys() and not edges.keys() - _KEPT:
        return told if told in CONVERTED else ""
    if told in CONVERTED:  # somebody's name for another kind
        others = sorted(edges.keys() - {"_variables", "_index_dict", "_update_step_xla", *_SCALARS})
        return f"an optimiser that is called {told} and keeps {', '.join(others)}"
    return told or "an unknown optimiser"


def _told(names: list[str]) -> str:
    """The kind whose name is a part of the variables' names; empty for none."""
    known = {kind.lower(): kind for kind in KINDS}
    for name in names:
        for part in name.split("/")[:-1]:
            kind = known.get(re.sub(r"_\d+$", "", part).lower())
            if kind:
                return kind
    return ""


def _notes(edges: Mapping[str, int], lists: Mapping[str, dict[str, str]]) -> tuple[str, ...]:
    told = []
    if lists.get("_velocity_hats"):
        told.append(AMSGRAD)
    if lists.get("_model_variables_moving_average"):
        told.append(AVERAGES)
    if "loss_scale" in edges:
        told.append("the scale of the loss")
    if "_current_learning_rate" in edges:
        told.append("the schedule of the learning rate, of which this is the last value")
    return tuple(told)


def _legacy(
    graph: ObjectGraph, node: int, scalars: dict[str, str], paths: Mapping[str, str]
) -> Optimizer:
    referred = {}
    for slot in graph.nodes[node].slots:
        variable, value = graph.nodes[slot.original].variable, graph.nodes[slot.slot].variable
        if variable is not None and value is not None:
            referred[paths.get(variable.key, variable.key), slot.name] = value.key
    edges = dict(graph.nodes[node].children)
    own = (graph.nodes[child].variable for child in edges.values())
    told = _told([each.full_name for each in own if each is not None])
    slots = {name for _, name in referred}
    kind = next((kind for edge, kind in _OF_OTHERS.items() if edge in edges), "")
    if not kind and {"m", "v"} <= slots <= {"m", "v", "vhat"}:
        kind = told
    elif not kind:
        kind = told if told not in CONVERTED else f"an optimiser with {', '.join(sorted(slots))}"
    notes = (AMSGRAD,) if "vhat" in slots else ()
    return Optimizer(scalars, [], [], [], referred, kind, notes)
