"""Which operations torch is asked for."""

from __future__ import annotations

from typing import Any

from parity.port.dispatch_mode import DispatchMode


class OperationsWatch(DispatchMode):
    """Remembers the names of all operations, forward and backward.

    Attributes:
        seen: the names, without their namespace and overload.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The operation, noted."""
        self.seen.add(func._schema.name.rpartition("::")[2])
        return func(*args, **kwargs or {})
