"""The peak of a computation's memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from leaf_port import _peak_memory


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its peak")
def test_what_is_freed_again_counts() -> None:
    """200 MB, of which nothing is left."""
    total, grown = _peak_memory.peak(lambda: float(np.ones(25_000_000).sum()))
    assert total == 25_000_000
    assert grown is not None
    assert 190e6 < grown < 400e6
    _, later = _peak_memory.peak(lambda: None)
    assert later is not None
    assert later < 100e6


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The computation is made all the same."""
    monkeypatch.setattr(_peak_memory, "_RESET", tmp_path / "none" / "clear_refs")
    assert _peak_memory.peak(lambda: 3) == (3, None)
