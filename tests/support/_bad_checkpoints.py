"""What the tests of bad checkpoints share."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _bundle_writer import (
    Bundle,
)

from leaf_port.errors import LeafError
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint

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


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)
