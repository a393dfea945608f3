"""What the official training went through, kept in ``parity/recordings/training``.

One sealed file a model (``parity/oracles/sealed_file.py``). Of each recorded step it holds the
weights and Adam's moments before it, loss, logits and gradients of its batch, and weights, moments
and moving statistics after it. The batches come from a seed. Arrays of one kind stand in one
vector, path after path.

The weights before a step are whole: a step computes with all of them. Of everything else at most
``KEPT`` elements of each array are held, the same positions in all: Adam moves each by itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaf_port.errors import LeafError
from parity.commands.training import question
from parity.commands.training.models import Model
from parity.oracles import recorded, sealed_file
from parity.spec import Array, Kept
from parity.spec.answer import Answer
from weight_conversion.official import mapping

FOLDER = recorded.FOLDER / "training"
KEPT = 1024
RECORD_AGAIN = "record it again: python -m parity training --record --model"

Arrays = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class Step:
    """A recorded step of the official training.

    Attributes:
        number: counted from 1.
        draw: of its batch.
        before: all weights, whole, by official path and in the official layout.
        first, second: Adam's moments before it, of trained weights.
        loss: of the batch.
        logits: of the batch.
        gradients: of trained weights.
        after: all weights after it, moving statistics included.
        first_after, second_after: the moments after it.
        units: how much rounding each element of the answer carries (``official``).
        margin: from the nearest kink, in units (``kinks``).
    """

    number: int
    draw: int
    before: Arrays
    first: Arrays
    second: Arrays
    loss: Array
    logits: Array
    gradients: Arrays
    after: Arrays
    first_after: Arrays
    second_after: Arrays
    units: Arrays
    margin: float


START = "start"
_OF_TRAINED = ("first", "second", "gradients", "first_after", "second_after")


@dataclasses.dataclass(frozen=True)
class Recording:
    """The training of a model.

    Attributes:
        model: which.
        versions: what answered.
        steps: by number.
        drift: of the official training from itself under another setting, by its name: relative
            distance of the trained weights after each recorded step.
    """

    model: Model
    versions: Mapping[str, str]
    steps: Mapping[int, Step]
    drift: Mapping[str, Sequence[float]]


class Layout:
    """Where the elements of a model's arrays stand.

    Args:
        model: which.

    Attributes:
        shapes: of all weights, by official path, in the order of the port's state dict.
        trained: paths of the trained ones.
        drawn: initial weights that come from a seed, and are not held.
        kept: which elements are held of each that is not held whole.
    """

    def __init__(self, model: Model) -> None:
        built = model.build()
        rows = mapping.table(built)
        named = {name for name, each in built.named_parameters() if each.requires_grad}
        self.shapes = {row.path: row.shape for row in rows}
        self.trained = [row.path for row in rows if row.key in named]
        self.drawn = model.drawn()
        self.kept = {
            path: Kept(shape, recorded.positions(model.seed, path, math.prod(shape), KEPT))
            for path, shape in self.shapes.items()
            if math.prod(shape) > KEPT
        }

    def picked(self, arrays: Mapping[str, Array]) -> Arrays:
        """Of whole arrays what is held: those of at most ``KEPT`` elements as they are."""
        return {
            path: self.kept[path].of(array) if path in self.kept else array
            for path, array in arrays.items()
        }

    def joined(self, kind: str, arrays: Mapping[str, Array]) -> Array:
        """One vector of the arrays of one kind."""
        parts = [np.asarray(arrays[path], np.float32).reshape(-1) for path in self._paths(kind)]
        return np.concatenate(parts)

    def parted(self, kind: str, vector: Array) -> Arrays:
        """The inverse of :meth:`joined`.

        Raises:
            ValueError: it has another size.
        """
        shapes = {path: self._shape(kind, path) for path in self._paths(kind)}
        sizes = [math.prod(shape) for shape in shapes.values()]
        if vector.shape != (sum(sizes),) or vector.dtype != np.float32:
            raise ValueError(
                f"{kind}: {vector.dtype} of {vector.shape}, not float32 of {sum(sizes)}"
            )
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        pairs = zip(shapes.items(), parts, strict=True)
        return {path: part.reshape(shape) for (path, shape), part in pairs}

    def _paths(self, kind: str) -> list[str]:
        if kind == START:
            return [path for path in self.shapes if path not in self.drawn]
        return self.trained if kind in _OF_TRAINED else list(self.shapes)

    def _shape(self, kind: str, path: str) -> tuple[int, ...]:
        shape = self.shapes[path]
        whole = kind in ("before", START) or path not in self.kept
        return shape if whole else (len(self.kept[path].at),)


def official(layout: Layout, step: Step) -> Answer:
    """The official answer of a step: loss, logits, gradients, moving statistics."""
    gradients = {f"weight/{path}": each for path, each in step.gradients.items()}
    state = {path: each for path, each in step.after.items() if path not in layout.trained}
    kept = {f"gradients/weight/{path}": each for path, each in layout.kept.items()}
    return Answer([step.loss, step.logits], gradients, state=state, kept=kept)


def path_of(model: Model, folder: Path = FOLDER) -> Path:
    """The file of a model's recording."""
    return folder / f"{model.name}.safetensors"


def save(recording: Recording, folder: Path = FOLDER) -> Path:
    """Writes a recording, whole or not at all."""
    model, arrays, entries = recording.model, dict[str, Array](), dict[str, Any]()
    layout = Layout(model)
    for number, step in recording.steps.items():
        named = {f"{number}/loss": step.loss, f"{number}/logits": step.logits}
        for kind in (_before(number), "after", *_OF_TRAINED):
            field = "before" if kind == START else kind
            named[f"{number}/{kind}"] = layout.joined(kind, getattr(step, field))
        named[f"{number}/units"] = np.concatenate([each.ravel() for each in step.units.values()])
        asked = question.question(model, number, step.draw, step.before)
        entries[str(number)] = {
            "draw": step.draw,
            "question": asked.digest(),
            "margin": step.margin,
        }
        arrays |= named
    record = {
        "model": model.name,
        "official": model.tree,
        "versions": dict(recording.versions),
        "weights": {path: list(shape) for path, shape in layout.shapes.items()},
        "steps": entries,
        "drift": {name: list(each) for name, each in recording.drift.items()},
    }
    path = path_of(model, folder)
    sealed_file.write(path, arrays, record)
    return path


def load(model: Model, folder: Path = FOLDER) -> Recording:
    """Reads a model's recording.

    Raises:
        LeafError: there is none, it is damaged, or of another model, steps or batches than are
            declared.
    """
    path = path_of(model, folder)
    if not path.is_file():
        fix = f"restore it, or {RECORD_AGAIN} {model.name}"
        raise LeafError("training", sealed_file.name_of(path), "a recording", "no file", fix)
    record, arrays = sealed_file.read(path)
    layout = Layout(model)
    declared = {
        "model": model.name,
        "official": model.tree,
        "weights": {path: list(shape) for path, shape in layout.shapes.items()},
    }
    for name, expected in declared.items():
        if record.get(name) != expected:
            raise _other(path, f"the declared {name}", model)
    if [int(number) for number in record["steps"]] != list(model.steps):
        raise _other(path, f"the steps {', '.join(map(str, model.steps))}", model)
    try:
        steps = {
            int(number): _step(layout, int(number), entry, arrays)
            for number, entry in record["steps"].items()
        }
        found = Recording(model, record["versions"], steps, record["drift"])
    except (LookupError, TypeError, ValueError) as error:
        raise sealed_file.damaged(path, f"{type(error).__name__}: {error}") from error
    for number, step in steps.items():
        asked = question.question(model, number, step.draw, step.before)
        if asked.digest() != record["steps"][str(number)]["question"]:
            raise _other(path, f"the batch of step {number}", model)
    return found


def _before(number: int) -> str:
    """The kind of the weights before a step: those before the first are not all held."""
    return START if number == 1 else "before"


def _other(path: Path, expected: str, model: Model) -> LeafError:
    fix = f"{RECORD_AGAIN} {model.name}"
    return LeafError("training", sealed_file.name_of(path), expected, "another", fix)


def _step(
    layout: Layout, number: int, entry: Mapping[str, Any], arrays: Mapping[str, Array]
) -> Step:
    parted = {
        kind: layout.parted(kind, arrays[f"{number}/{kind}"])
        for kind in (_before(number), "after", *_OF_TRAINED)
    }
    if START in parted:
        parted["before"] = parted.pop(START) | layout.drawn
    loss, logits = arrays[f"{number}/loss"], arrays[f"{number}/logits"]
    made = Step(
        number, entry["draw"], loss=loss, logits=logits, units={}, margin=entry["margin"], **parted
    )
    answer = official(layout, made).arrays()
    sizes = [array.size for array in answer.values()]
    units = arrays[f"{number}/units"]
    if units.shape != (sum(sizes),):
        raise ValueError(f"{units.size} units of {sum(sizes)} elements")
    parts = np.split(units, np.cumsum(sizes)[:-1])
    named = zip(answer.items(), parts, strict=True)
    return dataclasses.replace(
        made, units={name: part.reshape(array.shape) for (name, array), part in named}
    )
