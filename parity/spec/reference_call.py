"""A piece of the official implementation, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Ref:
    """A piece of the official implementation, as data that its own interpreter evaluates.

    ``Ref("leaf_audio.convolution.GaborConv1D")`` is the class itself; calling the Ref gives the Ref
    of a call, ``.attribute(name)`` that of an attribute. Arguments are numbers, strings, lists,
    None and other Refs.
    """

    def __init__(self, name: str | None = None, tree: dict[str, Any] | None = None) -> None:
        self.tree: dict[str, Any] = {"$name": name} if tree is None else tree

    def __call__(self, *args: Any, **kwargs: Any) -> Ref:
        """The call of what this stands for."""
        call = {"$call": self.tree, "args": _plain(args), "kwargs": _plain(kwargs)}
        return Ref(tree=call)

    def attribute(self, name: str) -> Ref:
        """The attribute ``name`` of what this stands for."""
        return Ref(tree={"$attribute": self.tree, "name": name})


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return value.tree
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
