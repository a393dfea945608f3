"""A clip's answer is its own: what is not finite in another one leaves it as it is."""

from __future__ import annotations

import dataclasses

import numpy as np

from parity.checks.invariants import in_double
from parity.checks.invariants.one_object import smallest_of
from parity.port import runner
from parity.spec import Array, LayerSpec, Question


def beside_nan(spec: LayerSpec) -> str:
    """The last clip of a small case, beside clips of NaN and infinities."""
    case = smallest_of(spec)
    forward = in_double.forward_alone(spec, case.config)
    question = runner.ask(forward, case)
    names = [name for name in spec.sampling.batched if name in question.inputs]
    broken = {name: _broken(question.inputs[name]) for name in names}
    others = _with(question, broken)
    clips = {len(array) for array in broken.values()}
    pairs = zip(
        in_double.outputs(forward, question), in_double.outputs(forward, others), strict=True
    )
    for index, (alone, beside) in enumerate(pairs):
        if {*alone.shape[:1]} != clips:
            continue  # a penalty of the weights, say
        if problem := in_double.unlike(beside[-1:], alone[-1:]):
            return f"{case.name}: output/{index}: {problem}"
    return ""


def _broken(array: Array) -> Array:
    """All clips but the last one in turns NaN, infinity and minus infinity."""
    broken = array.copy()
    broken[:-1] = np.resize([np.nan, np.inf, -np.inf], broken[:-1].shape)
    return broken


def _with(question: Question, inputs: dict[str, Array]) -> Question:
    return dataclasses.replace(question, inputs={**question.inputs, **inputs})
