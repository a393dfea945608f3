"""Which way was taken: whether an operation took or gave complex numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree

from parity.port.dispatch_mode import DispatchMode


class ComplexWatch(DispatchMode):
    """Remembers the first operation on complex numbers, forward or backward.

    Attributes:
        seen: its name; empty while there was none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The operation, watched."""
        result = func(*args, **kwargs or {})
        if not self.seen and any(map(_is_complex, _pytree.tree_leaves((args, kwargs, result)))):
            self._found(str(func))
        return result

    def _found(self, name: str) -> None:
        self.seen = name


class WithoutComplex(ComplexWatch):
    """Refuses complex numbers: what is told to lack them may not use any."""

    def _found(self, name: str) -> None:
        raise ComplexError(f"{name} has complex numbers, which this run is told to lack")


class ComplexError(Exception):
    """An operation has complex numbers where there are none."""


def _is_complex(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.is_complex()
    return isinstance(value, torch.dtype) and value.is_complex
