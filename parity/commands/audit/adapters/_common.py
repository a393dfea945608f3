"""What the adapters share."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from parity.commands.audit.foreign import contained, does_not_fit


def folder_of(adapter: str, target: str, file: str) -> Path:
    """The folder of a target, which must hold ``file``."""
    folder = Path(target).expanduser().resolve()
    if not (folder / file).is_file():
        expected = f"a folder with {file}"
        fix = "give the root of a checkout"
        raise does_not_fit(adapter, expected, str(folder), fix)
    return folder


def source_of(folder: Path) -> str:
    """The folder's name and, where it is a checkout, its commit."""
    asked = ["git", "-C", str(folder), "rev-parse", "--short=7", "HEAD"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return folder.name
    commit = told.stdout.strip() if told.returncode == 0 else ""
    return f"{folder.name} at {commit}" if commit else folder.name


def evaluate(adapter: str, module: ModuleType, expression: str) -> nn.Module:
    """The Leaf that an expression in the namespace of a module gives.

    A class or function is called without arguments.
    """
    try:
        ast.parse(expression, mode="eval")
        with contained():
            # The user's own expression about a package of theirs, as if typed at a prompt.
            made: Any = eval(expression, vars(module))  # noqa: S307
            if not isinstance(made, nn.Module) and callable(made):
                made = made()
    except Exception as error:  # foreign code may raise anything
        got = f"{type(error).__name__}: {error}".splitlines()[0]
        expected = f"{module.__name__}:{expression} to build a Leaf"
        fix = "give --factory module:expression"
        raise does_not_fit(adapter, expected, got, fix) from error
    if not isinstance(made, nn.Module):
        expected = f"{module.__name__}:{expression} to be a torch.nn.Module"
        fix = "give --factory module:expression, which builds the Leaf"
        raise does_not_fit(adapter, expected, type(made).__name__, fix)
    return made
