"""What the processes of test_features_command_scale.py are for; no tests in here."""

from __future__ import annotations

import os
import signal
import time
import warnings
from pathlib import Path

from leaf_port.errors import FilterWarning, LeafError


def ten() -> int:
    return 10


def plus(state: int, task: int) -> int:
    """``state + task``; refuses 3, warns of 5."""
    if task == 3:
        raise LeafError("features", "three", "another number", ValueError("3"), "leave it out")
    if task == 5:
        warnings.warn("of five", FilterWarning, stacklevel=1)
    return state + task


def dies(state: int, task: int) -> int:
    if task == 1:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return state + task


def says_who_and_waits(state: int, task: Path) -> int:
    """Leaves its process' number in a file, and does not come back."""
    made = task.with_suffix(".new")
    made.write_text(str(os.getpid()))
    made.rename(task)
    time.sleep(600)
    return state
