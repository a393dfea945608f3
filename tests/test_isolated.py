"""Interpreters that the project starts run nothing of the folder that the user is in."""

from __future__ import annotations

import sys
from pathlib import Path

import execnet
import pytest

from parity.port import xla
from weight_conversion.formats import child_process, isolated


def hostile(folder: Path) -> Path:
    """A folder with modules of the names of others; the mark that they leave."""
    for name in ("json", "threading", "queue", "numpy", "torch_xla", "h5py"):
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    return folder / "ran"


def test_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = hostile(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    group, spec = execnet.Group(), execnet.XSpec("popen")
    spec.python = isolated.command(sys.executable)
    try:
        channel = group.makegateway(spec).remote_exec("import json; channel.send(json.__file__)")
        assert not channel.receive(60.0).startswith(str(tmp_path))
    finally:
        group.terminate(5.0)
    assert not mark.exists()


def test_a_path_with_spaces_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "a python"
    link.symlink_to(sys.executable)
    assert isolated.command(str(link)) == f"'{link}' -P"
    assert isolated.command("no python") == "'no python'"


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
    assert paths == ["/elsewhere", str(Path(child_process.__file__).resolve().parents[1])]
