"""What the files of the exact oracle share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]  # float64, complex128, or integers of a decision
Weights: TypeAlias = Mapping[str, Array]  # by the official path


def below(weights: Weights, path: str) -> dict[str, Array]:
    """The weights whose path begins with ``path``, without it."""
    return {
        name.removeprefix(path): value for name, value in weights.items() if name.startswith(path)
    }


def clip(x: Array, low: float, high: float) -> Array:
    """``max(min(x, high), low)``, as tf.clip_by_value: where ``low > high`` it gives ``low``."""
    return np.asarray(np.maximum(np.minimum(x, high), low))


def mean(x: Array, axis: int | tuple[int, ...], keepdims: bool = False) -> Array:
    """The mean, added up in NumPy's longest float: along an outer axis NumPy adds one by one."""
    total = x.mean(axis=axis, keepdims=keepdims, dtype=np.longdouble)
    return np.asarray(total, dtype=x.dtype)
