"""Puts a bug into a function that is loaded already: its code is exchanged.

Importing the port and the suite takes longer than most checks. A bug inside a function needs no
import: the function's code is compiled with the bug and put in place of what is loaded. What runs
while modules are imported is another matter, and is told apart by :func:`place`.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Collection, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Protocol

Place = tuple[str, int]
"""A function's qualified name and its first line, that of the first decorator."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Bug(Protocol):
    """An edit of a file."""

    @property
    def path(self) -> Path:
        """The file."""

    def applied(self, source: str) -> str:
        """The file's text with the edit."""


class NotExchangedError(Exception):
    """A loaded function cannot take the code: it has other free variables, or is not loaded."""


def place(source: str, first: int, last: int, imported: Collection[int]) -> Place | None:
    """The outermost function around some lines; None where they change what an import does.

    Args:
        source: the file's text.
        first: line where the change begins.
        last: line where it ends.
        imported: lines of the file that are executed while all modules are imported.
    """
    for name, node in _functions(ast.parse(source).body, ""):
        body = range(node.body[0].lineno, (node.end_lineno or 0) + 1)
        if first in body and last in body:
            if body[0] == node.lineno or not set(body).isdisjoint(imported):
                return None
            return name, min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return None


def _functions(body: list[ast.stmt], scope: str) -> Iterator[tuple[str, Function]]:
    """The outermost functions of a block, those of its classes too."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{scope}{node.name}.")
        elif isinstance(node, Function):
            yield f"{scope}{node.name}", node


def exchange(bug: Bug, at: Place) -> None:
    """Gives every loaded function of a place the code that it has with the bug.

    Raises:
        NotExchangedError: there is none, or one cannot take it.
    """
    path = str(bug.path)
    text = bug.applied(bug.path.read_text(encoding="utf-8"))
    code = next((each for each in _codes(compile(text, path, "exec")) if _place(each) == at), None)
    loaded = [
        each
        for each in gc.get_objects()
        if type(each) is FunctionType  # isinstance asks objects, some of which warn
        and each.__code__.co_filename == path
        and _place(each.__code__) == at
    ]
    if code is None or not loaded:
        raise NotExchangedError(f"{path}: {at} is not loaded")
    for each in loaded:
        try:
            each.__code__ = code
        except ValueError as error:
            raise NotExchangedError(f"{path}: {at}: {error}") from error


def _place(code: CodeType) -> Place:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)
