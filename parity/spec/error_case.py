"""An input or argument that the port refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class ErrorCase:
    """Something that the port refuses.

    Attributes:
        argument: which argument the error must name.
        act: what is done.
        official: what the official implementation does with it ("refuses", or what passes
        silently).
    """

    argument: str
    act: Callable[[], object]
    official: str = "refuses"
