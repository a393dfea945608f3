"""The lines of the project that are executed."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
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


def below_root(seen: Mapping[str, set[int]]) -> Lines:
    """The same by the path below the project's folder, for JSON."""
    return {str(Path(name).relative_to(ROOT)): sorted(each) for name, each in seen.items()}


def of_imports(folders: Sequence[str]) -> Lines:
    """The lines that are executed while all modules are imported. The target of a new process."""
    from parity.commands.mutants import warm

    with lines(folders) as seen:
        warm.load()
    return below_root(seen)
