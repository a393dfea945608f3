"""An import hook that puts an edit into a module while it is imported; no file is touched."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Protocol

from parity.commands.mutants.mutant import Mutant


class Planting(Protocol):
    """A bug: which module it is in, and the module's source with it."""

    @property
    def package(self) -> str:
        """The package that must not have been imported before, with slashes."""

    @property
    def module(self) -> str:
        """The dotted name."""

    def applied(self, source: str) -> str:
        """The source with the bug."""


class _Loader(SourceFileLoader):
    """Compiles the edited source; neither reads nor writes cached bytecode."""

    def __init__(self, name: str, path: str, mutant: Planting) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode("utf-8")
        code: CodeType = compile(self._mutant.applied(source), self.path, "exec")
        return code


class Planted(MetaPathFinder):
    """Finds the module of a mutant, edited.

    Attributes:
        found: whether it was imported, so that a mutant that nobody loads cannot pass for one.
    """

    def __init__(self, mutant: Planting) -> None:
        self._mutant = mutant
        package = mutant.module.removesuffix(".__init__")
        self._name = package
        self.found = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The module's spec with the loader that edits; None for every other module."""
        if fullname != self._name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            return None
        spec.loader = _Loader(fullname, spec.origin, self._mutant)
        self.found = True
        return spec


@contextlib.contextmanager
def damaged(mutant: Mutant) -> Iterator[Path]:
    """A folder with the damaged copy of a recording."""
    text = mutant.path.read_bytes().decode("latin-1")  # every byte is one character
    with tempfile.TemporaryDirectory(prefix="parity-mutants-") as folder:
        copy = Path(folder) / mutant.file
        copy.write_bytes(mutant.applied(text).encode("latin-1"))
        yield Path(folder)


def plant(mutant: Planting) -> Planted:
    """Puts the bug in; from here on this process has it.

    Raises:
        RuntimeError: the package was imported already, so the edit would come too late.
    """
    package = mutant.package.replace("/", ".")
    if package in sys.modules:
        raise RuntimeError(f"{package} was imported before the bug was planted")
    planted = Planted(mutant)
    sys.meta_path.insert(0, planted)
    return planted
