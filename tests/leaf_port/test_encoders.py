"""Encoders of timm: what is told where it is missing, or cannot be imported."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch

from leaf_port._installation import hint
from leaf_port.encoders import TimmEncoder
from leaf_port.errors import LeafError


def test_no_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(LeafError, match=re.escape(f"no timm; {hint('timm')}")):
        TimmEncoder("resnet18")


def test_a_torchvision_of_another_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beside a CPU torch, the one that pip finds does not load."""
    line = 'raise RuntimeError("operator torchvision::nms does not exist")'
    (tmp_path / "timm.py").write_text(line)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LeafError, match="torchvision::nms does not exist; install torch and"):
        TimmEncoder("resnet18")


def test_a_map_of_features() -> None:
    try:
        import timm  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"needs timm: pip install leaf-port[timm] ({type(error).__name__})")
    encoder = TimmEncoder("resnet10t").eval()
    made = encoder(torch.zeros(1, 1, 64, 40))
    assert made.shape == (1, encoder.out_channels, 2, 2)
    with pytest.raises(LeafError, match="a model of timm, got 'zebra'"):
        TimmEncoder("zebra")
