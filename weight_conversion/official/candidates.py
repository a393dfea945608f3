"""Which objects of a file are official models, and which of them is meant.

A file may hold a step, an optimiser, a second network beside the model, or a frontend in somebody's
own model. One official model is taken where nothing else in the file could be meant; what is beside
it is told. Where there are several, or where the one is a part of another model, it is chosen by
name: ``--object NAME``. Nothing is chosen silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaf_port.errors import LeafError
from weight_conversion.formats.malformed import MalformedError, shown
from weight_conversion.formats.tensorflow.object_graph import LISTS, ObjectGraph
from weight_conversion.official import keras_paths, structure
from weight_conversion.official.layers import KERAS, MAX_DEPTH, GraphLayers, Layer

ITSELF = "."
"""How the file's own root is named."""

_MOST = 64
_SHOWN = 5
_INSPECT = "see what is in it: python -m weight_conversion inspect"


@dataclass(frozen=True)
class Candidate:
    """An object that looks like an official model.

    Attributes:
        path: by the file's names; ``""`` for the whole file.
        title: ``"AudioClassifier"`` or ``"frontend"``.
        layer: its layers, by the official names.
        problems: what has no place in the official class.
        own_class: the name of another class that it may be of; None where nothing says so.
        node: its number in the object graph; -1 in other files.
        inside: whether it is a part of a whole AudioClassifier.
    """

    path: str
    title: str
    layer: Layer
    problems: tuple[str, ...] = ()
    own_class: str | None = None
    node: int = -1
    inside: bool = False

    @property
    def name(self) -> str:
        """What to call it by."""
        return self.path or ITSELF

    @property
    def official(self) -> bool:
        """Whether all of it is known."""
        return not self.problems and self.own_class is None


def _classifier(path: str, layer: Layer, node: int = -1) -> Candidate:
    problems = tuple(structure.of_classifier(layer))
    return Candidate(path, "AudioClassifier", layer, problems, structure.own_class(layer), node)


def _frontend(path: str, layer: Layer, node: int = -1, inside: bool = False) -> Candidate:
    problems = tuple(structure.of_frontend(layer))
    return Candidate(path, "frontend", layer, problems, None, node, inside)


def in_graph(
    graph: ObjectGraph, kinds: Mapping[int, str], apart: frozenset[int]
) -> tuple[list[Candidate], list[str]]:
    """Those of an object graph, and what stands beside the whole file's own model.

    Args:
        graph: of a checkpoint.
        kinds: classes of objects, where they are told.
        apart: the optimisers.

    Raises:
        MalformedError: more than any real file holds.
    """
    layers = GraphLayers(graph, dict(kinds), apart)
    found: list[Candidate] = []
    beside: list[str] = []
    parts: set[int] = set()
    for node, path in sorted(graph.paths().items(), key=lambda each: each[1].count("/")):
        edges = dict(graph.nodes[node].children)
        if node in apart or not ({"_head", "_complex_conv"} & edges.keys()):
            continue
        if len(found) >= _MOST:
            raise MalformedError(f"at most {_MOST} models", "more")
        layer = layers.layer(node)
        if node == 0 and "save_counter" in edges:
            beside = _taken_out(graph, layer)
        if structure.is_classifier(layer):
            found.append(_classifier(path, layer, node))
            if found[-1].official and "_frontend" in edges:
                parts.add(edges["_frontend"])
        elif structure.is_frontend(layer):
            found.append(_frontend(path, layer, node, node in parts))
    found = [
        each if each.node not in parts else _frontend(each.path, each.layer, each.node, True)
        for each in found
    ]
    return found, beside


def _taken_out(graph: ObjectGraph, layer: Layer) -> list[str]:
    """Variables that ``tf.train.Checkpoint(model, step=...)`` hangs at the model itself."""
    names = list(layer.arrays)
    layer.arrays.clear()
    attached = dict(graph.nodes[0].children)
    others = [name for name in layer.members if graph.nodes[attached.get(name, 0)].attributes]
    for name in others:
        del layer.members[name]
    return names + others


def in_keras_file(root: Layer) -> list[Candidate]:
    """Those of a ``.weights.h5`` file."""
    return list(_walk("", root, 0))


def _walk(path: str, layer: Layer, depth: int) -> Iterator[Candidate]:
    skip = ""
    whole = keras_paths.classifier(layer)
    if whole is not None:
        found = _classifier(path, whole)
        yield found
        if found.official and "_frontend" in whole.members:
            own = whole.members["_frontend"]
            skip = next((n for n, e in layer.members.items() if _same(e, own)), "")
            if structure.is_frontend(own):
                yield _frontend(f"{path}/{skip}".strip("/"), own, inside=True)
    else:
        part = keras_paths.frontend(layer)
        if part is not None:
            yield _frontend(path, part)
            return
    if depth < MAX_DEPTH:
        for name, member in layer.members.items():
            if name != skip:
                yield from _walk(f"{path}/{name}".strip("/"), member, depth + 1)


def _same(layer: Layer, other: Layer) -> bool:
    return sorted(k for _, k in layer.weights()) == sorted(k for _, k in other.weights())


def in_layer_file(root: Layer, shapes: Mapping[str, keras_paths.Shape]) -> list[Candidate]:
    """Those of a ``.h5`` file, by layers."""
    whole = keras_paths.classifier_by_layer(root, shapes)
    found = [] if whole is None else [_classifier("", whole)]
    alone = keras_paths.frontend_by_layers(root, shapes)
    if alone is not None:
        return [_frontend("", alone)]
    official = any(each.official for each in found)
    for name, layer in root.members.items():
        part = _frontend(name, keras_paths.frontend_by_layer(layer, shapes), inside=official)
        if structure.is_frontend(part.layer) and part.official:
            found.append(part)
    return found


def choose(
    path: Path,
    found: Sequence[Candidate],
    wanted: str | None,
    alone: Callable[[Candidate], bool] = lambda _: False,
) -> Candidate:
    """The one that is meant.

    Args:
        path: the file, for errors.
        found: those there are.
        wanted: the name that the user gave.
        alone: whether nothing beside it could be meant.

    Raises:
        LeafError: none, several, or one that is a part of something else; names them.
    """
    if wanted is not None:
        return _named(path, found, wanted)
    root = next((each for each in found if not each.path), None)
    if root is not None and root.official:
        return root
    free = [each for each in found if each.official and not each.inside]
    if len(free) == 1 and root is None and alone(free[0]):
        return free[0]
    if not found:
        expected = "the weights of an official AudioClassifier or frontend"
        raise LeafError("convert", str(path), expected, "neither", _INSPECT)
    raise LeafError("convert", str(path), *_offered(found, free))


def _named(path: Path, found: Sequence[Candidate], wanted: str) -> Candidate:
    names = {each.name: each for each in found}
    if wanted not in names:
        expected = f"one of {', '.join(names) or 'no models'}"
        raise LeafError("convert", f"{path}: --object", expected, wanted, "give one of them")
    chosen = names[wanted]
    if chosen.problems:
        expected = f"an official {chosen.title}, each of its layers in its place"
        got = _problems(chosen)
        raise LeafError("convert", f"{path}: {wanted}", expected, got, _INSPECT)
    return chosen


def _offered(found: Sequence[Candidate], free: Sequence[Candidate]) -> tuple[str, str, str]:
    """What was expected, what came, and what can be chosen."""
    odd = [each for each in found if not each.official]
    above = {each.path for each in odd}
    odd = [each for each in odd if not _parents(each.path) & above]
    got = "; ".join(f"{each.name}: {_problems(each)}" for each in odd[:_SHOWN])
    if not odd:
        got = ", ".join(f"{each.name} ({each.title})" for each in free[:_SHOWN])
        got = f"{got} in something else" if len(free) == 1 else f"several: {got}"
    choices = [f"--object {each.name} for its {each.title}" for each in free[:_SHOWN]]
    choices += [
        f"--object {each.name} if your class computes what AudioClassifier does"
        for each in odd[:1]
        if not each.problems
    ]
    fix = f"choose: {'; '.join(choices)}" if choices else _INSPECT
    return "one official AudioClassifier or frontend, each of its layers in its place", got, fix


def _parents(path: str) -> set[str]:
    """The paths of what an object is a part of."""
    steps = path.split("/") if path else []
    return {"/".join(steps[:i]) for i in range(len(steps))}


def _problems(candidate: Candidate) -> str:
    told = [shown(each) for each in candidate.problems[:_SHOWN]]
    if not told and candidate.own_class is not None:
        told = [
            f"built as an AudioClassifier is, but of a class that is called "
            f"{shown(candidate.own_class)}"
        ]
    return ", ".join(told)


@dataclass(frozen=True)
class Surroundings:
    """What an object graph holds beside models.

    Attributes:
        graph: of the checkpoint.
        optimizers: objects that are some.
        numbers: variables that are single numbers.
    """

    graph: ObjectGraph
    optimizers: frozenset[int]
    numbers: frozenset[int]

    def beside(self, chosen: Candidate) -> tuple[list[str], bool]:
        """The names of what is beside an object, and whether no one would look for a model there.

        Numbers, optimisers, iterators and lists of them are harmless.
        """
        names: list[str] = []
        harmless = True
        at, above = 0, ""
        own = {0, chosen.node, *(child for _, child in self.graph.nodes[chosen.node].children)}
        for step in chosen.path.split("/") if chosen.path else []:
            for name, child in self.graph.nodes[at].children:
                if name != step and name not in KERAS and child not in own:
                    own.add(child)  # told once, by its first name
                    names.append(f"{above}{name}")
                    harmless &= self._harmless(child, 0)
            at = next(child for name, child in self.graph.nodes[at].children if name == step)
            own.add(at)
            above += f"{step}/"
        return names, harmless

    def _harmless(self, node: int, depth: int) -> bool:
        found = self.graph.nodes[node]
        if node in self.optimizers or node in self.numbers:
            return True
        if found.attributes:
            return found.variable is None
        children = [child for name, child in found.children if name not in LISTS]
        within = depth < MAX_DEPTH and all(self._harmless(child, depth + 1) for child in children)
        return bool(children) and within

    @property
    def counts_saves(self) -> bool:
        """Whether ``tf.train.Checkpoint.save`` made it, at whose root models hang side by side."""
        return any(name == "save_counter" for name, _ in self.graph.nodes[0].children)
