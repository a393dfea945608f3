"""The reader of tensor bundles: what is written is read, in every form a bundle can take."""

from __future__ import annotations

import itertools
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _bundle_writer import NUMBERS, BFloat16, Bundle, node
from fuzz_tensor_bundle import Tally, run
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.formats.tensorflow.crc32c import crc32c, masked
from weight_conversion.formats.tensorflow.slices import piece_key

WHOLE = np.arange(12, dtype=np.float32).reshape(4, 3)


def written(bundle: Bundle, prefix: Path, **options: Any) -> Checkpoint:
    return Checkpoint(bundle.write(prefix, **options))


# What may be named.


def test_every_name_of_a_checkpoint(tmp_path: Path) -> None:
    Bundle().add("kernel", WHOLE).write(tmp_path / "ckpt-3")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/else/where/ckpt-3"\n')
    for path in ("ckpt-3", "ckpt-3.index", "", "checkpoint"):
        assert Checkpoint(tmp_path / path).prefix == tmp_path / "ckpt-3"
        assert Checkpoint(str(tmp_path / path)).keys() == ["kernel"]


@pytest.mark.parametrize("state", ["C:\\\\runs\\\\c", "../c", "c", "\\143", "\\x63"])
def test_only_the_last_part_of_a_state_files_path_counts(tmp_path: Path, state: str) -> None:
    Bundle().write(tmp_path / "c")
    Bundle().write(tmp_path / "other")
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{state}"\n')
    assert Checkpoint(tmp_path).prefix == tmp_path / "c"


def test_the_prefix_of_the_official_training_is_named_as_the_state_file(tmp_path: Path) -> None:
    Bundle().write(tmp_path / "checkpoint")
    Bundle().write(tmp_path / "other")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "other"\n')
    assert Checkpoint(tmp_path / "checkpoint").prefix == tmp_path / "checkpoint"
    assert Checkpoint(tmp_path).prefix == tmp_path / "other"


def test_a_folder_with_one_index(tmp_path: Path) -> None:
    Bundle().write(tmp_path / "c")
    assert Checkpoint(tmp_path).prefix == tmp_path / "c"


def test_a_saved_model(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    Bundle().write(tmp_path / "variables" / "variables")
    assert Checkpoint(tmp_path).prefix == tmp_path / "variables" / "variables"


# What is read.


def test_bfloat16_becomes_float32_without_loss(tmp_path: Path) -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    found = written(Bundle().add("x", BFloat16(bits)), tmp_path / "c")
    assert found.dtype("x") == "bfloat16"
    expected = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    np.testing.assert_array_equal(
        found.tensor("x").view(np.uint32), expected.view(np.uint32), strict=True
    )


def test_a_tensor_is_the_callers_own(tmp_path: Path) -> None:
    found = written(Bundle().add("x", WHOLE), tmp_path / "c")
    found.tensor("x")[:] = 0
    np.testing.assert_array_equal(found.tensor("x"), WHOLE)


def test_a_checkpoint_of_nothing(tmp_path: Path) -> None:
    assert written(Bundle(), tmp_path / "c").keys() == []


def test_crc_of_the_standard() -> None:
    """RFC 3720, B.4; and as TensorFlow masks it (crc32c_test.cc: another number than itself)."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(np.zeros(32, np.uint8)) == 0x8A9136AA
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283
    assert masked(0) == 0xA282EAD8
    assert masked(0xE3069283) == 0xC78AB0E5


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, "80"),
        (63, "bf"),
        (64, "c040"),
        (8191, "dfff"),
        (8192, "e02000"),
        (-1, "7f"),
        (-64, "40"),
        (-65, "3fbf"),
        (2**31 - 1, "f87fffffff"),
        (2**62 - 1, "ffbfffffffffffffff"),
        (2**62, "ffc04000000000000000"),
        (2**63 - 1, "ffc07fffffffffffffff"),
    ],
)
def test_the_order_preserving_code(value: int, code: str) -> None:
    """Worked out by hand from the description in ordered_code.cc."""
    made = piece_key(b"a", ((value, 1),))
    assert made == b"\x00a\x00\x01\x01\x01" + bytes.fromhex(code) + b"\x81"


def test_names_of_pieces_are_escaped() -> None:
    assert piece_key(b"\x00\xff", ()) == b"\x00\x00\xff\xff\x00\x00\x01\x00"


# Drawn bundles.

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30
).filter(lambda text: not text.startswith("\0"))
PATHS = st.builds("/".join, st.lists(st.sampled_from(["_encoder", "layer", "kernel", "m"])))
SHAPES = st.one_of(
    st.just(()), numpy_st.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)
)


@st.composite
def tensors(draw: st.DrawFn) -> Any:
    """A tensor of any type and shape."""
    kind = draw(st.sampled_from([*NUMBERS, "string", "bfloat16"]))
    shape = draw(SHAPES)
    if kind == "string":
        count = math.prod(shape)
        texts = draw(st.lists(st.binary(max_size=200), min_size=count, max_size=count))
        made = np.empty(count, object)
        made[:] = texts
        return made.reshape(shape)
    if kind == "bfloat16":
        return BFloat16(draw(numpy_st.arrays(np.uint16, shape)))
    return draw(numpy_st.arrays(np.dtype(kind), shape))


@st.composite
def tilings(draw: st.DrawFn) -> tuple[Any, list[list[tuple[int, int | None]]]]:
    """A tensor and boxes that fill it: a grid, some of whose axes are whole."""
    shape = draw(st.lists(st.integers(1, 90), min_size=1, max_size=3))
    boxes: list[list[tuple[int, int | None]]] = [[]]
    for size in shape:
        if draw(st.booleans()):
            boxes = [[*box, (0, None)] for box in boxes]
            continue
        cuts = sorted({0, size, *draw(st.lists(st.integers(0, size), max_size=3))})
        spans = [(a, b - a) for a, b in itertools.pairwise(cuts)]
        boxes = [[*box, span] for box in boxes for span in spans]
    numbers = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
    return numbers, draw(st.permutations(boxes))


def as_read(value: Any) -> Any:
    if isinstance(value, BFloat16):
        return (value.bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return value


def assert_same(found: Any, expected: Any) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if expected.dtype == object:
        assert found.tolist() == expected.tolist()
    else:
        assert found.tobytes() == expected.tobytes()


@settings(deadline=None, max_examples=150)
@given(
    values=st.dictionaries(NAMES | PATHS.filter(bool), tensors(), max_size=12),
    pieces=st.none() | tilings(),
    shards=st.integers(1, 4),
    big=st.booleans(),
    block_size=st.sampled_from([0, 30, 200, 1 << 18]),
    restarts=st.sampled_from([1, 2, 3, 16]),
    data=st.data(),
)
def test_what_is_written_is_read(
    values: dict[str, Any],
    pieces: tuple[Any, list[Any]] | None,
    shards: int,
    big: bool,
    block_size: int,
    restarts: int,
    data: st.DataObject,
) -> None:
    bundle = Bundle(shards, big)
    for key, value in values.items():
        bundle.add(key, value, data.draw(st.integers(0, shards - 1)))
    expected = {key: as_read(value) for key, value in values.items()}
    if pieces is not None:
        bundle.add_pieces("in pieces", *pieces, shard=data.draw(st.integers(0, shards - 1)))
        expected["in pieces"] = pieces[0]
    with tempfile.TemporaryDirectory() as folder:
        options = {"block_size": block_size, "restarts": restarts}
        found = written(bundle, Path(folder, "c"), **options)
        assert found.keys() == sorted(expected, key=str.encode)
        for key, value in expected.items():
            assert found.shape(key) == value.shape
            assert_same(found.tensor(key), value)


def test_many_keys_in_many_blocks(tmp_path: Path) -> None:
    names = [f"_encoder/layer-{i}/.ATTRIBUTES/VARIABLE_VALUE" for i in range(3000)]
    bundle = Bundle()
    for i, name in enumerate(names):
        bundle.add(name, np.int64(i))
    found = written(bundle, tmp_path / "c", block_size=4096)
    assert {name: int(found.tensor(name)) for name in found.keys()} == {  # noqa: SIM118
        name: i for i, name in enumerate(names)
    }


# The object graph.


def test_paths_avoid_the_lists_of_keras(tmp_path: Path) -> None:
    nodes = [
        node({"variables": 1, "keras_api": 2, "_head": 3}),
        node({"0": 4, "1": 5}),
        node({"only_here": 5}),
        node({"kernel": 4, "root": 0}),
        node(variable=("dense/kernel", "variables/0")),
        node(variable=("hidden", "variables/1")),
    ]
    bundle = Bundle().add_graph(nodes).add("variables/0", WHOLE).add("variables/1", WHOLE)
    found = written(bundle, tmp_path / "c")
    assert found.variables() == {"_head/kernel": "variables/0", "variables/1": "variables/1"}
    graph = found.object_graph()
    assert graph.child("variables/0") is graph.child("_head/root/_head/kernel")
    assert graph.child("_head/bias") is None


# Mutants: see fuzz_tensor_bundle.py, which runs as many as one likes.


def test_mutants_are_read_or_refused_in_little_memory(tmp_path: Path) -> None:
    tally: Tally = run(1500, 0, tmp_path, lambda *_: None)
    assert tally.failures == []
    assert min(tally.outcomes.values()) > 100
    assert set(tally.outcomes) == {"read", "refused at opening", "refused at reading"}
