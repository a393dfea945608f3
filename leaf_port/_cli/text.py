"""File names and messages as they are shown to people."""

from __future__ import annotations


def printable(text: object) -> str:
    r"""``text`` on one line, in characters that any output takes: ``a\nb`` becomes ``a\\nb``.

    A file name may hold line feeds, tabs or bytes that are no text at all.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def shortened(text: str, length: int) -> str:
    """``text`` with its middle left out where it is longer than ``length`` characters."""
    if len(text) <= length:
        return text
    tail = (length - 1) * 2 // 3
    return f"{text[: length - 1 - tail]}\u2026{text[-tail:]}"
