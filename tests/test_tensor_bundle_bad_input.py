"""Every bad checkpoint is refused, by an error that names file, key and cause."""

from __future__ import annotations

import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _bundle_writer import (
    MAGIC,
    Bundle,
    block,
    fixed32,
    header,
    node,
    number,
    part,
    strings,
    table,
    varint,
    write_files,
)

from leaf_port.errors import LeafError
from weight_conversion._crc32c import crc32c, masked
from weight_conversion.tensor_bundle import Checkpoint

INDEX, DATA = "c.index", "c.data-00000-of-00001"
WHOLE = np.arange(12, dtype=np.float32).reshape(4, 3)


def small() -> Bundle:
    made = Bundle().add("bias", np.ones(3, np.float32)).add("kernel", WHOLE)
    return made.add("names", np.array([b"one", b"three"], object))


def shards() -> Bundle:
    return Bundle(shards=2).add("bias", np.ones(3, np.float32)).add("kernel", WHOLE, 1)


def pieces(*parts: tuple[tuple[int, int | None], ...]) -> Bundle:
    return Bundle().add_pieces("kernel", WHOLE, parts)


def refused(attempt: Callable[[], object], *named: str) -> LeafError:
    with pytest.raises(LeafError) as caught:
        attempt()
    for each in named:
        assert each in str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value


def read_all(path: Path) -> None:
    found = Checkpoint(path)
    for key in found.keys():  # noqa: SIM118
        found.tensor(key)


def spoiled(data: bytes, at: int, flip: int = 1) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]


# Files.


def test_nothing_there(tmp_path: Path) -> None:
    refused(lambda: Checkpoint(tmp_path / "no" / "c"), str(tmp_path / "no" / "c"), "nothing there")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no checkpoint")
    refused(lambda: Checkpoint(tmp_path), str(tmp_path), "a folder without any", ".index")


def test_a_folder_of_several_checkpoints_and_no_word_which(tmp_path: Path) -> None:
    for name in ("b", "a"):
        small().write(tmp_path / name)
    refused(lambda: Checkpoint(tmp_path), "2 .index files", "a.index, b.index")


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"no checkpoint")
    refused(lambda: Checkpoint(path), str(path), "a file of another kind")


def test_a_saved_model_without_variables(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    refused(lambda: Checkpoint(tmp_path), "variables.index")


@pytest.mark.parametrize("name", ["c.index", DATA])
def test_a_folder_or_a_pipe_where_a_file_should_be(tmp_path: Path, name: str) -> None:
    for make in (Path.mkdir, os.mkfifo):
        small().write(tmp_path / "c")
        (tmp_path / name).unlink()
        make(tmp_path / name)
        refused(lambda: read_all(tmp_path / "c"), str(tmp_path / "c"))
        (tmp_path / name).rmdir() if make is Path.mkdir else (tmp_path / name).unlink()


def test_a_shard_missing(tmp_path: Path) -> None:
    shards().write(tmp_path / "c")
    (tmp_path / "c.data-00001-of-00002").unlink()
    refused(lambda: Checkpoint(tmp_path / "c"), "c.data-00001-of-00002", "nothing there", "copy")


@pytest.mark.parametrize("text", [b"", b"model_checkpoint_path: 3", b'model_checkpoint_path: "'])
def test_a_state_file_that_names_nothing(tmp_path: Path, text: bytes) -> None:
    small().write(tmp_path / "c")
    (tmp_path / "checkpoint").write_bytes(text)
    refused(lambda: Checkpoint(tmp_path), str(tmp_path / "checkpoint"), "model_checkpoint_path")


@pytest.mark.parametrize("name", ["gone", "..", "", "a/", "\\000", "\\377", "sub\\\\..", "x" * 999])
def test_a_state_file_that_names_what_is_not_there(tmp_path: Path, name: str) -> None:
    small().write(tmp_path / "c")
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{name}"\n')
    refused(lambda: Checkpoint(tmp_path), str(tmp_path / "checkpoint"))


def test_a_state_file_that_is_huge(tmp_path: Path) -> None:
    with (tmp_path / "checkpoint").open("wb") as file:
        file.truncate(1 << 40)  # sparse
    refused(lambda: Checkpoint(tmp_path), str(tmp_path / "checkpoint"), str(1 << 40))


def test_a_huge_index_of_another_kind_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / INDEX).open("wb") as file:
        file.truncate(1 << 40)
    refused(lambda: Checkpoint(tmp_path / "c"), INDEX, MAGIC.hex())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", [INDEX, DATA])
def test_a_file_that_may_not_be_read(tmp_path: Path, name: str) -> None:
    small().write(tmp_path / "c")
    (tmp_path / name).chmod(0)
    refused(lambda: read_all(tmp_path / "c"), name, "Permission denied")


def test_a_path_that_the_system_refuses(tmp_path: Path) -> None:
    refused(lambda: Checkpoint(tmp_path / ("x" * 5000)), "File name too long")
    refused(lambda: Checkpoint(f"{tmp_path}/a\x00b"), "nothing there")


# Damage.


def test_each_truncation_is_noticed(tmp_path: Path) -> None:
    whole = small().files()
    for name, data in whole.items():
        for size in range(len(data)):
            write_files(tmp_path / "c", {**whole, name: data[:size]})
            refused(lambda: read_all(tmp_path / "c"), f"c{name}")


def test_each_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """But for the index's padding, and what its footer says of the empty meta index."""
    unused, whole = 0, small().files()
    for name, data in whole.items():
        for at in range(len(data)):
            for bit in range(8):
                write_files(tmp_path / "c", {**whole, name: spoiled(data, at, 1 << bit)})
                try:
                    read_all(tmp_path / "c")
                except LeafError:
                    continue
                assert name == ".index"
                assert len(data) - 48 <= at < len(data) - 8
                unused += 1
    assert unused <= 8 * 40


def test_a_flipped_byte_of_a_tensor_names_its_file_and_key(tmp_path: Path) -> None:
    files = small().files()
    files[".data-00000-of-00001"] = spoiled(files[".data-00000-of-00001"], 5)
    found = Checkpoint(write_files(tmp_path / "c", files))
    refused(lambda: found.tensor("bias"), DATA, "bias", "CRC-32C")
    found.tensor("kernel")


def test_a_flipped_byte_of_a_string_names_its_file_and_key(tmp_path: Path) -> None:
    files = small().files()
    files[".data-00000-of-00001"] = spoiled(files[".data-00000-of-00001"], -1)
    refused(lambda: read_all(write_files(tmp_path / "c", files)), DATA, "names", "of the strings")


def test_wrong_lengths_of_strings(tmp_path: Path) -> None:
    for data in (varint(1) + b"\x00" * 5, varint(2**63), b"\xff" * 14, strings([b"ab"])[0] + b"!"):
        made = Bundle().add("names", np.array([b"ab", b""], object))
        made.shards[0][:] = data
        made.change("names", size=len(data), crc=masked(crc32c(data)))
        refused(lambda: read_all(made.write(tmp_path / "c")), "names")  # noqa: B023


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    found = Checkpoint(small().write(tmp_path / "c"))
    (tmp_path / DATA).write_bytes(b"short")
    refused(lambda: found.tensor("kernel"), DATA, "kernel", "0 bytes")
    (tmp_path / DATA).unlink()
    refused(lambda: found.tensor("kernel"), DATA, "No such file")


# Sizes and places.

BIG = 2**40


@pytest.mark.parametrize(
    "fields",
    [
        {"size": BIG},
        {"offset": BIG},
        {"offset": 2**63 - 1, "size": 2**63 - 1},
        {"offset": -1},
        {"size": -1},
        {"shape": (BIG,), "size": 4 * BIG},
        {"shape": (BIG, BIG)},
        {"shape": (2**62, 4)},
        {"shape": (2**62, 0, 2**62)},
        {"shape": (-1,)},
        {"shape": (1,) * 33},
        {"shape": (2,)},
        {"shape": ()},
        {"shard": 1},
        {"shard": -1},
        {"shard": 2**31},
        {"dtype": 0},
        {"dtype": 99},
        {"dtype": 2},
        {"dtype": 101},
        {"offset": 1},
    ],
    ids=str,
)
def test_a_wrong_entry_is_refused_at_opening(tmp_path: Path, fields: dict[str, int]) -> None:
    made = small().change("kernel", **fields)
    refused(lambda: Checkpoint(made.write(tmp_path / "c")), str(tmp_path / "c"))


def test_a_size_that_would_allocate_gigabytes_names_the_key(tmp_path: Path) -> None:
    made = small().change("kernel", shape=(BIG,), size=4 * BIG)
    refused(lambda: Checkpoint(made.write(tmp_path / "c")), DATA, "kernel", "bytes")


def test_numbers_that_are_told_to_be_strings(tmp_path: Path) -> None:
    made = small().change("kernel", dtype=7)
    refused(lambda: read_all(made.write(tmp_path / "c")), DATA, "kernel", "strings")


def test_tensors_that_overlap(tmp_path: Path) -> None:
    made = small().change("kernel", offset=0)
    refused(lambda: Checkpoint(made.write(tmp_path / "c")), INDEX, "bytes of its own")


@pytest.mark.parametrize("dtype", [11, 20, 21, 24])
def test_types_that_no_weight_has_are_listed_but_not_read(tmp_path: Path, dtype: int) -> None:
    found = Checkpoint(small().change("kernel", dtype=dtype).write(tmp_path / "c"))
    assert found.shape("kernel") == (4, 3)
    refused(lambda: found.tensor("kernel"), "kernel", found.dtype("kernel"))


def test_a_bool_that_is_neither(tmp_path: Path) -> None:
    made = Bundle().add("flag", np.array([0, 2], np.uint8)).change("flag", dtype=10)
    refused(lambda: read_all(made.write(tmp_path / "c")), DATA, "flag", "0 or 1")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        header(0),
        header(-1),
        header(1, needs=2),
        number(1, 1) + number(2, 2),
        part(1, b"1"),
        b"\xff",
    ],
    ids=bytes.hex,
)
def test_a_wrong_header(tmp_path: Path, head: bytes) -> None:
    made = small()
    index = table([(b"", head), *made.pairs()[1:]])
    refused(lambda: Checkpoint(made.write(tmp_path / "c", index)), INDEX, "header")


def test_no_header(tmp_path: Path) -> None:
    for pairs in ([], small().pairs()[1:]):
        made = small().write(tmp_path / "c", table(pairs))
        refused(lambda: Checkpoint(made), INDEX, "header")  # noqa: B023


def test_a_shape_that_is_not_known(tmp_path: Path) -> None:
    value = number(1, 1) + part(2, number(3, 1)) + fixed32(6, 0)
    index = table([(b"", header()), (b"kernel", value)])
    refused(lambda: Checkpoint(small().write(tmp_path / "c", index)), "kernel", "unknown rank")


# Keys.


@pytest.mark.parametrize("pairs", [[(b"b", b""), (b"a", b"")], [(b"a", b""), (b"a", b"")]])
def test_keys_out_of_order_or_twice(tmp_path: Path, pairs: list[tuple[bytes, bytes]]) -> None:
    for size in (1 << 18, 0):
        index = table([(b"", header()), *pairs], size)
        refused(lambda: Checkpoint(small().write(tmp_path / "c", index)), INDEX, "a key after")  # noqa: B023


def test_a_key_that_is_no_text(tmp_path: Path) -> None:
    made = Bundle().add(b"\xff\xfe", WHOLE)
    refused(lambda: Checkpoint(made.write(tmp_path / "c")), INDEX, "UTF-8")


def test_a_key_that_would_spoil_the_terminal_is_told_in_letters(tmp_path: Path) -> None:
    made = Bundle().add("\x1b[2Jkernel\n", WHOLE).change("\x1b[2Jkernel\n", size=4)
    refused(lambda: Checkpoint(made.write(tmp_path / "c")), r"\x1b[2Jkernel\n")


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    found = Checkpoint(small().write(tmp_path / "c"))
    for attempt in (found.tensor, found.shape, found.dtype):
        refused(lambda: attempt("gone"), INDEX, "gone", "one of 3 keys")  # noqa: B023


# Pieces.


@pytest.mark.parametrize(
    "parts",
    [
        [((0, 2), (0, 3)), ((1, 2), (0, 3))],
        [((0, 2), (0, None)), ((0, 2), (0, None))],
        [((0, 4), (0, 2))],
    ],
)
def test_pieces_that_leave_a_gap(
    tmp_path: Path, parts: list[tuple[tuple[int, int | None], ...]]
) -> None:
    refused(lambda: read_all(pieces(*parts).write(tmp_path / "c")), "kernel", "pieces")


@pytest.mark.parametrize(
    "piece",
    [((3, 2), (0, None)), ((5, None), (0, None)), ((0, 0), (0, None)), ((-1, 2), (0, None))],
)
def test_a_piece_that_leaves_the_whole(
    tmp_path: Path, piece: tuple[tuple[int, int | None], ...]
) -> None:
    made = pieces(((0, 2), (0, None)), ((2, 2), (0, None)))
    made.change("kernel", slices=(((0, 2), (0, None)), piece))
    refused(lambda: Checkpoint(made.write(tmp_path / "c")), INDEX, "kernel")


def test_a_piece_that_is_missing(tmp_path: Path) -> None:
    made = pieces(((0, 2), (0, None)), ((2, 2), (0, None)))
    del made.entries[next(key for key in made.entries if key.startswith(b"\x00"))]
    refused(lambda: Checkpoint(made.write(tmp_path / "c")), "kernel", "1 are missing")


def test_a_piece_of_nothing(tmp_path: Path) -> None:
    made = pieces(((0, 2), (0, None)), ((2, 2), (0, None)))
    del made.entries[b"kernel"]
    refused(lambda: Checkpoint(made.write(tmp_path / "c")), INDEX, "2 of none")


def test_a_piece_of_another_type_or_rank(tmp_path: Path) -> None:
    for fields in ({"dtype": 3}, {"shape": (4, 3, 1)}):
        made = pieces(((0, 2), (0, None)), ((2, 2), (0, None))).change("kernel", **fields)
        refused(lambda: Checkpoint(made.write(tmp_path / "c")), "kernel")  # noqa: B023


# The table.


def raw_table(contents: bytes, compression: int = 0) -> bytes:
    """A table of one block, with these contents."""
    return table([(b"", header())], change=lambda _: contents, compression=compression)


def test_a_compressed_index(tmp_path: Path) -> None:
    for compression, named in ((1, "snappy"), (7, "compression 7")):
        index = table(small().pairs(), compression=compression)
        refused(lambda: Checkpoint(small().write(tmp_path / "c", index)), INDEX, named)  # noqa: B023


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


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


# The object graph.


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [node({"a": 1})],
        [node({"a": -1})],
        [node(slots=[(0, "m", 9)])],
        [b"\xff"],
        [b"\x08\x01"],
    ],
    ids=str,
)
def test_a_wrong_object_graph(tmp_path: Path, nodes: list[bytes]) -> None:
    found = Checkpoint(Bundle().add_graph(nodes).write(tmp_path / "c"))
    refused(found.object_graph, INDEX, "_CHECKPOINTABLE_OBJECT_GRAPH")


def test_no_object_graph(tmp_path: Path) -> None:
    refused(Checkpoint(small().write(tmp_path / "c")).object_graph, "none", "save_weights")


def test_an_object_graph_that_is_no_string(tmp_path: Path) -> None:
    made = Bundle().add("_CHECKPOINTABLE_OBJECT_GRAPH", WHOLE)
    refused(Checkpoint(made.write(tmp_path / "c")).object_graph, "float32 of shape (4, 3)")


def test_an_object_graph_that_names_a_key_which_is_not_there(tmp_path: Path) -> None:
    made = Bundle().add_graph([node({"a": 1}), node(variable=("a", "gone"))])
    refused(Checkpoint(made.write(tmp_path / "c")).variables, "gone")
