"""Puts an edit into a function that is loaded already: its code is exchanged.

Importing the port and the suite takes longer than most checks. An edit inside a function needs no
import: the function's code is compiled with the edit and put in place of what is loaded. What runs
while modules are imported is another matter, and is told apart by :func:`place`.
"""

from __future__ import annotations

import ast
import gc
from collections.abc import Collection, Iterator, Mapping
from types import CodeType, FunctionType

from parity.commands.mutants.automatic.edit import Edit

Place = tuple[str, int]
"""A function's qualified name and its first line, that of the first decorator."""


class NotExchangedError(Exception):
    """A loaded function cannot take the code: it has other free variables, or is not loaded."""


def place(edit: Edit, imported: Mapping[str, Collection[int]]) -> Place | None:
    """The outermost function around an edit; None where the edit changes what an import does.

    Args:
        edit: the edit.
        imported: of each file the lines that are executed while all modules are imported.
    """
    if edit.imported:
        return None
    source = _source(edit)
    data = source.encode()
    first, last = (data.count(b"\n", 0, end) + 1 for end in (edit.begin, edit.end))
    for name, node in _functions(ast.parse(source).body, ""):
        lines = range(node.body[0].lineno, (node.end_lineno or 0) + 1)
        if first in lines and last in lines:
            if not lines[0] > node.lineno or not set(lines).isdisjoint(imported.get(edit.file, ())):
                return None
            return name, min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return None


def _functions(
    body: list[ast.stmt], scope: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The outermost functions of a block, those of its classes too."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{scope}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{scope}{node.name}", node


def exchange(edit: Edit, place_: Place) -> None:
    """Gives every loaded function of a place the code that it has with the edit.

    Raises:
        NotExchangedError: there is none, or one cannot take it.
    """
    path = str(edit.path)
    module: CodeType = compile(edit.applied(_source(edit)), path, "exec")
    code = next((each for each in _codes(module) if _place(each) == place_), None)
    loaded = [
        each
        for each in gc.get_objects()
        if type(each) is FunctionType  # isinstance asks objects, some of which warn
        and each.__code__.co_filename == path
        and _place(each.__code__) == place_
    ]
    if code is None or not loaded:
        raise NotExchangedError(f"{path}: {place_} is not loaded")
    for each in loaded:
        try:
            each.__code__ = code
        except ValueError as error:
            raise NotExchangedError(f"{path}: {place_}: {error}") from error


def _source(edit: Edit) -> str:
    return edit.path.read_text(encoding="utf-8")


def _place(code: CodeType) -> Place:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)
