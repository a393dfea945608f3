"""All edits of a file: a walk over its statements, each with what it may be instead."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from parity.commands.mutants.automatic import operators
from parity.commands.mutants.automatic.edit import DEFAULT, Edit
from parity.commands.mutants.automatic.operators import Replaced, Text

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | ast.ClassDef
DECORATIONS = {"overload", "abstractmethod", "property", "override"}
"""Decorators without which nothing runs, or which nothing runs."""
NAMES_ONLY = {"__all__", "__version__", "T", "P"}


def edits(file: str, source: str) -> list[Edit]:
    """The edits of a file that still compile, each once."""
    found, walk = dict[Edit, None](), _Walk(file, source)
    for statement in ast.parse(source).body:
        begin, end = walk.text.begin(statement), walk.text.end(statement)
        of_it = walk.body([statement], "", True)
        found |= dict.fromkeys(each for each in of_it if _compiles(each, walk.text, begin, end))
    return list(found)


def _compiles(edit: Edit, text: Text, begin: int, end: int) -> bool:
    """Whether the statement of the module around an edit, from ``begin`` to ``end``, still parses.

    A decorator stands before the statement that it belongs to.
    """
    begin = min(begin, edit.begin)
    new = text.data[begin : edit.begin] + edit.new.encode() + text.data[edit.end : end]
    try:
        ast.parse(new)
    except SyntaxError:
        return False
    return True


class _Walk:
    """Goes through the statements of a file."""

    def __init__(self, file: str, source: str) -> None:
        self._file, self.text = file, Text(source)

    def body(self, statements: Sequence[ast.stmt], scope: str, imported: bool) -> Iterator[Edit]:
        """The edits of a block."""
        for statement in statements:
            if not _is_passed_over(statement):
                yield from self._statement(statement, scope, imported)

    def _statement(self, node: ast.stmt, scope: str, imported: bool) -> Iterator[Edit]:
        if isinstance(node, Scope):
            yield from self._definition(node, scope, imported)
            return
        blocks = [getattr(node, name, None) or [] for name in ("body", "orelse", "finalbody")]
        inner = next(filter(None, blocks), None)
        last = inner[0].lineno - 1 if inner else node.end_lineno or node.lineno
        place = scope, node.lineno, max(node.lineno, last), imported
        for replaced in [*self._whole(node), *self._expressions(node)]:
            yield self._edit(replaced, *place)
        for block in blocks:
            yield from self.body(block, scope, imported)
        for handler in getattr(node, "handlers", []):
            yield from self.body(handler.body, scope, imported)

    def _definition(self, node: Scope, scope: str, imported: bool) -> Iterator[Edit]:
        """A function or a class: decorators, defaults, and what is in it."""
        name = f"{scope}.{node.name}".lstrip(".")
        head = name, node.lineno, node.body[0].lineno - 1, imported
        for decorator in node.decorator_list:
            if self.text.of(decorator).split(".")[-1] not in DECORATIONS:
                begin, end = self.text.begin(decorator) - 1, self.text.end(decorator)
                yield self._edit((begin, end, "", "decorator"), *head)
                for replaced in self._within(decorator):
                    yield self._edit(replaced, *head)
        if isinstance(node, Function):
            for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
                for begin, end, new, _ in self._default(default):
                    yield self._edit((begin, end, new, DEFAULT), *head)
        inside = imported and isinstance(node, ast.ClassDef)
        yield from self.body(node.body, name, inside)

    def _default(self, node: ast.expr) -> Iterator[Replaced]:
        yield from operators.string(node, self.text)
        yield from self._within(node)

    def _whole(self, node: ast.stmt) -> Iterator[Replaced]:
        """What a statement may be instead."""
        span = self.text.begin(node), self.text.end(node)
        match node:
            case ast.Expr() | ast.AugAssign() | ast.Delete():
                yield *span, "pass", "dropped statement"
            case ast.Raise():
                yield *span, "pass", "dropped raise"
            case ast.Continue() | ast.Break():
                yield *span, "pass", "dropped jump"
            case ast.Return(value=ast.expr() as value) if not _is_none(value):
                yield *span, "return None", "returned"
            case ast.Assign(targets=[ast.Attribute()]) | ast.AnnAssign(target=ast.Attribute()):
                yield *span, "pass", "dropped attribute"
            case ast.If(test=test):
                for new in ("True", "False"):
                    yield self.text.begin(test), self.text.end(test), new, "condition"
            case ast.While(test=test):
                yield self.text.begin(test), self.text.end(test), "False", "condition"
            case ast.With(items=items) if not any(each.optional_vars for each in items):
                end = self.text.end(items[-1].context_expr)
                yield self.text.begin(node), end, "if True", "dropped context"

    def _expressions(self, node: ast.stmt) -> Iterator[Replaced]:
        """The edits of a statement's own expressions."""
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "body", "orelse", "finalbody", "handlers"):
                continue
            if name == "items":
                value = [each.context_expr for each in value]
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.expr):
                    yield from self._within(each)

    def _within(self, node: ast.AST) -> Iterator[Replaced]:
        """The edits of an expression and of all in it."""
        if isinstance(node, ast.JoinedStr):  # a text for people
            return
        if isinstance(node, ast.expr):
            yield from operators.OPERATORS.get(type(node), _none)(node, self.text)
            for word in operators.words(node):
                yield from operators.string(word, self.text)
        for each in ast.iter_child_nodes(node):
            yield from self._within(each)

    def _edit(self, replaced: Replaced, *place: object) -> Edit:
        return Edit(self._file, *replaced, *place)  # type: ignore[arg-type]


def _none(*_: object) -> Iterator[Replaced]:
    return iter(())


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_passed_over(node: ast.stmt) -> bool:
    """Imports, docstrings, what only type checkers read."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Global() | ast.Assert():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in NAMES_ONLY or _is_type(node.value)
        case ast.FunctionDef(decorator_list=decorators):
            return any(isinstance(each, ast.Name) and each.id == "overload" for each in decorators)
    return False


def _is_type(node: ast.expr) -> bool:
    """Whether an assigned value is a type's other name: ``Callable[...]``, ``A | B``."""
    match node:
        case ast.Subscript(value=ast.Name(id=name)):
            return name[0].isupper() or name in ("dict", "list", "tuple", "type")
        case ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec" | "NewType")):
            return True
    return False
