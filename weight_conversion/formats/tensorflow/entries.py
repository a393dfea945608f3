"""What the index of a tensor bundle holds: its header, and one entry a tensor.

The messages BundleHeaderProto and BundleEntryProto of tensorflow/core/protobuf/tensor_bundle.proto,
TensorShapeProto of tensor_shape.proto, TensorSliceProto of tensor_slice.proto.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.protobuf_wire import (
    BYTES,
    FIXED32,
    VARINT,
    Schema,
    message,
    number,
    parts,
)

MAX_RANK = 32
MAX_ELEMENTS = 2**56
READER_VERSION = 1

_HEADER: Schema = {1: ("num_shards", VARINT), 2: ("endianness", VARINT), 3: ("version", BYTES)}
_VERSION: Schema = {1: ("producer", VARINT), 2: ("min_consumer", VARINT)}
_ENTRY: Schema = {
    1: ("dtype", VARINT),
    2: ("shape", BYTES),
    3: ("shard_id", VARINT),
    4: ("offset", VARINT),
    5: ("size", VARINT),
    6: ("crc32c", FIXED32),
    7: ("slices", BYTES),
}
_SHAPE: Schema = {2: ("dim", BYTES), 3: ("unknown_rank", VARINT)}
_DIM: Schema = {1: ("size", VARINT)}
_SLICE: Schema = {1: ("extent", BYTES)}
_EXTENT: Schema = {1: ("start", VARINT), 2: ("length", VARINT)}

ByteOrder = Literal["<", ">"]
Extent = tuple[int, int | None]
Slice = tuple[Extent, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The value of the empty key.

    Attributes:
        num_shards: number of data files.
        order: ``"<"`` or ``">"``, the byte order of the numbers in them.
    """

    num_shards: int
    order: ByteOrder


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor stands.

    Attributes:
        dtype: TensorFlow's number of its type (types.proto).
        shape: its axes.
        shard: which data file.
        offset, size: in bytes.
        crc: masked CRC-32C of these bytes.
        slices: for a tensor that is stored in pieces (then it has no bytes of its own): start
            and length of each piece along each axis, length None for the whole axis.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    slices: tuple[Slice, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def header(data: bytes) -> Header:
    """A BundleHeaderProto.

    Raises:
        MalformedError: not one, or of a later format than this reader knows.
    """
    found = message(data, _HEADER)
    shards, endianness = number(found, "num_shards"), number(found, "endianness")
    if shards < 1:
        raise MalformedError("at least 1 shard", shards)
    if endianness not in (0, 1):
        raise MalformedError("endianness 0 or 1", endianness)
    version = message((parts(found, "version") or [b""])[-1], _VERSION)
    needed = number(version, "min_consumer")
    if needed > READER_VERSION:
        fix = "write it with an older TensorFlow"
        raise MalformedError(f"a bundle for readers of version {READER_VERSION}", needed, fix)
    return Header(shards, ">" if endianness else "<")


def entry(data: bytes) -> Entry:
    """A BundleEntryProto.

    Raises:
        MalformedError: not one, or a negative size, offset or axis.
    """
    found = message(data, _ENTRY)
    shape = _shape((parts(found, "shape") or [b""])[-1])
    slices = tuple(_slice(part, len(shape)) for part in parts(found, "slices"))
    made = Entry(
        dtype=number(found, "dtype"),
        shape=shape,
        shard=number(found, "shard_id"),
        offset=number(found, "offset"),
        size=number(found, "size"),
        crc=number(found, "crc32c"),
        slices=slices,
    )
    for name in ("shard", "offset", "size"):
        if getattr(made, name) < 0:
            raise MalformedError(f"{name} of at least 0", getattr(made, name))
    return made


def _shape(data: bytes) -> tuple[int, ...]:
    found = message(data, _SHAPE)
    dims = parts(found, "dim")
    if number(found, "unknown_rank"):
        raise MalformedError("a shape that is known", "unknown rank")
    if len(dims) > MAX_RANK:
        raise MalformedError(f"at most {MAX_RANK} axes", len(dims))
    shape = tuple(number(message(dim, _DIM), "size") for dim in dims)
    if any(size < 0 for size in shape):
        raise MalformedError("axes of at least 0", str(shape))
    if math.prod(size for size in shape if size) > MAX_ELEMENTS:
        # NumPy refuses such a shape even where another axis is 0.
        raise MalformedError(f"axes whose product is at most {MAX_ELEMENTS}", str(shape))
    return shape


def _slice(data: bytes, rank: int) -> Slice:
    extents = parts(message(data, _SLICE), "extent")
    if len(extents) != rank:
        raise MalformedError(f"a slice along {rank} axes", len(extents))
    made = []
    for extent in extents:
        found = message(extent, _EXTENT)
        length = number(found, "length") if "length" in found else None
        start = number(found, "start")
        if start < 0 or (length is not None and length < 1):
            raise MalformedError("a slice from 0 or later, of at least 1", f"{start}, {length}")
        made.append((start, length))
    return tuple(made)
