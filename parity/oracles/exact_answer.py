"""Asks the exact oracle: the same question, in float64."""

from __future__ import annotations

import dataclasses

import numpy as np

from parity.spec import Answer, Array, Given, LayerSpec, Question


def pinned(question: Question, official: Answer) -> Question:
    """The question with the weights that the official answer was computed with.

    A case that runs with the initial weights has none of its own: it takes the official ones, which
    the recording holds, so that every float64 answer is to the very question that was recorded.
    """
    if question.weights or not official.initial:
        return question
    return dataclasses.replace(question, weights=dict(official.initial))


def _double(array: Array) -> Array:
    return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else array


def given(question: Question) -> Given:
    """A pinned question as the exact oracle takes it."""
    return Given(
        config=question.case.config,
        inputs={name: _double(value) for name, value in question.inputs.items()},
        weights={path: _double(value) for path, value in question.weights.items()},
        draws=[_double(draw) for draw in question.draws],
        training=question.case.training,
    )


def answer(spec: LayerSpec, question: Question) -> Answer:
    """The exact oracle's answer to a pinned question: outputs and moving statistics."""
    with np.errstate(all="ignore"):  # NaN and infinities are asked on purpose
        return spec.exact(given(question))
