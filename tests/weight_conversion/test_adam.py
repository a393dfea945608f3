"""Training goes on: the restored Adam's next step is the one that Keras' Adam made.

Recorded with the official stack: a checkpoint, the gradients of one more step, of all sizes from 1
down to 1e-9, and the weights after it. What the steps may differ by: see ``_next_step``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _next_step import Step
from safetensors.numpy import load_file

from weight_conversion.reference.record import NEXT_STEP, RECORDINGS

NAMES = ["adam_step", "legacy_adam_step"]


def recorded(name: str, folder: Path, *, keras: bool = True) -> Step:
    return Step(RECORDINGS / name, load_file(RECORDINGS / name / NEXT_STEP), folder, keras)


@pytest.mark.parametrize("name", NAMES)
def test_the_next_step_is_that_of_keras(name: str, tmp_path: Path) -> None:
    step = recorded(name, tmp_path / "made")
    assert step.beyond() == set()
    assert len(step.weights) == 24


@pytest.mark.parametrize("name", NAMES)
def test_torchs_adam_makes_another_step(name: str, tmp_path: Path) -> None:
    """Where the moments are small and b is: by a part of the step."""
    step = recorded(name, tmp_path / "made", keras=False)
    share = max((apart / np.abs(moved)).max() for apart, _, moved in step.weights.values())
    assert share > 0.01
    assert any((apart > bound).any() for apart, bound, _ in step.weights.values())
