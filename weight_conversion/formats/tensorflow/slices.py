"""Tensors that are stored in pieces, as TensorFlow stores partitioned variables.

The piece of a tensor has a key of its own, ``EncodeTensorNameSlice`` of
tensorflow/core/util/saved_tensor_slice_util.cc: the numbers 0, the tensor's name, its rank, then
start and length along each axis (0 and -1 for the whole axis), each in the order-preserving code of
tensorflow/core/lib/strings/ordered_code.cc.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.entries import Entry, Slice

Array = npt.NDArray[Any]

PIECE = b"\x00"
"""What the keys of pieces begin with, and no tensor's name does."""

_ESCAPED = {b"\x00": b"\x00\xff", b"\xff": b"\xff\x00"}


def piece_key(name: bytes, piece: Slice) -> bytes:
    """The key of a piece of a tensor."""
    parts = [_unsigned(0), _string(name), _unsigned(len(piece))]
    for start, length in piece:
        parts += [_signed(start), _signed(-1 if length is None else length)]
    return b"".join(parts)


def _unsigned(value: int) -> bytes:
    """One byte for how many bytes follow, then the number, big-endian."""
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(data)]) + data


def _string(data: bytes) -> bytes:
    return re.sub(rb"[\x00\xff]", lambda found: _ESCAPED[found[0]], data) + b"\x00\x01"


def _signed(value: int) -> bytes:
    """As many leading ones as bytes, and the number in two's complement, 7 bits a byte.

    Up to -64..63 one byte. The leading ones are exclusive-ored, so that they turn over in negative
    numbers and order is kept.
    """
    length = (value if value >= 0 else ~value).bit_length() // 7 + 1
    bits = 8 * length
    head = ((1 << length) - 1) << (bits - length)
    return ((value & ((1 << bits) - 1)) ^ head).to_bytes(length, "big")


def bounds(piece: Slice, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A piece as an index of the whole.

    Raises:
        MalformedError: it leaves the whole.
    """
    made = []
    for (start, length), size in zip(piece, shape, strict=True):
        stop = size if length is None else start + length
        if start > size or stop > size:
            raise MalformedError(f"a slice within {shape}", str(piece))
        made.append(slice(start, stop))
    return tuple(made)


def check_pieces(whole: Entry, pieces: list[Entry]) -> None:
    """Whether pieces have the type of the whole, their slices' shapes, and as many elements.

    Raises:
        MalformedError: they do not.
    """
    for where, piece in zip(whole.slices, pieces, strict=True):
        shape = tuple(part.stop - part.start for part in bounds(where, whole.shape))
        if piece.shape != shape or piece.dtype != whole.dtype or piece.slices:
            got = f"shape {piece.shape}, type {piece.dtype}"
            raise MalformedError(f"a piece of shape {shape}, type {whole.dtype}", got)
    found = sum(piece.elements for piece in pieces)
    if found != whole.elements:
        raise MalformedError(f"pieces of {whole.elements} elements in all", found)


def assemble(whole: Entry, pieces: list[Entry], read: Callable[[Entry], Array]) -> Array:
    """The whole tensor. Its pieces were checked, so together they are no larger than the files.

    Raises:
        MalformedError: pieces that overlap, and so leave a gap.
    """
    made: Array | None = None
    covered = np.zeros(whole.shape, np.bool_)
    for where, piece in zip(whole.slices, pieces, strict=True):
        part, index = read(piece), bounds(where, whole.shape)
        made = np.empty(whole.shape, part.dtype) if made is None else made
        made[index] = part
        covered[index] = True
    if made is None or not covered.all():
        raise MalformedError("pieces that fill the whole", "pieces that overlap")
    return made
