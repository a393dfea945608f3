"""A writer of tensor bundles, for the tests: whole ones, and ones that are wrong on purpose."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from weight_conversion.formats.tensorflow.crc32c import crc32c, masked
from weight_conversion.formats.tensorflow.object_graph import KEY
from weight_conversion.formats.tensorflow.slices import piece_key

Pairs = list[tuple[bytes, bytes]]
Change = Callable[[bytes], bytes]
Slice = tuple[tuple[int, int | None], ...]

NUMBERS = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "complex64": 8,
    "int64": 9,
    "bool": 10,
    "uint16": 17,
    "complex128": 18,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
STRING, BFLOAT16 = 7, 14
MAGIC = bytes.fromhex("57fb808b247547db")


def varint(value: int) -> bytes:
    if 0 <= value < 0x80:
        return bytes((value,))
    value &= (1 << 64) - 1
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def part(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def fixed32(field: int, value: int) -> bytes:
    return varint(field << 3 | 5) + struct.pack("<I", value & 0xFFFFFFFF)


def same(data: bytes) -> bytes:
    return data


def table(
    pairs: Pairs,
    block_size: int = 1 << 18,
    restarts: int = 16,
    change: Change = same,
    compression: int = 0,
) -> bytes:
    """A table; ``change`` may spoil each block's contents before the CRC is made."""
    out = bytearray()

    def put(contents: bytes) -> bytes:
        contents = change(contents)
        handle = varint(len(out)) + varint(len(contents))
        body = contents + bytes([compression])
        out.extend(body + struct.pack("<I", masked(crc32c(body))))
        return handle

    index: Pairs = []
    for group in _grouped(pairs, block_size):
        index.append((group[-1][0], put(block(group, restarts))))
    meta = put(block([], restarts))
    footer = change(meta + put(block(index, 1)))
    return bytes(out) + footer[:40].ljust(40, b"\x00") + MAGIC


def _grouped(pairs: Pairs, block_size: int) -> list[Pairs]:
    groups: list[Pairs] = [[]]
    size = 0
    for key, value in pairs:
        if size > block_size:
            groups.append([])
            size = 0
        groups[-1].append((key, value))
        size += len(key) + len(value)
    return [group for group in groups if group]


def block(pairs: Pairs, restarts: int) -> bytes:
    out, starts, before = bytearray(), [0], b""
    for i, (key, value) in enumerate(pairs):
        shared = 0
        if i % restarts == 0:
            starts += [len(out)] if i else []
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:]
        out += value
        before = key
    return bytes(out) + struct.pack(f"<{len(starts) + 1}I", *starts, len(starts))


@dataclass(frozen=True)
class Made:
    """An entry of the index, to be changed with ``dataclasses.replace`` where it shall be wrong."""

    dtype: int = 1
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    slices: tuple[Slice, ...] = ()

    @functools.lru_cache(4096)  # noqa: B019
    def message(self) -> bytes:
        dims = b"".join(part(2, number(1, size)) for size in self.shape)
        made = number(1, self.dtype) + part(2, dims) + number(3, self.shard)
        made += number(4, self.offset) + number(5, self.size) + fixed32(6, self.crc)
        return made + b"".join(part(7, _slice(each)) for each in self.slices)


def _slice(piece: Slice) -> bytes:
    return b"".join(
        part(1, b"" if n is None else (number(1, start) if start else b"") + number(2, n))
        for start, n in piece
    )


def header(shards: int = 1, big: bool = False, needs: int = 0) -> bytes:
    version = number(1, 1) + (number(2, needs) if needs else b"")
    return number(1, shards) + (number(2, 1) if big else b"") + part(3, version)


def strings(texts: Sequence[bytes], big: bool = False) -> tuple[bytes, int]:
    """Bytes and masked CRC of a string tensor."""
    order = "big" if big else "little"
    crc = crc32c(b"".join(len(text).to_bytes(4, order) for text in texts))  # type: ignore[arg-type]
    check = masked(crc).to_bytes(4, order)  # type: ignore[arg-type]
    tail = check + b"".join(texts)
    return b"".join(varint(len(text)) for text in texts) + tail, masked(crc32c(tail, crc))


@dataclass(frozen=True)
class BFloat16:
    """Numbers of that type, by their upper 16 bits."""

    bits: np.ndarray[Any, Any]


class Bundle:
    """A checkpoint in the making.

    Attributes:
        shards: the data files' bytes.
        entries: by key; those of pieces too.
    """

    def __init__(self, shards: int = 1, big: bool = False) -> None:
        self.shards = [bytearray() for _ in range(shards)]
        self.entries: dict[bytes, Made] = {}
        self.big = big

    def copy(self) -> Bundle:
        made = Bundle(0, self.big)
        made.shards = [bytearray(shard) for shard in self.shards]
        made.entries = dict(self.entries)
        return made

    def add(self, key: str | bytes, value: Any, shard: int = 0) -> Bundle:
        name = key.encode() if isinstance(key, str) else key
        self.entries[name] = self._put(value, shard)
        return self

    def add_pieces(
        self,
        key: str,
        whole: Any,
        pieces: Sequence[Sequence[tuple[int, int | None]]],
        shard: int = 0,
    ) -> Bundle:
        """A tensor in pieces, on one shard after another."""
        for i, piece in enumerate(pieces):
            index = tuple(slice(s, None if n is None else s + n) for s, n in piece)
            made = self._put(whole[index], (shard + i) % len(self.shards))
            self.entries[piece_key(key.encode(), tuple(piece))] = made
        found = Made(NUMBERS[whole.dtype.name], whole.shape, slices=tuple(map(tuple, pieces)))
        self.entries[key.encode()] = found
        return self

    def add_graph(self, nodes: Sequence[bytes]) -> Bundle:
        texts = np.array(b"".join(part(1, node) for node in nodes), object)
        return self.add(KEY, texts)

    def _put(self, value: Any, shard: int) -> Made:
        data, dtype, shape, crc = self._encoded(value)
        out = self.shards[shard]
        made = Made(dtype, shape, shard, len(out), len(data), crc)
        out.extend(data)
        return made

    def _encoded(self, value: Any) -> tuple[bytes, int, tuple[int, ...], int]:
        if isinstance(value, np.ndarray) and value.dtype == object:
            data, crc = strings([bytes(each) for each in value.reshape(-1)], self.big)
            return data, STRING, value.shape, crc
        raw = value.bits if isinstance(value, BFloat16) else np.asarray(value)
        data = raw.astype(raw.dtype.newbyteorder(">" if self.big else "<")).tobytes()
        dtype = BFLOAT16 if isinstance(value, BFloat16) else NUMBERS[raw.dtype.name]
        return data, dtype, raw.shape, masked(crc32c(data))

    def change(self, key: str, **fields: Any) -> Bundle:
        """Makes an entry wrong."""
        name = key.encode()
        self.entries[name] = replace(self.entries[name], **fields)
        return self

    def pairs(self) -> Pairs:
        entries = ((key, made.message()) for key, made in self.entries.items())
        return [(b"", header(len(self.shards), self.big)), *sorted(entries)]

    def files(self, index: bytes | None = None, **options: Any) -> dict[str, bytes]:
        """Contents by what follows the prefix."""
        made = table(self.pairs(), **options) if index is None else index
        count = len(self.shards)
        data = {f".data-{i:05d}-of-{count:05d}": bytes(each) for i, each in enumerate(self.shards)}
        return {".index": made, **data}

    def write(self, prefix: Path, index: bytes | None = None, **options: Any) -> Path:
        return write_files(prefix, self.files(index, **options))


def write_files(prefix: Path, files: Mapping[str, bytes]) -> Path:
    for suffix, data in files.items():
        Path(f"{prefix}{suffix}").write_bytes(data)
    return prefix


def node(
    children: Mapping[str, int] | None = None,
    variable: tuple[str, str] | None = None,
    slots: Sequence[tuple[int, str, int]] = (),
) -> bytes:
    """A TrackableObject; ``variable`` is its full name and key."""
    made = b"".join(
        part(1, number(1, child) + part(2, name)) for name, child in (children or {}).items()
    )
    if variable is not None:
        name, key = variable
        made += part(2, part(1, "VARIABLE_VALUE") + part(2, name) + part(3, key))
    for original, name, slot in slots:
        made += part(3, number(1, original) + part(2, name) + number(3, slot))
    return made
