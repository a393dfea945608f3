"""What Keras writes beside the weights: classes, and the optimiser's arguments.

A SavedModel has them in ``keras_metadata.pb`` (keras/protobuf/saved_metadata.proto), a ``.keras``
archive in ``config.json``. Nothing in them is executed or imported: names of classes are compared,
numbers are taken.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from weight_conversion.formats.keras_archive import LIMIT as _LIMIT
from weight_conversion.formats.keras_archive import json_object
from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.object_graph import ObjectGraph
from weight_conversion.formats.tensorflow.protobuf_wire import BYTES, Schema, message, parts, text
from weight_conversion.official.optimizers import AMSGRAD, AVERAGES

METADATA = "keras_metadata.pb"
_SAVED: Schema = {1: ("nodes", BYTES)}
_OBJECT: Schema = {3: ("path", BYTES), 5: ("metadata", BYTES)}
_NUMBERS = ("learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay")
_CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")


def snake_case(name: str) -> str:
    """A class's name as Keras makes names of it: ``"PCENLayer"`` is ``"pcen_layer"``."""
    name = name.rpartition(">")[2]
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def of_saved_model(folder: Path, graph: ObjectGraph) -> tuple[dict[int, str], dict[str, Any]]:
    """Classes by number of the object, and the model's training configuration.

    Raises:
        MalformedError: a file that is none.
        OSError: it cannot be read.
    """
    path = folder / METADATA
    if not path.is_file():
        return {}, {}
    if path.stat().st_size > _LIMIT:
        raise MalformedError(f"{METADATA} of at most {_LIMIT} bytes", path.stat().st_size)
    kinds: dict[int, str] = {}
    training: dict[str, Any] = {}
    for part in parts(message(path.read_bytes(), _SAVED), "nodes"):
        found = message(part, _OBJECT)
        told = json_object(text(found, "metadata").encode(), METADATA)
        node = graph.at("/".join(text(found, "path").split(".")[1:]))
        name = told.get("class_name")
        if node is not None and isinstance(name, str):
            kinds[node] = snake_case(name)
        if node == 0 and isinstance(told.get("training_config"), dict):
            training = told["training_config"]
    return kinds, training


def optimizer(training: dict[str, Any]) -> tuple[str, dict[str, object], tuple[str, ...]]:
    """Kind, numbers and what else is on of the optimiser that a training configuration names.

    Empty where it names none.
    """
    told = training.get("optimizer_config", training.get("optimizer"))
    if not isinstance(told, dict) or not isinstance(told.get("class_name"), str):
        return "", {}, ()
    config = told.get("config")
    config = config if isinstance(config, dict) else {}
    if told["class_name"].rpartition(">")[2].startswith("LossScaleOptimizer"):
        return optimizer({"optimizer": config.get("inner_optimizer", config.get("optimizer"))})
    numbers: dict[str, object] = {
        name: config[name] for name in _NUMBERS if _is_number(config.get(name))
    }
    flags = {"amsgrad": AMSGRAD, "use_ema": AVERAGES}
    notes = [note for flag, note in flags.items() if config.get(flag) is True]
    notes += [f"{name} {config[name]}" for name in _CLIPPING if _is_number(config.get(name))]
    if isinstance(config.get("learning_rate"), dict):
        notes.append("the schedule of the learning rate")
    return told["class_name"].rpartition(">")[2], numbers, tuple(notes)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
