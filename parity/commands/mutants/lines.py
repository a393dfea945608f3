"""The lines of the project that are executed."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from parity.commands.mutants.mutant import ROOT

Lines = dict[str, list[int]]
"""Of each file, the lines that were executed."""


@contextlib.contextmanager
def lines(folders: Sequence[str]) -> Iterator[dict[str, set[int]]]:
    """The lines of the project's folders that are executed inside, by absolute path.

    Those of threads too: torch computes gradients in one of its own.
    """
    found: dict[str, set[int]] = {}

    def entered(frame: FrameType, event: str, argument: Any) -> Any:
        seen = found.setdefault(frame.f_code.co_filename, set())
        seen.add(frame.f_lineno)

        def within(frame: FrameType, event: str, argument: Any) -> Any:
            seen.add(frame.f_lineno)
            return within

        return within

    with _traced(folders, entered):
        yield found


@contextlib.contextmanager
def functions(folders: Sequence[str]) -> Iterator[dict[str, set[int]]]:
    """As :func:`lines`, the first lines of functions alone, which takes next to no time."""
    found: dict[str, set[int]] = {}

    def entered(frame: FrameType, event: str, argument: Any) -> None:
        found.setdefault(frame.f_code.co_filename, set()).add(frame.f_code.co_firstlineno)

    with _traced(folders, entered):
        yield found


@contextlib.contextmanager
def _traced(folders: Sequence[str], entered: Callable[..., Any]) -> Iterator[None]:
    """Calls ``entered`` for each function of the folders that begins, in any thread."""
    heads = tuple(f"{ROOT / folder}/" for folder in folders)

    def each(frame: FrameType, event: str, argument: Any) -> Any:
        return (
            entered(frame, event, argument) if frame.f_code.co_filename.startswith(heads) else None
        )

    before = sys.gettrace()
    threading.settrace(each)
    sys.settrace(each)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(None)


def below_root(seen: Mapping[str, set[int]]) -> Lines:
    """The same by the path below the project's folder, for JSON."""
    return {str(Path(name).relative_to(ROOT)): sorted(each) for name, each in seen.items()}


def of_imports(folders: Sequence[str]) -> Lines:
    """The lines that are executed while all modules are imported. The target of a new process."""
    from parity.commands.mutants import warm

    with lines(folders) as seen:
        warm.load()
    return below_root(seen)
