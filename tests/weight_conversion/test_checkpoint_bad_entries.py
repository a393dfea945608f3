"""Checkpoints whose entries cannot be: refused before anything is read or allocated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _bad_checkpoints import (
    DATA,
    INDEX,
    WHOLE,
    pieces,
    read_all,
    refused,
    small,
)
from _bundle_writer import (
    Bundle,
    fixed32,
    header,
    node,
    number,
    part,
    table,
)

from weight_conversion.formats.tensorflow.checkpoint import Checkpoint

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
