"""What the files of the exact oracle share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]  # float64, complex128, or integers of a decision
Weights: TypeAlias = Mapping[str, Array]  # by the official path


def below(weights: Weights, path: str) -> dict[str, Array]:
    """The weights whose path begins with ``path``, without it."""
    return {
        name.removeprefix(path): value for name, value in weights.items() if name.startswith(path)
    }
