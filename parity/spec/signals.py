"""Signals that break careless code."""

from __future__ import annotations

import numpy as np

from parity.spec.answer import Array
from parity.spec.random_arrays import Source

SIGNALS = ("plain", "silence", "click", "denormal", "huge", "nan", "infinity")
_HUGE = np.float32(1e12)


def with_signal(inputs: dict[str, Array], signal: str, source: Source) -> dict[str, Array]:
    """The inputs of a case, ``inputs`` replaced by a signal that breaks careless code."""
    if "inputs" not in inputs or signal == "plain":
        return inputs
    x = inputs["inputs"].copy()
    at = tuple(int(source.integers((), 0, size)) for size in x.shape)
    if signal in ("silence", "click"):
        x[...] = 0
    if signal == "denormal":
        x = x * np.float32(1e-20) * np.float32(1e-19)
    if signal == "huge":
        x = x * _HUGE
    if signal in ("click", "nan", "infinity"):
        x[at] = {"click": 1.0, "nan": np.nan, "infinity": np.inf}[signal]
    return {**inputs, "inputs": x}
