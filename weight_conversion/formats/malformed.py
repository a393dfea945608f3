"""How a file is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leaf_port.errors import LeafError

DAMAGED = "it is damaged or no such file: copy the checkpoint again from where it was written"
_SHOWN = 120


class MalformedError(Exception):
    """Bytes that are not what the format says; whoever knows file and key makes it a LeafError.

    Attributes:
        expected: what the format says.
        got: what came.
        fix: what to do about it.
    """

    def __init__(self, expected: str, got: object, fix: str = DAMAGED) -> None:
        super().__init__(expected, got, fix)
        self.expected = expected
        self.got = shown(got)
        self.fix = fix

    def within(self, what: str) -> MalformedError:
        """The same, told of a part of the file."""
        return MalformedError(f"{what}: {self.expected}", self.got, self.fix)

    def of(self, path: Path, key: str | None = None) -> LeafError:
        """The error for users, which names file and key."""
        return refusal(path, key, self.expected, self.got, self.fix)


def refusal(
    path: Path, key: str | None, expected: str, got: object, fix: str = DAMAGED
) -> LeafError:
    """A LeafError that names the file and, where one is concerned, the key in it."""
    from leaf_port.errors import LeafError  # here, so that the child of keras_h5 needs no torch

    where = _printable(str(path)) + ("" if key is None else f": {shown(key)}")
    return LeafError("checkpoint", where, expected, shown(got), fix)


def shown(value: object) -> str:
    """A name or value from a file, printable and short, however it may read there."""
    text = _printable(str(value) if isinstance(value, (str, int, OSError)) else ascii(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)
