"""Which lines of the port each check executes, and how long it takes."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parity.commands.mutants.automatic import tested
from parity.commands.mutants.automatic.asked import TEST, Asked, Layer
from parity.commands.mutants.lines import below_root, lines


def set_kernel(kernel: str) -> None:
    """Has this process compute energies by the kernel that is asked."""
    if kernel:
        os.environ["LEAF_PORT_KERNEL"] = kernel


def of_layer(name: str, prepared: str, kernel: str, folders: Sequence[str]) -> list[dict[str, Any]]:
    """Every check of a layer: its lines and seconds of the processor. A worker's target.

    Raises:
        RuntimeError: the healthy port does not pass one.
    """
    from parity.port import processor

    set_kernel(kernel)
    processor.prepare()
    layer, found = Layer(name, Path(prepared), kernel), []
    for asked in layer.all():
        with lines(folders) as seen:
            problem = layer.problem(asked)
        if problem:
            raise RuntimeError(f"{asked} does not pass with the healthy port: {problem}")
        began = time.process_time()
        layer.problem(asked)  # without the trace, which takes its time
        seconds = time.process_time() - began
        found.append(_told(asked, seen, seconds))
    return found


def of_tests(file: str, folders: Sequence[str]) -> list[dict[str, Any]]:
    """Every test of a file that passes: its lines and seconds. A worker's target."""
    found = tested.trace(file, folders)
    return [
        _told(Asked(file, TEST, name), seen, seconds) for name, (seconds, seen) in found.items()
    ]


def _told(asked: Asked, seen: dict[str, set[int]], seconds: float) -> dict[str, Any]:
    told = dataclasses.asdict(asked)
    return {"asked": told, "seconds": seconds, "lines": below_root(seen)}
