"""The sorted table of keys and values that a ``.index`` file is (LevelDB's format).

https://github.com/google/leveldb/blob/main/doc/table_format.md, and tensorflow/tsl lib/io/table.cc
and block.cc. The file is data blocks, a meta index block, an index block, and a footer of 48 bytes:
the handles (varint offset, varint size) of the two index blocks, zeros up to byte 40, a magic
number. Behind each block stand one byte, its compression, and the masked CRC-32C of both.

A block is entries and then their restarts: 32-bit little-endian offsets of the entries that share
nothing with the key before, and how many there are. An entry is three varints (bytes shared with
the key before, bytes not shared, bytes of the value), the rest of the key, and the value.

Work and memory are bounded by the file's size: blocks may not overlap, keys ascend, and keys may
be no longer in all than TensorFlow, with a restart every 16 entries, can make them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.crc32c import crc32c, masked
from weight_conversion.formats.tensorflow.protobuf_wire import varint

FOOTER = 48
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
TRAILER = 5
RESTART_INTERVAL = 16

_NO_COMPRESSION, _SNAPPY = 0, 1

Pair = tuple[bytes, bytes]


def check_footer(footer: bytes) -> None:
    """Whether a file's last bytes are a table's.

    Raises:
        MalformedError: too short, or another magic number.
    """
    if len(footer) < FOOTER:
        raise MalformedError(f"a table, at least {FOOTER} bytes", f"{len(footer)} bytes")
    if not footer.endswith(MAGIC):
        expected = f"a table, which ends in {MAGIC.hex()}"
        raise MalformedError(expected, footer[-len(MAGIC) :].hex())


def pairs(data: bytes) -> Iterator[Pair]:
    """Keys and values of a table, in the order of the keys.

    Args:
        data: the whole file.

    Raises:
        MalformedError: not a table; a handle, size, offset or order that cannot be; a wrong CRC.
    """
    check_footer(data[-FOOTER:])
    end = len(data) - FOOTER
    meta, at = _handle(data, end)
    index, at = _handle(data, at)
    if at > len(data) - len(MAGIC):
        raise MalformedError("two block handles in 40 bytes", f"{at - end} bytes")
    _entries(_block(data, meta), _Budget(end))
    yield from _data_pairs(data, _entries(_block(data, index), _Budget(end)))


class _Budget:
    """How many bytes of keys a file of so many bytes may hold: each restart repeats a key whole."""

    def __init__(self, size: int) -> None:
        self.left = RESTART_INTERVAL * size

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            expected = f"keys of at most {RESTART_INTERVAL} times the file's size in all"
            raise MalformedError(expected, "more")


def _data_pairs(data: bytes, index: list[Pair]) -> Iterator[Pair]:
    """What the data blocks hold, one after another."""
    budget, last, free = _Budget(len(data)), None, 0
    for separator, value in index:
        (offset, size), used = _handle(value, 0)
        if used != len(value):
            raise MalformedError("a block handle and no more", value)
        if offset < free:
            raise MalformedError(f"the next block at {free} or later", offset)
        free = offset + size + TRAILER
        for pair in _entries(_block(data, (offset, size)), budget):
            if last is not None and pair[0] <= last:
                raise MalformedError(f"a key after {last!r}", pair[0])
            last = pair[0]
            yield pair
        if last is not None and separator < last:
            raise MalformedError(f"an index key of at least {last!r}", separator)


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(data: bytes, handle: tuple[int, int]) -> bytes:
    """The contents of a block, its place and its CRC checked."""
    offset, size = handle
    end = offset + size
    limit = len(data) - FOOTER - TRAILER
    if end > limit:
        raise MalformedError(f"a block that ends by byte {limit}", f"{offset} + {size}")
    found = masked(crc32c(data[offset : end + 1]))
    kept = int.from_bytes(data[end + 1 : end + TRAILER], "little")
    if found != kept:
        expected = f"the block at byte {offset} to have CRC-32C {kept:#010x}"
        raise MalformedError(expected, f"{found:#010x}")
    compression = data[end]
    if compression == _SNAPPY:
        # tensor_bundle.cc has written uncompressed tables since its first release.
        fix = "write it again with TensorFlow, which leaves the index uncompressed"
        raise MalformedError("an uncompressed block", "snappy", fix)
    if compression != _NO_COMPRESSION:
        raise MalformedError("an uncompressed block", f"compression {compression}")
    return data[offset:end]


def _restarts(block: bytes) -> tuple[int, ...]:
    """The offsets of the entries that hold their key whole."""
    if len(block) < 8:
        raise MalformedError("a block of at least 8 bytes", len(block))
    count = int.from_bytes(block[-4:], "little")
    if not 1 <= count <= len(block) // 4 - 1:
        raise MalformedError(f"1 to {len(block) // 4 - 1} restarts", count)
    restarts = struct.unpack_from(f"<{count}I", block, len(block) - 4 * (count + 1))
    if restarts[0] != 0:
        raise MalformedError("the first restart at 0", restarts[0])
    return restarts


def _entries(block: bytes, budget: _Budget) -> list[Pair]:
    """Keys and values of a block."""
    restarts = _restarts(block)
    end = len(block) - 4 * (len(restarts) + 1)
    found: list[Pair] = []
    at, key, met = 0, b"", 0
    while at < end:
        starts = met < len(restarts) and restarts[met] == at
        met += starts
        key, value, at = _entry(block, at, end, b"" if starts else key)
        budget.take(len(key))
        found.append((key, value))
    if found and met != len(restarts):
        raise MalformedError("each restart at an entry, in ascending order", restarts[met])
    return found


def _entry(block: bytes, at: int, end: int, before: bytes) -> tuple[bytes, bytes, int]:
    """One entry, after the key ``before``; and where the next is."""
    shared, at = varint(block, at)
    rest, at = varint(block, at)
    size, at = varint(block, at)
    if shared > len(before):
        raise MalformedError(f"at most {len(before)} bytes shared with the key before", shared)
    if at + rest + size > end:
        raise MalformedError(f"an entry that ends by byte {end} of its block", at + rest + size)
    key = before[:shared] + block[at : at + rest]
    return key, block[at + rest : at + rest + size], at + rest + size
