"""Opens a checkpoint of any form: finds the model in it, its optimiser and what is beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from leaf_port.errors import LeafError
from weight_conversion.formats.keras_archive import open_archive
from weight_conversion.formats.keras_h5 import KerasWeights
from weight_conversion.formats.malformed import MalformedError, shown
from weight_conversion.formats.reader import Reader, open_reader
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.formats.tensorflow.locate import unreadable
from weight_conversion.formats.tensorflow.object_graph import ObjectGraph
from weight_conversion.formats.torch_file import is_torch_file
from weight_conversion.official import (
    candidates,
    consistency,
    efficientnet,
    keras_metadata,
    keras_paths,
    optimizers,
)
from weight_conversion.official.candidates import Candidate, Surroundings
from weight_conversion.official.optimizers import Optimizer
from weight_conversion.official.source import Source
from weight_conversion.official.structure import FRONTENDS

_SLOTS = "optimizer/vars/"
_CLASSIFIER = "audio_classifier"


def open_source(path: str | os.PathLike[str], wanted: str | None = None) -> Source:
    """Opens a checkpoint, SavedModel, ``.keras`` or ``.h5`` of Keras, by what the path says.

    Args:
        path: the file or folder.
        wanted: the object in it that is meant, by the file's names; ``"."`` for all of it.

    Raises:
        LeafError: as the readers do; layers that are none of the official code; several models, or
            one in another, of which none was chosen.
    """
    path = Path(path)
    if path.suffix == ".keras":  # its configuration is needed too, which a reader does not give
        return _from_keras(path, wanted)
    if is_torch_file(path):
        fix = "those of leaf-pytorch and SpeechBrain: python -m weight_conversion import"
        raise LeafError("convert", str(path), "a TensorFlow checkpoint", "a file of PyTorch", fix)
    reader = open_reader(path)
    if isinstance(reader, Checkpoint):
        return _from_checkpoint(path, reader, wanted)
    if isinstance(reader, KerasWeights):
        return _from_h5(path, reader, wanted)
    raise AssertionError(f"a reader without a model: {reader}")


def _from_checkpoint(path: Path, reader: Checkpoint, wanted: str | None) -> Source:
    graph = reader.object_graph()
    try:
        kinds, training = keras_metadata.of_saved_model(_folder(reader), graph)
        chosen, around, attached = _chosen(path, reader, graph, kinds, wanted)
        weights, counted = _weights(path, chosen, reader)
        _refuse_adapted(path, weights, reader)
        beside, _ = around.beside(chosen)
        optimizer, spare = _of_graph(around, chosen, weights)
    except MalformedError as error:
        raise error.of(reader.index) from None
    except OSError as error:
        raise unreadable(path, error) from None
    for key in weights.values():
        reader.shape(key)  # it is there
    names = {each.variable.key: each.variable.full_name for each in graph.nodes if each.variable}
    used = spare or ("optimizer",)
    return Source(
        path,
        reader.files(),
        weights,
        {each: names[key] for each, key in weights.items()},
        _with_config(optimizer, training),
        reader,
        chosen.layer,
        chosen.name,
        tuple(each for each in [*attached, *beside] if each not in used) + counted,
        _newest(path, reader),
    )


def _weights(
    path: Path, chosen: Candidate, reader: Reader
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Keys by path; and in words what of them is no weight: a count that computes nothing."""
    found = dict(chosen.layer.weights())
    key = found.pop(efficientnet.COUNT, None)
    if key is None or int(consistency.scalar(reader.tensor(key), path, key)) == 0:
        return found, ()
    return found, ("the count of what the encoder's normalization was adapted to",)


def _refuse_adapted(path: Path, keys: Mapping[str, str], reader: Reader) -> None:
    """Statistics of a Normalization that ``load_weights`` of a checkpoint leaves as they were.

    Keras computes with copies of them, which it makes when the layer is built, when it is adapted,
    and when an ``.h5`` or ``.keras`` file is loaded.
    """
    if efficientnet.FIRST not in keys:
        return
    mean, variance = (reader.tensor(keys[each]) for each in efficientnet.STATISTICS)
    if (mean == 0.0).all() and (variance == 1.0).all():
        return
    expected = "an encoder whose normalization has mean 0 and variance 1, as Keras builds it"
    got = "other statistics, with which the trained model computes, and a model that loads "
    got += "this checkpoint does not"
    fix = 'save the trained model\'s weights as a ".weights.h5" file, which holds for both'
    raise LeafError("convert", str(path), expected, got, fix)


def _folder(reader: Checkpoint) -> Path:
    """Of the SavedModel that a checkpoint is the variables of."""
    return reader.prefix.parent.parent


def _chosen(
    path: Path, reader: Checkpoint, graph: ObjectGraph, kinds: dict[int, str], wanted: str | None
) -> tuple[Candidate, Surroundings, list[str]]:
    _refuse_exported(path, graph)
    own = optimizers.nodes(graph)
    numbers = frozenset(
        number
        for number, each in enumerate(graph.nodes)
        if each.variable is not None and reader.shape(each.variable.key) == ()
    )
    around = Surroundings(graph, own, numbers)
    found, attached = candidates.in_graph(graph, kinds, own)

    def alone(each: Candidate) -> bool:
        whole = each.title == "AudioClassifier" and around.counts_saves
        return whole or around.beside(each)[1]

    if wanted is not None and wanted not in {each.name for each in found}:
        node = graph.at("" if wanted == candidates.ITSELF else wanted)  # by another of its names
        found = [replace(each, path=wanted) if each.node == node else each for each in found]
    return candidates.choose(path, found, wanted, alone), around, attached


def _refuse_exported(path: Path, graph: ObjectGraph) -> None:
    """What ``model.export()`` writes lists variables: no layer, and no name of an attribute."""
    if any(name == "_endpoint_names" for name, _ in graph.nodes[0].children):
        expected = "a checkpoint that tells the model's layers"
        fix = "save the weights: model.save_weights(prefix)"
        got = "what model.export() writes, a list of variables"
        raise LeafError("convert", str(path), expected, got, fix)


def _of_graph(
    around: Surroundings, chosen: Candidate, weights: Mapping[str, str]
) -> tuple[Optimizer | None, tuple[str, ...]]:
    """The optimiser of the chosen object, and by which names it hangs there."""
    graph = around.graph
    if chosen.title != "AudioClassifier" and chosen.path:
        return None, ()
    hanging: dict[int, list[str]] = {}
    at, above = 0, ""
    for step in [*filter(None, chosen.path.split("/")), ""]:
        for name, child in graph.nodes[at].children:
            if child in around.optimizers:
                hanging.setdefault(child, []).append(f"{above}{name}")
        if step:
            at = next(child for name, child in graph.nodes[at].children if name == step)
            above += f"{step}/"
    paths = {key: path for path, key in weights.items()}
    if not hanging:
        return None, ()
    if len(hanging) > 1:
        told = ", ".join(names[0] for names in hanging.values())
        return Optimizer(kind=f"one of several: {told}"), ()
    (node, names) = next(iter(hanging.items()))
    return optimizers.read(graph, node, paths), tuple(names)


def _with_config(optimizer: Optimizer | None, training: dict[str, Any]) -> Optimizer | None:
    """The optimiser with what the training configuration tells: kind and arguments."""
    kind, config, notes = keras_metadata.optimizer(training)
    if optimizer is None or not kind:
        return optimizer
    if optimizer.kind not in ("", kind):
        kind = f"{kind} by its configuration, {optimizer.kind} by its variables"
    notes = tuple(dict.fromkeys([*optimizer.notes, *notes]))
    return replace(optimizer, kind=kind, config=config, notes=notes)


def _newest(path: Path, reader: Checkpoint) -> tuple[str, ...]:
    """Which one it is, where a folder holds several checkpoints."""
    others = len(list(reader.prefix.parent.glob("*.index")))
    if path == reader.prefix or path.suffix == ".index" or others < 2:
        return ()
    return (f"{reader.prefix.name}, the newest of {others} checkpoints",)


def _from_keras(path: Path, wanted: str | None) -> Source:
    reader, config = open_archive(path)
    found = _from_h5(path, reader, wanted)
    _check_class(path, found, config.get("class_name"), wanted)
    compiled = config.get("compile_config")
    training = compiled if isinstance(compiled, dict) else {}
    return replace(found, optimizer=_with_config(found.optimizer, training))


def _check_class(path: Path, found: Source, name: object, wanted: str | None) -> None:
    """A ``.keras`` archive tells the name of the model's class."""
    kind = keras_metadata.snake_case(str(name))
    official = kind in FRONTENDS if "_head/kernel" not in found.keys else kind == _CLASSIFIER
    if found.chosen == candidates.ITSELF and wanted is None and not official:
        expected = "a model of the class AudioClassifier, or an official frontend"
        fix = "give --object . if your class computes what the official one does"
        raise LeafError("convert", str(path), expected, f"one of the class {shown(name)}", fix)


def _from_h5(path: Path, reader: KerasWeights, wanted: str | None) -> Source:
    keys = reader.keys()
    shapes = {key: reader.shape(key) for key in keys}
    if reader.by_layer:
        found = candidates.in_layer_file(keras_paths.by_layer(reader.layers, shapes), shapes)
    else:
        found = candidates.in_keras_file(keras_paths.by_attribute(reader.groups, shapes))
    chosen = candidates.choose(path, found, wanted)
    slots = [key for key in keys if key.startswith(_SLOTS) and key[len(_SLOTS) :].isdecimal()]
    slots.sort(key=lambda key: consistency.numbered(key, path))
    whole = not chosen.path and not reader.by_layer
    weights, counted = _weights(path, chosen, reader)
    return Source(
        path,
        [path],
        weights,
        {},
        _of_h5(reader, slots) if whole else None,
        reader,
        chosen.layer,
        chosen.name,
        (() if not chosen.path else (f"all that is not {chosen.path}",)) + counted,
        whole=not reader.by_layer,
    )


def _of_h5(reader: KerasWeights, slots: list[str]) -> Optimizer | None:
    """Numbers come first: the step, as an integer, and in later versions the learning rate."""
    if not slots:
        return None
    scalars: dict[str, str] = {}
    while slots and reader.shape(slots[0]) == ():
        integer = np.issubdtype(reader.tensor(slots[0]).dtype, np.integer)
        name = "iterations" if integer else "learning_rate"
        if name in scalars:
            break
        scalars[name] = slots.pop(0)
    return Optimizer(scalars, slots)
