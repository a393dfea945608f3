"""What a layer can't have of derivatives, as its declaration says it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

FORWARD = "forward mode"
SECOND = "second order"
MAPPED = "vmap"
KINDS = (FORWARD, SECOND, MAPPED)

# What a check says where no number goes in by which the answer could be differentiated.
NOTHING = "nothing to differentiate"


@dataclasses.dataclass(frozen=True)
class Without:
    """A derivative that a layer can't have.

    Its check is made all the same, and must fail as foretold: an entry that no longer applies
    fails.

    Attributes:
        kinds: of ``KINDS``.
        told: what the check says then.
        reason: why it can't be had.
        where: in which configurations.
    """

    kinds: tuple[str, ...]
    told: str
    reason: str
    where: Callable[[Mapping[str, Any]], bool] = lambda _config: True

    def __post_init__(self) -> None:
        if unknown := set(self.kinds) - set(KINDS):
            raise ValueError(f"no kinds of derivatives: {sorted(unknown)}; one of {KINDS}")
        if not self.told or not self.reason:
            raise ValueError("a derivative that is not had needs what its check says, and a reason")


def nothing(reason: str) -> Without:
    """Of what has no derivatives at all."""
    return Without(KINDS, NOTHING, reason)
