"""What a refusal says, part by part."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leaf_port.errors import LeafError


def refusal(attempt: Callable[[], object]) -> tuple[object, ...]:
    """Owner, argument, what was expected, what came, and what to do about it."""
    with pytest.raises(LeafError) as caught:
        attempt()
    return caught.value.args
