"""Whether a run asks torch for the magnitude of a complex number, which has no gradient at 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.utils import _pytree

from parity.port.dispatch_mode import DispatchMode


class Magnitudes(DispatchMode):
    """Notes whether the magnitude of a complex number is asked of torch."""

    seen = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """The operation, watched."""
        if func._schema.name == "aten::abs":
            given = _pytree.tree_leaves(args)
            self.seen |= any(isinstance(each, Tensor) and each.is_complex() for each in given)
        return func(*args, **kwargs or {})
