"""String tensors as a data file holds them.

tensorflow/core/util/tensor_bundle/tensor_bundle.cc, ``WriteStringTensor``: a varint length for each
string, the masked CRC-32C of the lengths (4 bytes), the strings. The entry's CRC is of the lengths
as numbers of 4 bytes, of that CRC's 4 bytes, and of the strings. (Lengths from 2^32 on, which would
have 8 bytes, are refused.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.crc32c import crc32c, masked
from weight_conversion.formats.tensorflow.entries import ByteOrder
from weight_conversion.formats.tensorflow.protobuf_wire import varint


def strings(data: bytes, count: int, crc: int, order: ByteOrder) -> npt.NDArray[np.object_]:
    """The strings of a tensor, in a row.

    Args:
        data: its bytes in the data file.
        count: how many strings there are.
        crc: the masked CRC-32C that its entry tells.
        order: byte order, ``"<"`` or ``">"``.

    Returns:
        ``(count,)``, an array of ``bytes``.

    Raises:
        MalformedError: lengths that do not add up, or a wrong CRC.
    """
    if count + 4 > len(data):
        raise MalformedError(f"at most {max(0, len(data) - 4)} strings in {len(data)} bytes", count)
    lengths, at = _lengths(data, count)
    total = sum(map(int, lengths))  # as Python's numbers, which do not overflow
    if at + 4 + total != len(data):
        raise MalformedError(f"strings of {len(data) - at - 4} bytes in all", total)
    _check(data, at, lengths, crc, order)
    found = np.empty(count, np.object_)
    at += 4
    for i, length in enumerate(map(int, lengths)):
        found[i] = data[at : at + length]
        at += length
    return found


def _lengths(data: bytes, count: int) -> tuple[npt.NDArray[np.uint32], int]:
    """How long each string is, and where the lengths end."""
    lengths, at = np.empty(count, np.uint32), 0
    for i in range(count):
        length, at = varint(data, at)
        if length >= 1 << 32:
            raise MalformedError("strings shorter than 4 GiB", length)
        lengths[i] = length
    return lengths, at


def _check(
    data: bytes, at: int, lengths: npt.NDArray[np.uint32], crc: int, order: ByteOrder
) -> None:
    """The CRC of the lengths, which stands at ``at``, and the entry's."""
    found = crc32c(lengths.astype(lengths.dtype.newbyteorder(order)).view(np.uint8))
    kept = int.from_bytes(data[at : at + 4], "little" if order == "<" else "big")
    for what, value, told in (
        ("lengths", masked(found), kept),
        ("strings", masked(crc32c(data[at:], found)), crc & 0xFFFFFFFF),
    ):
        if value != told:
            raise MalformedError(f"CRC-32C {told:#010x} of the {what}", f"{value:#010x}")
