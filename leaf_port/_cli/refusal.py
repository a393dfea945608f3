"""The command's errors."""

from __future__ import annotations

from leaf_port.errors import LeafError

WHERE = "features"


def refusal(argument: object, expected: str, got: object, fix: str) -> LeafError:
    """What the command raises about an option, a file or a folder."""
    return LeafError(WHERE, str(argument), expected, got, fix)
