"""Options of ``pytest --pyargs parity``; loaded by every pytest, so it imports next to nothing."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which oracle, backend and layers, and how many drawn examples."""
    group = parser.getgroup("parity", "parity of leaf_port with the official implementation")
    group.addoption(
        "--parity-oracle",
        action="append",
        choices=["recorded", "exact", "official"],
        help="compare with the recorded official answers, with exact float64 ones, or with the "
        "live official implementation (may be given several times; default: recorded and exact)",
    )
    group.addoption(
        "--parity-backend",
        action="append",
        help="where the port runs (may be given several times; default: cpu)",
    )
    group.addoption(
        "--parity-layer", action="append", help="only this layer (may be given several times)"
    )
    group.addoption(
        "--parity-examples",
        type=int,
        default=25,
        help="drawn examples for each layer with the oracle `official` (default: 25)",
    )
