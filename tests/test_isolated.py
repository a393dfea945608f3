"""Interpreters that the project starts run nothing of the folder that the user is in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from parity.port import xla
from weight_conversion.formats import child_process


def hostile(folder: Path) -> Path:
    """A folder with modules of the names of others; the mark that they leave."""
    for name in ("json", "threading", "queue", "numpy", "torch_xla", "h5py"):
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    return folder / "ran"


def test_the_device_is_asked_without_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = hostile(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    xla._does_not_start.__wrapped__("CPU")
    assert not mark.exists()


def test_the_folder_goes_from_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", ".", str(tmp_path), "/elsewhere"])
    paths = child_process.environment()["PYTHONPATH"].split(":")
    assert paths == ["/elsewhere", str(Path(child_process.__file__).resolve().parents[2])]
