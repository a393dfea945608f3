"""What the tests share."""

from __future__ import annotations

import os

import pytest
import torch

from leaf_port import _publish
from parity.oracles import official
from parity.port import processor

processor.separate_compiled()
if os.environ.get(processor.ONEDNN) == "off":  # torch itself knows no such variable
    torch.backends.mkldnn.set_flags(False)

LIVE_REASON = f"needs {official.PYTHON} and {official.CHECKOUT}: a live official implementation"


@pytest.fixture(scope="module")
def live_module() -> None:
    """Skips where no official implementation is at hand."""
    if not (os.environ.get(official.PYTHON) and os.environ.get(official.CHECKOUT)):
        pytest.skip(LIVE_REASON)


@pytest.fixture
def live(live_module: None) -> None:
    """The same for one test."""


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' files need not outlast a power cut; a busy disk takes seconds to sync each."""
    monkeypatch.setattr(_publish, "_fsync", lambda _: None)
