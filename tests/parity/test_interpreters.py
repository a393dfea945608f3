"""A reference interpreter that is none, or misbehaves: one error in time, no process left."""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path

import pytest
from _fake_official import Fake, install
from _processes import Marked

from leaf_port import LeafError
from parity.oracles import official, official_worker, worker_process
from parity.oracles.official import Official
from parity.oracles.process_group import LateError, Task, within
from parity.oracles.worker_process import WorkerLostError, WorkerProcess, no_interpreter

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="what runs is looked up in /proc, which Linux has"
)

SHORT = 1.5  # seconds that a program which never answers is given
# With -u the worker is started; without, the version is asked.
ONLY_AS_WORKER = '[ "$1" = "-u" ] || exec SELF "$@"\n'


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """The stand-ins for TensorFlow and leaf_audio."""
    return install(tmp_path, monkeypatch)


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Marked:
    """What the test starts."""
    monkeypatch.setattr(worker_process, "CHECK_SECONDS", SHORT)
    return Marked(monkeypatch)


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> str:
    """A shell script that stands for the reference's interpreter."""
    path = folder / "program"
    path.write_text("#!/bin/sh\n" + script.replace("SELF", sys.executable))
    path.chmod(0o755)
    monkeypatch.setenv(official.PYTHON, str(path))
    return str(path)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("cat >/dev/null; sleep 3600\n", "took no code within 1.5 s"),
        ("sleep 3600\n", "took no code within 1.5 s"),
        ("exec sleep 3600\n", "took no code within 1.5 s"),
        ('echo greetings; SELF "$@"\n', "prints 'greetings' before it is asked"),
        ('echo greetings; exec SELF "$@"\n', "prints 'greetings' before it is asked"),
        ("printf 1; exec sleep 3600\n", "took no code within 1.5 s"),
        ("yes\n", "prints 'y' before it is asked"),
        ("tr '\\0' x </dev/zero\n", "prints 'xxxx"),
        ("exit 7\n", "died with exit code 7"),
        ("cat >/dev/null & exit 7\n", "died with exit code 7|closed its pipe|took no code"),
        ("kill -9 $$\n", "killed by signal 9"),
    ],
)
def test_an_interpreter_that_takes_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: Marked, script: str, told: str
) -> None:
    """It tells its version and then does something else."""
    program(tmp_path, monkeypatch, ONLY_AS_WORKER + script)
    with pytest.raises(LeafError, match=told) as caught:
        Official(start_seconds=SHORT)
    assert caught.value.argument == official.PYTHON
    assert "\n" not in str(caught.value)
    assert not marked.left()


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("sleep 3600\n", "does not tell its version within 1.5 s"),
        ("exec sleep 3600\n", "does not tell its version within 1.5 s"),
        ("yes\n", "prints without end: 'y'"),
        ("yes >&2\n", "no Python"),
        ("exec >&- 2>&-; sleep 3600\n", "does not tell its version within 1.5 s"),
        ("sleep 3600 & echo Python 3 11\n", "does not tell its version within 1.5 s"),
        ('echo greetings; SELF "$@"\n', "prints 'greetings' first"),
        ("echo Python 3 x\n", "no Python"),
        ("exit 3\n", "exit code 3"),
        ("kill -9 $$\n", "exit code -9"),
    ],
)
def test_a_program_that_does_not_tell_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: Marked, script: str, told: str
) -> None:
    """What it has started is ended too."""
    program(tmp_path, monkeypatch, script)
    with pytest.raises(LeafError, match=told) as caught:
        Official()
    assert caught.value.argument == official.PYTHON
    assert "\n" not in str(caught.value)
    assert not marked.left()


@pytest.mark.parametrize(
    ("options", "told"),
    [("-S", "No module named 'numpy'"), ("-S -E", "No module named 'tensorflow'")],
)
@pytest.mark.usefixtures("fake")
def test_an_interpreter_that_lacks_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: Marked, options: str, told: str
) -> None:
    """Without site-packages; then without the stand-in for TensorFlow either."""
    program(tmp_path, monkeypatch, f'exec SELF {options} "$@"\n')
    with pytest.raises(LeafError, match=told) as caught:
        Official()
    assert "tox run -e reference" in caught.value.fix
    assert not marked.left()


@pytest.mark.usefixtures("fake")
def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment's folder in place of its interpreter."""
    monkeypatch.setenv(official.PYTHON, str(tmp_path))
    with pytest.raises(LeafError, match="which is a folder"):
        Official()


def test_the_child_of_a_script_is_ended_with_it(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marked: Marked
) -> None:
    """A wrapper that starts the interpreter without ``exec``, and a worker that hangs."""
    program(tmp_path, monkeypatch, 'SELF "$@"\n')
    with Official():
        assert marked.running()
    assert not marked.left()
    fake.write("leaf_audio/frontend.py", "import time; time.sleep(3600)")
    with pytest.raises(LeafError, match="no answer within"):
        Official(start_seconds=SHORT)
    assert not marked.left()


def test_a_worker_that_takes_no_question(tmp_path: Path, marked: Marked) -> None:
    """It is stopped: what is more than the pipe holds waits no longer than its limit."""
    source = types.ModuleType("stops")
    text = 'import os, signal\nchannel.send({"pid": os.getpid()})\nos.kill(os.getpid(), 19)\n'
    source.__file__ = str(tmp_path / "stops.py")
    Path(source.__file__).write_text(text)
    worker = WorkerProcess(sys.executable, source)
    worker.receive(60.0)
    with pytest.raises(WorkerLostError, match=r"took no question within 1\.5 s"):
        worker.send(b"x" * 10_000_000, SHORT)
    worker.end(0.1)
    assert not marked.left()


def test_a_program_that_vanishes(tmp_path: Path) -> None:
    """Between the check and the start."""
    with pytest.raises(WorkerLostError, match="cannot be executed"):
        WorkerProcess(str(tmp_path / "none"), official_worker)


def test_a_python_is_none_of_these() -> None:
    """The interpreter of this test."""
    assert not no_interpreter(sys.executable)


def test_a_call_is_waited_for_so_long() -> None:
    """Its result, its exception, or neither."""
    assert within(60.0, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(60.0, lambda: 1 // 0)
    never = threading.Event()
    with pytest.raises(LateError, match=r"0\.01 s"):
        Task(lambda: never.wait(30.0)).result(0.01)
    never.set()
