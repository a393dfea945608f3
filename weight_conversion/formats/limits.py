"""What a process that reads a file of somebody else's may take: memory, processor time, no core.

A damaged or hostile file can make HDF5's library or a pickle ask for anything. Whoever reads one
does so in a process of its own (``weight_conversion.formats.child_process``), which calls
:func:`confine` first.
"""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

SPARE_MEMORY = 512 << 20
TIMES = 6
"""Memory: so many bytes beside what the libraries have taken, and so many times the file."""

CPU_SECONDS = 2.0
BYTES_PER_SECOND = 20e6
"""Time of the processor: so long, and as long as a slow one takes for the file."""


def confine(size: int) -> None:
    """Limits this process from here on, for a file of ``size`` bytes."""
    try:
        import resource
    except ImportError:  # Windows
        return
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS + size / BYTES_PER_SECOND)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_AS, _address_space() + SPARE_MEMORY + TIMES * size)


def _lower(kind: int, wanted: int) -> None:
    import resource

    _, hard = resource.getrlimit(kind)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):  # a system that knows the limit by name alone
        resource.setrlimit(kind, (limit, hard))


def _address_space() -> int:
    """How much this process has mapped already; a guess where the system does not tell."""
    import resource

    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 4 << 30
    return pages * resource.getpagesize()
