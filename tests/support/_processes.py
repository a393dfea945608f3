"""Processes that a test has started, found by a mark in their environment."""

from __future__ import annotations

import contextlib
import time
import uuid
from pathlib import Path

import pytest

_NAME = "LEAF_PORT_TEST_MARK"


class Marked:
    """All processes that are started from now on, and what they start."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        mark = uuid.uuid4().hex
        monkeypatch.setenv(_NAME, mark)
        self._sign = f"{_NAME}={mark}".encode()

    def running(self) -> list[int]:
        """Their ids; a zombie has no environment any more and is none of them."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._sign in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def left(self, seconds: float = 10.0) -> list[int]:
        """What still runs; a process that was killed takes a moment to end."""
        end = time.monotonic() + seconds
        while self.running() and time.monotonic() < end:
            time.sleep(0.01)
        return self.running()
