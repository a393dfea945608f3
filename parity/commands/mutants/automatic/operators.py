"""Edits of expressions: operators, constants, arguments, calls.

Each function takes an expression and yields ``(begin, end, new, operator)`` in characters of its
:class:`Text`; none looks at what is inside of it.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from collections.abc import Callable, Iterator

Replaced = tuple[int, int, str, str]
"""Begin, end, new text, kind of edit; begin and end in bytes of the file."""

BINARY = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "+"),
    ast.Pow: ("**", "*"),
    ast.MatMult: ("@", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
COMPARED: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: (r"is\s+not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: (r"not\s+in", ("in",)),
}
_PAIRS = (
    ("min", "max"),
    ("minimum", "maximum"),
    ("amin", "amax"),
    ("floor", "ceil"),
    ("floor", "round"),
    ("sin", "cos"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("real", "imag"),
    ("sum", "mean"),
    ("any", "all"),
    ("log", "log2"),
    ("rsqrt", "sqrt"),
    ("float32", "float64"),
)
NAMES = dict(itertools.chain(_PAIRS, ((second, first) for first, second in _PAIRS)))
NAMESPACES = {"torch", "np", "numpy", "math", "functools", "itertools", "nn", "F", "functional"}
UNCALLED = 2  # arguments: a method with more is no decoration of its object


class Text:
    """A file's bytes, by the positions of the syntax tree."""

    def __init__(self, source: str) -> None:
        self.data = source.encode()
        lines = self.data.splitlines(keepends=True)
        self._starts = [0, *itertools.accumulate(map(len, lines))]

    def begin(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        """Where a node begins."""
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        """The byte behind a node."""
        return self._starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    def of(self, node: ast.expr | ast.stmt) -> str:
        """A node's text."""
        return self.data[self.begin(node) : self.end(node)].decode()

    def between(self, left: ast.expr, right: ast.expr, pattern: str) -> tuple[int, int]:
        """Where a token stands between two nodes."""
        begin = self.end(left)
        gap = self.data[begin : self.begin(right)].decode("latin-1")
        first, last = next(each.span() for each in re.finditer(pattern, gap))
        return begin + first, begin + last


def binary(node: ast.BinOp, text: Text) -> Iterator[Replaced]:
    """Another operator."""
    if type(node.op) in BINARY:
        old, new = BINARY[type(node.op)]
        yield *text.between(node.left, node.right, re.escape(old)), new, "operator"


def compared(node: ast.Compare, text: Text) -> Iterator[Replaced]:
    """Another comparison."""
    operands = [node.left, *node.comparators]
    for operator, (left, right) in zip(node.ops, itertools.pairwise(operands), strict=True):
        old, new = COMPARED[type(operator)]
        pattern = rf"\b{old}\b" if old[0].isalpha() else old
        for each in new:
            yield *text.between(left, right, pattern), each, "comparison"


def boolean(node: ast.BoolOp, text: Text) -> Iterator[Replaced]:
    """``and`` for ``or``."""
    old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
    for left, right in itertools.pairwise(node.values):
        yield *text.between(left, right, rf"\b{old}\b"), new, "boolean"


def unary(node: ast.UnaryOp, text: Text) -> Iterator[Replaced]:
    """The operand without its sign or ``not``."""
    yield text.begin(node), text.end(node), f"({text.of(node.operand)})", "sign"


def constant(node: ast.Constant, text: Text) -> Iterator[Replaced]:
    """Another number or truth; strings are left to :func:`subscript` and comparisons."""
    value, span = node.value, (text.begin(node), text.end(node))
    if isinstance(value, bool):
        yield *span, str(not value), "constant"
    elif isinstance(value, int):
        yield *span, str(value + 1), "constant"
    elif isinstance(value, float) and math.isfinite(value):
        yield *span, repr(2 * value if value else 1.0), "constant"


def string(node: ast.expr, text: Text) -> Iterator[Replaced]:
    """Another word, where a word is compared, looked up or a default."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield text.begin(node), text.end(node), repr(f"{node.value}_"), "word"


def choice(node: ast.IfExp, text: Text) -> Iterator[Replaced]:
    """Always the one, always the other."""
    for each in (node.body, node.orelse):
        yield text.begin(node), text.end(node), f"({text.of(each)})", "choice"


def sliced(node: ast.Slice, text: Text) -> Iterator[Replaced]:
    """A slice without a bound."""
    for each in (node.lower, node.upper):
        if each is not None:
            yield text.begin(each), text.end(each), "", "slice"


def call(node: ast.Call, text: Text) -> Iterator[Replaced]:
    """Arguments left out or exchanged; a method that is not called; its namesake."""
    yield from _dropped(node, text)
    if len(node.args) > 1 and not any(isinstance(each, ast.Starred) for each in node.args[:2]):
        first, second = node.args[:2]
        if text.of(first) != text.of(second):
            gap = text.data[text.end(first) : text.begin(second)].decode()
            new = f"{text.of(second)}{gap}{text.of(first)}"
            yield text.begin(first), text.end(second), new, "exchanged arguments"
    if isinstance(node.func, ast.Attribute):
        owner = node.func.value
        is_name = isinstance(owner, ast.Name) and (owner.id in NAMESPACES or owner.id[0].isupper())
        if not is_name and len(node.args) + len(node.keywords) <= UNCALLED:
            yield text.begin(node), text.end(node), f"({text.of(owner)})", "call"
        if node.func.attr in NAMES:
            end = text.end(node.func)
            yield end - len(node.func.attr), end, NAMES[node.func.attr], "namesake"
    elif isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield text.begin(node.func), text.end(node.func), NAMES[node.func.id], "namesake"


def _dropped(node: ast.Call, text: Text) -> Iterator[Replaced]:
    """A call without one of its arguments: the last by position, each by name."""
    whole: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
    positions = [index for index, each in enumerate(node.args) if not isinstance(each, ast.Starred)]
    last = positions[-1:] if len(node.args) > 1 else []
    named = [len(node.args) + index for index, each in enumerate(node.keywords) if each.arg]
    for index in [*last, *named]:
        each = whole[index]
        if index:  # with the comma before it
            begin = text.end(whole[index - 1])
            gap = text.data[begin : text.begin(each)]
            yield begin + gap.index(b","), text.end(each), "", "dropped argument"
        else:  # with the comma behind it
            begin = text.data.index(b"(", text.end(node.func)) + 1
            behind = text.begin(whole[1]) if len(whole) > 1 else text.end(each)
            yield begin, behind, "", "dropped argument"


OPERATORS: dict[type[ast.expr], Callable[..., Iterator[Replaced]]] = {
    ast.BinOp: binary,
    ast.Compare: compared,
    ast.BoolOp: boolean,
    ast.UnaryOp: unary,
    ast.Constant: constant,
    ast.IfExp: choice,
    ast.Slice: sliced,
    ast.Call: call,
}


def words(node: ast.expr) -> Iterator[ast.expr]:
    """The strings of an expression that are compared or looked up."""
    if isinstance(node, ast.Compare):
        yield from [node.left, *node.comparators]
    elif isinstance(node, ast.Subscript):
        yield node.slice
    elif isinstance(node, ast.Dict):
        yield from filter(None, node.keys)
