"""The laws of sizes of one and of clips beside others can fail."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor

from parity.checks.invariants import clips, sizes
from parity.layers import all_specs
from parity.spec import LayerSpec

SPEC = all_specs()["max_pooling1d"]


def _changed(change: Any) -> LayerSpec:
    """The declaration, whose port's answers are changed."""

    def call(layer: Any, inputs: Tensor) -> Tensor:
        changed: Tensor = change(layer(inputs), inputs)
        return changed

    return dataclasses.replace(SPEC, call=call)


def test_they_hold() -> None:
    """Of the layer as it is."""
    assert not sizes.of(1, SPEC)
    assert not clips.beside_nan(SPEC)


def test_an_axis_that_is_lost_is_told() -> None:
    """By the size that is 1."""
    assert "batch of 1: shape" in sizes.of(1, _changed(lambda y, _: y.squeeze(0)))
    assert " of 1: shape" in sizes.of(1, _changed(lambda y, _: y.squeeze(2)))


def test_another_number_is_told() -> None:
    """Where a size is 1 alone."""
    assert "off by" in sizes.of(1, _changed(lambda y, _: y + 1.0 * (len(y) == 1)))


def test_what_other_clips_leave_behind_is_told() -> None:
    """Zero times what is not finite."""
    leaking = _changed(lambda y, x: y + 0.0 * x.sum())
    assert not sizes.of(1, leaking)
    assert "not finite" in clips.beside_nan(leaking)
