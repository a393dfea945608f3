"""A worker runs nothing of the folder that the user is in."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from parity.oracles.worker_process import WorkerProcess

SOURCE = 'if __name__ == "__channelexec__":\n    import json\n    channel.send(json.__file__)\n'


def module(path: Path) -> ModuleType:
    """A source that tells where its modules come from."""
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise AssertionError
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("json", "threading", "queue"):
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    source = module(tmp_path / "says_where.py")
    monkeypatch.chdir(here)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    worker = WorkerProcess(sys.executable, source)
    try:
        said = str(worker.receive(60.0))
    finally:
        worker.end()
    assert not said.startswith(str(tmp_path))
    assert not (tmp_path / "ran").exists()
