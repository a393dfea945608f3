"""Clips that fail while others succeed, and what is told about filters."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from leaf_port._cli.text import printable
from leaf_port.errors import FilterWarning, LeafError


class Failures:
    """The errors of single clips, kept where the others go on.

    Args:
        skip: whether they are kept; else the first one is raised.
    """

    def __init__(self, skip: bool) -> None:
        self._skip = skip
        self._errors: list[LeafError] = []

    def __len__(self) -> int:
        return len(self._errors)

    def add(self, error: LeafError) -> None:
        """Keeps an error that an earlier run met."""
        self._errors.append(error)

    @contextlib.contextmanager
    def caught(self, clip: Path, skipped: Callable[[LeafError], object]) -> Iterator[None]:
        """Keeps an error about ``clip``, and tells ``skipped``.

        One about an option or an output is raised.
        """
        try:
            yield
        except LeafError as error:
            # "clip", or "clip (8000 Hz): Leaf.inputs" where the frontend refuses it.
            about_it = error.argument == str(clip) or error.argument.startswith(f"{clip} (")
            if not (self._skip and about_it):
                raise
            self._errors.append(error)
            skipped(error)

    def show(self, clips: int) -> None:
        """Names them on stderr, a line each."""
        for error in self._errors:
            print(f"skipped: {printable(error)}", file=sys.stderr)
        if self._errors:
            print(f"skipped {len(self._errors)} of {clips} clips", file=sys.stderr)


@contextlib.contextmanager
def filter_warnings() -> Iterator[None]:
    """Prints at the end what is told about filters that coincide or are empty, a line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FilterWarning)
        yield
    told = dict.fromkeys(str(each.message) for each in caught if _is_about_filters(each))
    for message in told:
        print(f"warning: {printable(message)}", file=sys.stderr)
    for each in caught:
        if not _is_about_filters(each):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def _is_about_filters(warning: warnings.WarningMessage) -> bool:
    return issubclass(warning.category, FilterWarning)
