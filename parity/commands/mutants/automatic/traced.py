"""Which lines of the port each check executes, and how long it takes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from parity.commands.mutants.automatic.asked import Asked, Layer
from parity.commands.mutants.automatic.edit import ROOT

Lines = dict[str, list[int]]
"""Of each file, the lines that were executed."""


@contextlib.contextmanager
def lines(folders: Sequence[str]) -> Iterator[dict[str, set[int]]]:
    """The lines of the project's folders that are executed inside.

    Those of threads too: torch computes gradients in one of its own.
    """
    found: dict[str, set[int]] = {}
    heads = tuple(f"{ROOT / folder}/" for folder in folders)

    def entered(frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(heads):
            return None
        seen = found.setdefault(name, set())
        seen.add(frame.f_lineno)

        def within(frame: FrameType, event: str, argument: Any) -> Any:
            seen.add(frame.f_lineno)
            return within

        return within

    before = sys.gettrace()
    threading.settrace(entered)
    sys.settrace(entered)
    try:
        yield found
    finally:
        sys.settrace(before)
        threading.settrace(None)


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


def of_imports(folders: Sequence[str]) -> Lines:
    """The lines that are executed while all modules are imported. A worker's target."""
    from parity.commands.mutants.automatic import warm

    with lines(folders) as seen:
        warm.load()
    return _below_root(seen)


def _told(asked: Asked, seen: dict[str, set[int]], seconds: float) -> dict[str, Any]:
    told = dataclasses.asdict(asked)
    return {"asked": told, "seconds": seconds, "lines": _below_root(seen)}


def _below_root(seen: dict[str, set[int]]) -> Lines:
    return {str(Path(name).relative_to(ROOT)): sorted(each) for name, each in seen.items()}
