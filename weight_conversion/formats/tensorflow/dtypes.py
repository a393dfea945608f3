"""TensorFlow's types, by the numbers that tensorflow/core/framework/types.proto gives them."""

from __future__ import annotations

from typing import Any

import numpy as np

STRING, BFLOAT16, BOOL = 7, 14, 10

_NUMPY: dict[int, type[np.generic]] = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    8: np.complex64,
    9: np.int64,
    10: np.bool_,
    17: np.uint16,
    18: np.complex128,
    19: np.float16,
    22: np.uint32,
    23: np.uint64,
    BFLOAT16: np.uint16,
}
# What a model does not hold; it may stand in its checkpoint, though, so its name is known.
_OTHERS = {
    11: "qint8",
    12: "quint8",
    13: "qint32",
    15: "qint16",
    16: "quint16",
    20: "resource",
    21: "variant",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    29: "int4",
    30: "uint4",
}


def stored(number: int) -> np.dtype[Any] | None:
    """How the numbers of a type are stored (bfloat16 as its 16 bits); None for other types."""
    kind = _NUMPY.get(number)
    return None if kind is None else np.dtype(kind)


def name(number: int) -> str | None:
    """TensorFlow's name of a type: ``"float32"``; None if there is none."""
    if number in (STRING, BFLOAT16):
        return "string" if number == STRING else "bfloat16"
    kind = stored(number)
    return _OTHERS.get(number) if kind is None else kind.name
