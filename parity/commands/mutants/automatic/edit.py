"""An edit of a source file that a mutant is made of."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[4]
DEFAULT = "default"
"""The operator of edits of a default value."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """Bytes of a file that are replaced.

    Attributes:
        file: below the project's folder, with slashes.
        begin: the first byte that is replaced.
        end: the byte behind the last one.
        new: what stands there instead.
        operator: the kind of edit.
        scope: qualified name of the function or class around it; empty at the module's level.
        first: line where the statement begins that is edited, or its head.
        last: line where it ends.
        imported: whether the statement is executed when the module is imported.
    """

    file: str
    begin: int
    end: int
    new: str
    operator: str
    scope: str
    first: int
    last: int
    imported: bool

    @property
    def path(self) -> Path:
        """The file."""
        return ROOT / self.file

    @property
    def package(self) -> str:
        """The package that it is in."""
        return self.file.split("/")[0]

    @property
    def module(self) -> str:
        """The module's dotted name, as the import hook takes it."""
        return self.file.removesuffix(".py").replace("/", ".")

    def applied(self, source: str) -> str:
        """The source with the edit."""
        data = source.encode()
        return (data[: self.begin] + self.new.encode() + data[self.end :]).decode()

    def diff(self, source: str) -> str:
        """The changed lines, ``-`` before and ``+`` after."""
        data = source.encode()
        first = data.rfind(b"\n", 0, self.begin) + 1
        last = data.find(b"\n", self.end)
        last = last if last >= 0 else len(data)
        head, tail = data[first : self.begin], data[self.end : last]
        before, after = data[first:last], head + self.new.encode() + tail
        lines = {"-": before.decode().splitlines(), "+": after.decode().splitlines()}
        return "\n".join(f"{sign}{each}" for sign, of in lines.items() for each in of)

    def key(self, source: str) -> str:
        """A hash of the edit and the lines that it changes, wherever in the scope they stand.

        It stays the same when other lines change, and differs when these do.
        """
        told = f"{self.file}\n{self.scope}\n{self.operator}\n{self.diff(source)}"
        return hashlib.sha256(told.encode()).hexdigest()[:16]
