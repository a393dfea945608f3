"""CRC-32C, as TensorFlow stores it."""

from __future__ import annotations

from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | npt.NDArray[np.uint8], before: int = 0) -> int:
    """CRC-32C (Castagnoli, RFC 3720) of ``data``, going on from the CRC of what came before it."""
    buffer: Any = data  # the C extension takes any contiguous buffer, its annotation only bytes
    return int(google_crc32c.extend(before, buffer))


def masked(crc: int) -> int:
    """What files hold: the CRC rotated right by 15 bits, plus a constant.

    A CRC of data that holds CRCs would be weak. Source: tensorflow/tsl lib/hash/crc32c.h, ``Mask``.
    """
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
