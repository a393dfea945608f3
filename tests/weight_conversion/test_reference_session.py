"""Drawn checkpoints: TensorFlow's own against our reader, and our writer's against TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _bundle_writer import NUMBERS, BFloat16, Bundle

from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.reference.session import Official, packed
from weight_conversion.reference.worker import sha256


@pytest.fixture(scope="module")
def official(request: pytest.FixtureRequest) -> Iterator[Official]:
    request.getfixturevalue("live_module")
    with Official() as running:
        yield running


def drawn(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Tensors of all types, of random shapes, on one to five shards, some in pieces."""
    shards = int(rng.integers(1, 6))
    made: list[dict[str, Any]] = []

    def add(key: str, value: Any, spec: str = "", bfloat16: bool = False) -> None:
        item = {"key": key, "value": packed(value), "slice": spec, "bfloat16": bfloat16}
        made.append({**item, "shard": int(rng.integers(shards))})

    for i in range(int(rng.integers(1, 80))):
        shape = tuple(int(n) for n in rng.integers(0, 6, rng.integers(0, 5)))
        kind = str(rng.choice([*NUMBERS, "string", "bfloat16"]))
        numbers = rng.integers(0, 2 if kind == "bool" else 100, shape)
        key = f"layer_with_weights-{i}/{kind}/.ATTRIBUTES/VARIABLE_VALUE"
        if kind == "string":
            texts = np.empty(numbers.size, object)
            texts[:] = [rng.bytes(int(rng.integers(0, 300))) for _ in range(numbers.size)]
            add(key, texts.reshape(shape))
        else:
            bfloat16 = kind == "bfloat16"
            add(key, numbers.astype("float32" if bfloat16 else kind), bfloat16=bfloat16)
    rows = int(rng.choice([3, 100, 9000, 20000]))
    cut = int(rng.integers(1, rows))
    whole = rng.integers(0, 255, (rows, 2)).astype(np.uint8)
    for start, stop in ((0, cut), (cut, rows)):
        add("in/pieces", whole[start:stop], f"{rows} 2 {start},{stop - start}:-")
    return made


@pytest.mark.parametrize("seed", range(20))
def test_checkpoints_of_tensorflow_are_read_as_it_reads_them(
    official: Official, tmp_path: Path, seed: int
) -> None:
    tensors = drawn(np.random.default_rng(seed))
    prefix = tmp_path / "c"
    told = official.do("write", prefix=str(prefix), tensors=tensors)["checkpoints"]["c"]
    found = Checkpoint(prefix)
    read = {
        key: {
            "dtype": found.dtype(key),
            "shape": list(found.shape(key)),
            "sha256": sha256(found.tensor(key)),
        }
        for key in sorted(found.keys())
    }
    assert read == told
    assert len(read) == len({item["key"] for item in tensors})


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(("block_size", "restarts"), [(1 << 18, 16), (50, 1), (0, 3)])
def test_tensorflow_reads_what_the_tests_write(
    official: Official, tmp_path: Path, big: bool, block_size: int, restarts: int
) -> None:
    """So what else the tests write is really of the format: both byte orders too."""
    rng = np.random.default_rng(7)
    bundle = Bundle(shards=3, big=big)
    for i, kind in enumerate([*NUMBERS, "bfloat16"] * 2):
        numbers = rng.integers(0, 2, (i % 3, 4) if i % 4 else ())
        value = numbers.astype("uint16" if kind == "bfloat16" else kind)
        bundle.add(f"{i}/{kind}", BFloat16(value) if kind == "bfloat16" else value, i % 3)
    bundle.add("strings", np.array([b"", b"a\x00", b"b" * 200], object))
    whole = rng.integers(0, 255, (20000, 2)).astype(np.uint8)
    bundle.add_pieces("pieces", whole, [[(0, 9000), (0, None)], [(9000, 11000), (0, None)]])
    prefix = bundle.write(tmp_path / "c", block_size=block_size, restarts=restarts)
    found = Checkpoint(prefix)
    told = official.values(prefix)
    assert sorted(told) == sorted(found.keys())
    for key, (dtype, value) in told.items():
        assert found.dtype(key) == dtype
        assert sha256(found.tensor(key)) == sha256(value)
