"""Units of rounding that are kept in a folder, for runs that differ in the processor alone.

A unit is how much rounding the computation carries: of the same source and the same question it is
the same in every setting of ``python -m parity machines``, which therefore computes it once. The
float64 answer itself is computed anew in each: it is what the settings are compared in.

Nothing is kept unless the environment variable ``PARITY_UNITS`` names a folder. A unit's name is a
hash of the question and of all source of the port and of the suite, so none outlives a change.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch

from parity.spec import Array, LayerSpec, Question

FOLDER = "PARITY_UNITS"
_PACKAGES = ("leaf_port", "parity")


@functools.cache
def source(*but: str) -> str:
    """A hash of everything that a unit is computed with, ``but`` for some folders."""
    root, total = Path(__file__).parents[2], hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if not name.startswith(but):
                total.update(f"{name}:".encode() + path.read_bytes())
    total.update(f"{torch.__version__} {np.__version__}".encode())
    return total.hexdigest()


def _file(
    spec: LayerSpec,
    question: Question,
    arithmetic: str | None,
    runs: int,
    within: Callable[[], Any],
    side: str,
) -> Path | None:
    """Where the units of a question are kept; None where none are, or the context has no name."""
    folder, context = os.environ.get(FOLDER), getattr(within, "__qualname__", "")
    if not folder or not context or "<" in context:
        return None
    told = [
        source(),
        spec.name,
        question.case.as_json(),
        question.digest(),
        arithmetic,
        runs,
        side,
        f"{within.__module__}.{context}",
    ]
    return Path(folder) / f"{hashlib.sha256(json.dumps(told).encode()).hexdigest()}.safetensors"


def kept(
    spec: LayerSpec,
    question: Question,
    arithmetic: str | None,
    runs: int,
    within: Callable[[], Any],
    side: str,
    compute: Callable[[], Mapping[str, Array]],
) -> dict[str, Array]:
    """The units of a question: from the folder, or computed and put there.

    Args:
        spec: the declaration.
        question: what is asked.
        arithmetic: of the port's filters.
        runs: how many disturbed runs a unit is of.
        within: the context in which the port answers.
        side: whose transforms they count: ``official``, or empty for the port's.
        compute: computes them.
    """
    path = _file(spec, question, arithmetic, runs, within, side)
    if path is None:
        return dict(compute())
    if path.exists():
        return safetensors.numpy.load_file(path)
    made = {name: np.array(array, order="C") for name, array in compute().items()}
    partial = path.with_suffix(f".{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.numpy.save_file(made, partial)
    partial.replace(path)
    return made
