"""Where the filters of a finished training were, and whether seeds move them alike."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from parity.commands.study import variants
from parity.commands.study.cells import Cell

Result = Mapping[str, Any]
_ROUNDED = 1e-3  # Hz: frequencies are written with five decimals
Float64 = npt.NDArray[np.float64]


def before(result: Result) -> Float64:
    """Centres of the initial filters, in Hz; no seed changes them."""
    cell = Cell(result["data"], result["variant"], result["initial"], result["seed"])
    frontend: Any = variants.build(cell, result["sample_rate"], 1).frontend
    return np.asarray(frontend.center_frequencies().numpy(), np.float64)


def after(result: Result) -> Float64:
    """Those of the best epoch."""
    return np.asarray(result["best"]["parameters"]["center_frequencies"], np.float64)


def agreement(results: Sequence[Result]) -> float | None:
    """Pearson's correlation of how far each filter moved, mean over all pairs of seeds.

    1 if all seeds move the filters alike, 0 if what one of them does tells nothing of another; then
    a pair's has a standard deviation of ``1/sqrt(filters - 1)``. None of fewer than two seeds, and
    where nothing moves.

    Args:
        results: of one variant, from one initial scale, on one data set.
    """
    moves = [after(each) - before(each) for each in results]
    if len(moves) < 2 or min(np.ptp(each) for each in moves) < _ROUNDED:
        return None
    pairs = itertools.combinations(moves, 2)
    return statistics.fmean(float(np.corrcoef(one, other)[0, 1]) for one, other in pairs)
