"""Reads the official ``.gin`` files without gin: bindings, macros and includes, nothing executed.

``name.parameter = value`` with Python literals (``ast.literal_eval``), references (``@Leaf()``),
macros (``n_filters = 40``, ``%n_filters``) and ``include 'file'``. Imports are passed over. A value
that is none of these counts only if it is asked for.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError

_LIMIT = 1 << 20
_INCLUDE = re.compile(r"""^include\s+(['"])(.+)\1$""")
_BINDING = re.compile(r"^([\w./]+)\s*=\s*(.+)$", re.DOTALL)
_COMMENT = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|#.*""")
_REFERENCE = re.compile(r"^@([\w./]+)(?:\(\))?$")


@dataclass(frozen=True)
class Reference:
    """``@leaf_audio.frontend.Leaf()``: its last name, ``"Leaf"``."""

    name: str


@dataclass(frozen=True)
class Unread:
    """A value that is no literal, reference or macro."""

    text: str


def parse(path: Path) -> dict[str, Any]:
    """The bindings of a file and of what it includes, later ones winning, macros put in.

    An include is looked for beside the file and in the folders above it, as the official files
    name theirs from the root of the checkout.

    Raises:
        LeafError: a file that cannot be read or found, a line that is none of gin's, or includes
            that go in a circle.
    """
    found = _parse(path, ())
    return {name: _resolved(path, value, found, 0) for name, value in found.items()}


def _parse(path: Path, within: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in within:
        raise _refusal(path, "includes without a circle", path.name, "take the include out")
    found: dict[str, Any] = {}
    for line in _statements(path):
        include, binding = _INCLUDE.match(line), _BINDING.match(line)
        if include:
            found |= _parse(_included(path, include[2]), (*within, path.resolve()))
        elif binding:
            found[binding[1]] = _value(binding[2].strip())
        elif not re.match(r"^(import|from)\s", line):
            raise _refusal(path, "name.parameter = value", line, "mend the line")
    return found


def _statements(path: Path) -> list[str]:
    """Lines without comments; what is within brackets is one."""
    try:
        if path.stat().st_size > _LIMIT:
            raise _refusal(path, f"at most {_LIMIT} bytes", "more", "give a .gin file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(path, "a .gin file that can be read", error, "check its name") from error
    made, held = [], ""
    for raw in text.splitlines():
        held = f"{held} {_COMMENT.sub(lambda found: found[1] or '', raw).strip()}".strip()
        if sum(held.count(each) for each in "([{") > sum(held.count(each) for each in ")]}"):
            continue
        if held:
            made.append(held)
        held = ""
    return [*made, held] if held else made


def _included(path: Path, name: str) -> Path:
    for folder in path.resolve().parents:
        if (folder / name).is_file():
            return folder / name
    fix = "put it beside the file, or into a folder above it"
    raise _refusal(path, f"the file that it includes, {name}", "none", fix)


def _value(text: str) -> Any:
    if reference := _REFERENCE.match(text):
        return Reference(re.split(r"[./]", reference[1])[-1])
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return Unread(text)


def _resolved(path: Path, value: Any, found: dict[str, Any], depth: int) -> Any:
    """A macro's value; macros of macros too."""
    if not (isinstance(value, Unread) and re.fullmatch(r"%[\w./]+", value.text)):
        return value
    name = value.text[1:]
    if name not in found or depth > len(found):
        raise _refusal(path, f"a value for the macro {value.text}", "none", f"add {name} = ...")
    return _resolved(path, found[name], found, depth + 1)


def _refusal(path: Path, expected: str, got: object, fix: str) -> LeafError:
    return LeafError("gin", str(path), expected, got, fix)
