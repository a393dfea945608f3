"""Has the official code train, and keeps what it went through.

A recorded step's batch is the first drawn one that comes no nearer to a kink than ``MARGIN`` units:
there both sides have the same gradient (``kinks``). The official code takes it all the same way:
``tf.function`` of loss, gradients and ``apply_gradients``, as ``fit`` makes it of ``compile``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich.console import Console

from leaf_port.errors import LeafError
from parity.commands.training import kinks, question, recording
from parity.commands.training.models import LEARNING_RATE, Model
from parity.commands.training.recording import Arrays, Layout, Recording, Step
from parity.spec import Array
from weight_conversion.reference import recipes
from weight_conversion.reference.session import Official, packed
from weight_conversion.reference.worker import unpack

MARGIN = 8.0
"""Units. The port is off by less, as its bounds say; an official answer that is not shows it."""

DRAWS = 40
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "oneDNN on": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "one thread": {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"},
}
"""Under which the official code trains again, as variables of its environment.

Whether oneDNN is on by default depends on the processor (TensorFlow asks for AVX512-VNNI or AMX):
one of the two is the recorded training again.
"""


def record(model: Model, console: Console) -> Recording:
    """What the official training of a model goes through.

    Raises:
        LeafError: no official implementation, or no batch that is clear of kinks.
    """
    with Official() as official:
        started = _begin(official, model)
        steps = {step.number: step for step in _steps(official, model, console)}
        versions = official.versions
    drift = {}
    for name, variables in SETTINGS.items():
        with _environment(variables), Official() as official:
            drift[name] = _drift(official, model, started, steps)
        console.print(f"{model.name}, {name}: {drift[name][-1]:.1e} after the last step")
    return Recording(model, versions, steps, drift)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin(official: Official, model: Model, weights: Arrays | None = None) -> Arrays:
    """Starts the training; the weights that it starts from."""

    def begin(given: Arrays) -> Arrays:
        reply = official.do(
            "begin",
            seed=1,
            model=model.tree,
            optimizer=recipes.call(recipes.KERAS_ADAM, learning_rate=LEARNING_RATE),
            clips=packed(model.batch(1, 0)[0]),
            weights={path: packed(each) for path, each in given.items()},
            paths=list(Layout(model).shapes),
        )
        return _arrays(reply["weights"])

    if weights is None:
        weights = model.started(begin({}))
    return begin(weights)


def _arrays(packs: Mapping[str, Any]) -> Arrays:
    return {path: unpack(each).copy() for path, each in packs.items()}


def _state(official: Official) -> dict[str, Arrays]:
    return {kind: _arrays(each) for kind, each in official.do("state").items()}


def _advance(official: Official, *batches: tuple[Array, Array]) -> dict[str, Any]:
    given = [[packed(each) for each in batch] for batch in batches]
    return official.do("advance", batches=given)


def _steps(official: Official, model: Model, console: Console) -> Iterator[Step]:
    layout, done = Layout(model), 0
    for number in model.steps:
        if number > done + 1:
            _advance(official, *(model.batch(each, 0) for each in range(done + 1, number)))
        before = _state(official)
        draw, margin, units = _clear_batch(model, number, before["weights"])
        reply = _advance(official, model.batch(number, draw))
        after, done = _state(official), number
        step = Step(
            number,
            draw,
            before["weights"],
            layout.picked(before["first"]),
            layout.picked(before["second"]),
            unpack(reply["loss"]),
            unpack(reply["logits"]),
            layout.picked(_arrays(reply["gradients"])),
            layout.picked(after["weights"]),
            layout.picked(after["first"]),
            layout.picked(after["second"]),
            {},
            margin,
        )
        answer = recording.official(layout, step)
        picked = answer.pick(units)
        for name in answer.arrays():
            step.units[name] = picked[name].astype(np.float32)
        console.print(f"{model.name}, step {number}: batch {draw}, {margin:.0f} units from a kink")
        yield step


def _clear_batch(model: Model, number: int, weights: Arrays) -> tuple[int, float, Arrays]:
    """The first draw that is clear of kinks, its margin, and the units of its answer."""
    spec = question.declaration(model)
    for draw in range(DRAWS):
        asked = question.question(model, number, draw, weights)
        rounded, margin = kinks.measured(spec, asked, model.arithmetics[0])
        if margin >= MARGIN:
            return draw, margin, rounded.units
    expected = f"a batch {MARGIN:g} units from every kink"
    got, fix = f"none of {DRAWS}", "give it shorter clips"
    raise LeafError("training", f"{model.name}, step {number}", expected, got, fix)


def _drift(
    official: Official, model: Model, started: Arrays, steps: Mapping[int, Step]
) -> list[float]:
    """Relative distance of the trained weights from the recorded ones after each recorded step."""
    layout = Layout(model)
    _begin(official, model, started)
    found, done = [], 0
    for number, step in steps.items():
        draws = {number: step.draw}
        batches = range(done + 1, number + 1)
        _advance(official, *(model.batch(each, draws.get(each, 0)) for each in batches))
        now, done = layout.picked(_arrays(official.do("state")["weights"])), number
        found.append(distance(layout, now, step.after))
    return found


def distance(layout: Layout, weights: Arrays, official: Arrays) -> float:
    """``||w - w'|| / ||w'||`` of the trained weights, as far as they are held."""
    ours, theirs = (
        np.concatenate([each[path].astype(np.float64).ravel() for path in layout.trained])
        for each in (weights, official)
    )
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
