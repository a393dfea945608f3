"""How much memory a computation takes at its peak, as the system tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def peak(compute: Callable[[], T]) -> tuple[T, int | None]:
    """What ``compute`` gives, and by how many bytes the process grew meanwhile at most.

    None where the system does not tell (it is Linux that does). What the process had freed before
    and still held is not counted again: of many computations in one process the first tell more.
    """
    try:
        _RESET.write_text("5")  # the peak is what is held now
        before = _kilobytes("VmRSS")
    except OSError:
        return compute(), None
    given = compute()
    return given, 1024 * max(0, _kilobytes("VmHWM") - before)


def _kilobytes(name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
