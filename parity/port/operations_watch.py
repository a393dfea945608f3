"""Which operations torch is asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

from parity.port.dispatch_mode import DispatchMode


class OperationsWatch(DispatchMode):
    """Counts all operations, forward and backward.

    Attributes:
        seen: how often each was asked for, by its name without namespace and overload.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen = Counter[str]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The operation, noted."""
        self.seen[func._schema.name.rpartition("::")[2]] += 1
        return func(*args, **kwargs or {})
