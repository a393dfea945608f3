"""What the tests share."""

from __future__ import annotations

import os

import pytest

from parity.oracles import official

LIVE_REASON = f"needs {official.PYTHON} and {official.CHECKOUT}: a live official implementation"


@pytest.fixture(scope="module")
def live_module() -> None:
    """Skips where no official implementation is at hand."""
    if not (os.environ.get(official.PYTHON) and os.environ.get(official.CHECKOUT)):
        pytest.skip(LIVE_REASON)


@pytest.fixture
def live(live_module: None) -> None:
    """The same for one test."""
