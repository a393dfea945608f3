"""The recorded checkpoints without their encoder: a third as many variables, all else as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
from _rewritten import Graph

_ENCODER, _HEAD = "_encoder/", "_head/kernel/"
LEFT_OUT = ("_encoder", "metrics")
_LISTS = ("_variables", "_momentums", "_velocities")

Arrays = dict[str, np.ndarray[Any, Any]]


def graph(name: str) -> Graph:
    """A recorded checkpoint's objects and tensors, without the encoder and its moments."""
    made = Graph(name)
    own = {each.variable for each in made.objects if each.variable is not None}
    full = {name for name, key in own if key.startswith(_ENCODER)}
    made.objects[0].children.pop("_encoder")
    optimizer = made.at("optimizer")
    for each in _LISTS:
        if each in optimizer.children:
            _without(made, made.objects[optimizer.children[each]].children, full)
    optimizer.slots = [each for each in optimizer.slots if not _encodes(made, each[0])]
    _kept(made)
    whole = made.tensors[f"{_HEAD}.ATTRIBUTES/VARIABLE_VALUE"].shape
    for key, value in made.tensors.items():
        if value.shape == whole:
            made.tensors[key] = value[:1]  # the maximum over all filters is one number
    return made


def _encodes(made: Graph, number: int) -> bool:
    variable = made.objects[number].variable
    return variable is not None and variable[1].startswith(_ENCODER)


def _without(made: Graph, members: dict[str, int], full: set[str]) -> None:
    """Takes moments out of a list, and numbers the others anew."""
    kept = []
    for name in sorted(members, key=int):
        variable = made.objects[members[name]].variable
        if variable is None or variable[0].split("/", 2)[-1] not in full:
            kept.append(members[name])
    members.clear()
    members.update((str(number), each) for number, each in enumerate(kept))


def _kept(made: Graph) -> None:
    """Drops objects and tensors that nothing leads to any more."""
    seen, stack = {0: 0}, [0]
    while stack:
        each = made.objects[stack.pop()]
        slots = [number for original, _, slot in each.slots for number in (original, slot)]
        for number in [*each.children.values(), *slots]:
            if number not in seen:
                seen[number] = len(seen)
                stack.append(number)
    made.objects = [made.objects[number] for number in seen]
    for each in made.objects:
        each.children = {name: seen[number] for name, number in each.children.items()}
        each.slots = [(seen[original], name, seen[slot]) for original, name, slot in each.slots]
    keys = {each.variable[1] for each in made.objects if each.variable is not None}
    made.tensors = {key: value for key, value in made.tensors.items() if key in keys}


def keras(arrays: Arrays, by_layer: bool, optimizer: bool = True) -> Arrays:
    """The same of what is in a Keras file; without all of the optimiser where it shall be."""
    if by_layer:
        made = {key: value for key, value in arrays.items() if not key.startswith("conv_net/")}
        head = [key for key in made if key.startswith("dense/") and "/kernel" in key]
    else:
        made = {key: value for key, value in arrays.items() if _stays(key)}
        head = ["_head/vars/0"]
        if not optimizer:
            made = {key: value for key, value in made.items() if not key.startswith(_VARS)}
        numbers = sorted(int(key.rpartition("/")[2]) for key in made if key.startswith(_VARS))
        old = {number: made.pop(f"{_VARS}{number}") for number in numbers}
        made |= {f"{_VARS}{number}": value for number, value in enumerate(old.values())}
        head = [key for key, value in made.items() if value.shape == made[head[0]].shape]
    return made | {key: made[key][:1] for key in head}


_VARS = "optimizer/vars/"
_OF_ENCODER = range(13, 45)


def _stays(key: str) -> bool:
    moment = key.startswith(_VARS) and int(key.rpartition("/")[2]) in _OF_ENCODER
    return not moment and not key.startswith(LEFT_OUT)
