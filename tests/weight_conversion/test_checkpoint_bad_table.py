"""Index files that are no sound table, or that would take much work or memory."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from _bad_checkpoints import (
    INDEX,
    read_all,
    refused,
    small,
    words,
)
from _bundle_writer import (
    MAGIC,
    Bundle,
    block,
    header,
    node,
    number,
    part,
    table,
    varint,
)

from leaf_port.errors import LeafError
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.formats.tensorflow.crc32c import crc32c, masked

# The table.


def test_a_compressed_index(tmp_path: Path) -> None:
    for compression, named in ((1, "snappy"), (7, "compression 7")):
        index = table(small().pairs(), compression=compression)
        refused(lambda: Checkpoint(small().write(tmp_path / "c", index)), INDEX, named)  # noqa: B023


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\x00" * 7,
        words(0, 0),
        words(0, 2**32 - 1),
        words(4, 1),
        words(0, 3, 2),
        b"\x05\x01\x00a" + words(0, 1),
        b"\x00\x7f\x00a" + words(0, 1),
        b"\x00\x01\xff\xff\xff\xff\x0fa" + words(0, 1),
        b"\x00\x01\x00a" + words(0, 2, 2),
        b"\x00\x01\x00a\x00\x01\x00b" + words(0, 4, 4, 3),
        b"\xff" * 11 + words(0, 1),
        b"\x80" + words(0, 1),
    ],
    ids=bytes.hex,
)
def test_a_wrong_block(tmp_path: Path, contents: bytes) -> None:
    made = table(small().pairs(), change=lambda data: contents if len(data) > 60 else data)
    refused(lambda: Checkpoint(small().write(tmp_path / "c", made)), INDEX)


def footed(body: bytes, handles: bytes) -> bytes:
    return body + handles[:40].ljust(40, b"\x00") + MAGIC


def stored(contents: bytes) -> bytes:
    body = contents + b"\x00"
    return body + struct.pack("<I", masked(crc32c(body)))


@pytest.mark.parametrize("value", [b"", b"\x00", varint(2**63) * 2, b"\x00" * 3, b"\xff" * 20])
def test_a_wrong_handle_in_the_index_block(tmp_path: Path, value: bytes) -> None:
    data, empty = stored(block([(b"", header())], 16)), stored(block([], 16))
    index = stored(block([(b"", value)], 1))
    handles = varint(len(data)) + varint(8) + varint(len(data + empty)) + varint(len(index) - 5)
    made = small().write(tmp_path / "c", footed(data + empty + index, handles))
    refused(lambda: Checkpoint(made), INDEX)


def test_blocks_that_are_met_again_and_again(tmp_path: Path) -> None:
    """Else a file of n bytes could hold n blocks of n bytes each."""
    data, empty = stored(block([(b"a", b"")], 16)), stored(block([], 16))
    handle = varint(0) + varint(len(data) - 5)
    index = stored(block([(bytes([97 + i]), handle) for i in range(20)], 1))
    handles = varint(len(data)) + varint(8) + varint(len(data + empty)) + varint(len(index) - 5)
    made = small().write(tmp_path / "c", footed(data + empty + index, handles))
    refused(lambda: Checkpoint(made), INDEX, "the next block at")


# Work and memory.


def peak(path: Path) -> int:
    tracemalloc.start()
    try:
        read_all(path)
    except LeafError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_keys_that_grow_in_memory(tmp_path: Path) -> None:
    """Each shares all of a long key with the one before: n bytes would make n^2."""
    head, length = header(), 50_000
    entries = [varint(0) + varint(0) + varint(len(head)) + head]
    entries.append(varint(0) + varint(length) + varint(0) + b"a" * length)
    entries += [varint(length + i) + b"\x01\x00a" for i in range(length // 5)]
    contents = b"".join(entries) + words(0, 1)
    made = table(small().pairs(), change=lambda data: contents if len(data) > 60 else data)
    prefix = small().write(tmp_path / "c", made)
    refused(lambda: Checkpoint(prefix), INDEX, "16 times")
    assert peak(prefix) < 40 * len(made)


def test_an_object_graph_whose_paths_grow_in_memory(tmp_path: Path) -> None:
    """A long chain of objects: n nodes would make paths of n^2 letters."""
    chain = [node({"child": i + 1}) for i in range(5000)] + [node(variable=("v", "v"))]
    found = Checkpoint(Bundle().add_graph(chain).write(tmp_path / "c"))
    refused(found.variables, "_CHECKPOINTABLE_OBJECT_GRAPH", "64 times")


def test_many_strings_take_little_memory(tmp_path: Path) -> None:
    made = Bundle().add("names", np.array([b""] * 100_000, object)).write(tmp_path / "c")
    assert peak(made) < 32 * 100_000


def test_many_axes_take_little_memory(tmp_path: Path) -> None:
    value = number(1, 1) + part(2, b"\x12\x00" * 100_000)
    index = table([(b"", header()), (b"kernel", value)])
    made = small().write(tmp_path / "c", index)
    refused(lambda: Checkpoint(made), "kernel", "32 axes")
    assert peak(made) < 40 * len(index)
