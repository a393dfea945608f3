"""Which checks an edit concerns: those that execute what it changes, the cheapest first."""

from __future__ import annotations

import ast
import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from parity.commands.mutants.automatic.asked import Asked
from parity.commands.mutants.automatic.edit import DEFAULT, ROOT, Edit

SIGNATURES = "the official arguments and defaults"
"""The law that compares signatures (``parity/checks/invariants/checker.py``)."""
EACH = 3
"""Checks of a layer that are tried before others: what one does not see, another layer does."""


@dataclasses.dataclass(frozen=True)
class Traced:
    """A check with the lines that it executes."""

    asked: Asked
    seconds: float
    lines: Mapping[str, frozenset[int]]

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Traced:
        """As :func:`traced.of_layer` tells it."""
        lines = {file: frozenset(each) for file, each in told["lines"].items()}
        return cls(Asked(**told["asked"]), told["seconds"], lines)


class Selection:
    """The checks of the suite by the lines that they execute."""

    def __init__(self, checks: Sequence[Traced]) -> None:
        self._checks = sorted(checks, key=lambda each: each.seconds)
        self._seconds = {each.asked: each.seconds for each in checks}
        self._sources: dict[str, ast.Module] = {}

    def seconds(self, asked: Sequence[Asked]) -> float:
        """What checks take together."""
        return sum(self._seconds[each] for each in asked)

    def of(self, edit: Edit) -> list[Asked]:
        """The checks that an edit concerns, some of each layer first.

        What runs at import is concerned wherever its function runs, or a function of its class, or
        whatever names what the module's statement assigns. A default is read by what compares
        signatures, which runs no line of the function.
        """
        places = self._used(edit) if edit.imported else {edit.file: _range(edit.first, edit.last)}
        found = [
            each.asked
            for each in self._checks
            if (edit.operator == DEFAULT and each.asked.name == SIGNATURES)
            or any(
                not each.lines.get(file, frozenset()).isdisjoint(of) for file, of in places.items()
            )
        ]
        return _of_many_layers(found)

    def _used(self, edit: Edit) -> dict[str, set[int]]:
        """The lines where what is executed at import is used."""
        tree = self._tree(edit.file)
        if edit.scope:
            return {edit.file: _body(tree, edit.scope)}
        names = {
            each.id
            for statement in tree.body
            if statement.lineno <= edit.first <= (statement.end_lineno or 0)
            for each in ast.walk(statement)
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
        }
        found = defaultdict[str, set[int]](set)
        for path in sorted((ROOT / edit.file.split("/")[0]).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            for node in ast.walk(self._tree(file)):
                named = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
                if named in names:
                    found[file] |= _range(node.lineno, node.lineno)  # type: ignore[attr-defined]
        return found

    def _tree(self, file: str) -> ast.Module:
        if file not in self._sources:
            self._sources[file] = ast.parse((ROOT / file).read_text())
        return self._sources[file]


def _range(first: int, last: int) -> set[int]:
    return set(range(first, last + 1))


def _body(tree: ast.Module, scope: str) -> set[int]:
    """The lines of the functions in a scope."""
    node: ast.AST = tree
    for name in scope.split("."):
        node = next(
            each
            for each in ast.walk(node)
            if isinstance(each, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
            and each.name == name
        )
    functions = [
        each for each in ast.walk(node) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return set().union(*(_range(each.body[0].lineno, each.end_lineno or 0) for each in functions))


def _of_many_layers(cheapest: Sequence[Asked]) -> list[Asked]:
    """The cheapest of each layer first, then the rest, in their order."""
    seen, first, rest = defaultdict[str, int](int), list[Asked](), list[Asked]()
    for each in cheapest:
        seen[each.layer] += 1
        (first if seen[each.layer] <= EACH else rest).append(each)
    return [*first, *rest]
