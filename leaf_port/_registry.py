"""The classes that a folder's ``config.json`` may name; each is registered where it is written.

This module imports no layer, so that a layer's module may import it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

KINDS: dict[str, Callable[..., Any]] = {}
"""What ``kind`` may name: models, frontends, compressions and regularisers, by name.

Each class has ``_arguments()``: those of its constructor that make such an object again.
"""

PARTS: dict[str, type[nn.Module]] = {}
"""What an argument such as ``conv1d_cls`` may name: the layers of a frontend, by name."""

_Kind = TypeVar("_Kind", bound=type)
_Part = TypeVar("_Part", bound=type[nn.Module])


def kind(cls: _Kind) -> _Kind:
    """Registers a class that is built from its arguments."""
    KINDS[cls.__name__] = cls
    return cls


def part(cls: _Part) -> _Part:
    """Registers a class that is handed to a frontend as an argument."""
    PARTS[cls.__name__] = cls
    return cls
