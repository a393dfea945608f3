"""Reads the official ``.gin`` files with gin-config's own parser; nothing is imported or executed.

Bindings (``name.parameter = value``), macros (``n_filters = 40``, ``%n_filters``) and
``include 'file'``. Imports are passed over.
"""

from __future__ import annotations

import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError

_LIMIT = 1 << 20


@dataclass(frozen=True)
class Reference:
    """``@leaf_audio.frontend.Leaf()``: its last name, ``"Leaf"``."""

    name: str


@dataclass(frozen=True)
class Macro:
    """``%n_filters``: its name."""

    name: str


class _Delegate:
    """What gin-config's parser makes of references and macros."""

    def configurable_reference(self, name: str, evaluate: bool) -> Reference:
        return Reference(name.replace("/", ".").rpartition(".")[2])

    def macro(self, name: str) -> Macro:
        return Macro(name)


def parse(path: Path) -> dict[str, Any]:
    """The bindings of a file and of the files it includes; later ones win, macros are replaced.

    The parser looks for an included file in the folder of the including one and in the folders
    above it, since the official files name theirs from the root of the checkout.

    Raises:
        LeafError: a file that cannot be read or found, a line that is not gin's, or includes that
            form a circle.
        ModuleNotFoundError: gin-config is not installed.
    """
    bindings = _bindings(path, ())
    return {name: _resolved(path, value, bindings) for name, value in bindings.items()}


def _bindings(path: Path, within: tuple[Path, ...]) -> dict[str, Any]:
    from gin import config_parser

    if path.resolve() in within:
        raise _refusal(path, "includes without a circle", path.name, "take the include out")
    bindings: dict[str, Any] = {}
    try:
        for statement in config_parser.ConfigParser(_text(path), _Delegate()):
            if isinstance(statement, config_parser.IncludeStatement):
                included = _included(path, statement.filename)
                bindings |= _bindings(included, (*within, path.resolve()))
            elif isinstance(statement, config_parser.BindingStatement):
                bindings[_key(statement)] = statement.value
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError) as error:
        got = " ".join(str(error).split())[:200]
        raise _refusal(path, "name.parameter = value", got, "mend the line") from error
    return bindings


def _key(statement: Any) -> str:
    """The left side of a binding, as the file has it."""
    scope = f"{statement.scope}/" if statement.scope else ""
    argument = f".{statement.arg_name}" if statement.arg_name else ""
    return f"{scope}{statement.selector}{argument}"


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LIMIT:
            raise _refusal(path, f"at most {_LIMIT} bytes", "more", "give a .gin file")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(path, "a .gin file that can be read", error, "check its name") from error


def _included(path: Path, name: str) -> Path:
    for folder in path.resolve().parents:
        if (folder / name).is_file():
            return folder / name
    fix = "put it beside the file, or into a folder above it"
    raise _refusal(path, f"the file that it includes, {name}", "none", fix)


def _resolved(path: Path, value: Any, bindings: dict[str, Any], depth: int = 0) -> Any:
    """A value without macros, also inside of lists and dictionaries."""
    if isinstance(value, (list, tuple)):
        return type(value)(_resolved(path, each, bindings, depth) for each in value)
    if isinstance(value, dict):
        return {name: _resolved(path, each, bindings, depth) for name, each in value.items()}
    if not isinstance(value, Macro):
        return value
    if value.name not in bindings or depth > len(bindings):
        name = value.name
        raise _refusal(path, f"a value for the macro %{name}", "none", f"add {name} = ...")
    return _resolved(path, bindings[value.name], bindings, depth + 1)


def _refusal(path: Path, expected: str, got: object, fix: str) -> LeafError:
    return LeafError("gin", str(path), expected, got, fix)
