"""A worker that dies, hangs or cannot start: told once, with the fix, and the run goes on."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
from pathlib import Path

import pytest
from _fake_official import Fake, install
from rich.console import Console

from leaf_port import LeafError
from parity.commands import live, record
from parity.layers import all_specs
from parity.oracles import official
from parity.oracles.official import (
    EndedError,
    NotAnsweredError,
    NotInThisStackError,
    Official,
)
from parity.port import runner
from parity.spec import LayerSpec, Question, Ref, Sampling

HANG = 4.0  # seconds until a silent worker is given up; a busy machine takes two to answer


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """The stand-ins for TensorFlow and leaf_audio."""
    return install(tmp_path, monkeypatch)


def spec_of(function: str) -> LayerSpec:
    """A layer whose official side is a function of the fake leaf_audio."""
    base = all_specs()["squared_modulus"]
    made = Ref(f"leaf_audio.frontend.{function}")
    return dataclasses.replace(
        base, name=function, official=lambda _: made, differentiable=(), sampling=Sampling()
    )


def ask(live_worker: Official, function: str) -> Question:
    """Asks for a value of that function."""
    spec = spec_of(function)
    question = runner.ask(spec, spec.cases()[0])
    answer = live_worker.answer(spec, question)
    assert (answer.outputs[0] == question.inputs["inputs"]).all()
    return question


def gone(pid: int) -> bool:
    """Whether there is no such process, not even a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_worker_is_asked_and_ended(fake: Fake) -> None:
    """The fake is good enough for the real worker; nothing is left behind."""
    with Official() as live_worker:
        ask(live_worker, "same")
        assert live_worker.missing == ["tensorflow_addons", "lingvo"]
        assert "lacks tensorflow_addons, lingvo" in live_worker.stack
    assert len(fake.pids) == 1
    assert gone(fake.pids[0])
    with pytest.raises(EndedError, match="closed"):
        ask(live_worker, "same")


@pytest.mark.parametrize(
    ("function", "told"),
    [("dies", "exit code 3"), ("killed", "signal 9"), ("hangs", "no answer within 4 s")],
)
def test_a_lost_worker_is_told_and_replaced(fake: Fake, function: str, told: str) -> None:
    """With layer, case and what happened; the process is gone; the next question is answered."""
    with Official(answer_seconds=HANG) as live_worker:
        with pytest.raises(NotAnsweredError, match=rf"{function} \[.*\]: not answered.*{told}"):
            ask(live_worker, function)
        assert gone(fake.pids[0])
        ask(live_worker, "same")
    assert len(fake.pids) == 2
    assert all(gone(pid) for pid in fake.pids)


def test_restarts_are_bounded(fake: Fake) -> None:
    """What is asked after the last says why it is not run."""
    with Official(restarts=2) as live_worker:
        for _ in range(3):
            with pytest.raises(NotAnsweredError):
                ask(live_worker, "dies")
        with pytest.raises(EndedError, match=r"lost over dies .*often enough"):
            ask(live_worker, "same")
    assert len(fake.pids) == 3


def test_a_worker_that_cannot_be_started_again(fake: Fake) -> None:
    """The reason of both is told, and it is tried once only."""
    with Official() as live_worker:
        fake.write("leaf_audio/frontend.py", "raise ImportError('the disk is gone')")
        with pytest.raises(NotAnsweredError):
            ask(live_worker, "dies")
        for _ in range(2):
            with pytest.raises(EndedError, match=r"exit code 3; started again: .*disk is gone"):
                ask(live_worker, "same")


@pytest.mark.parametrize("function", ["raises", "leaves"])
def test_an_exception_does_not_end_the_worker(fake: Fake, function: str) -> None:
    """Neither one of Python's nor sys.exit."""
    with Official() as live_worker:
        with pytest.raises(RuntimeError, match="official code raised"):
            ask(live_worker, function)
        ask(live_worker, "same")
    assert len(fake.pids) == 1


@pytest.mark.usefixtures("fake")
def test_garbage_on_stdout_does_no_harm() -> None:
    """The pipe is not the process's stdout."""
    with Official() as live_worker:
        ask(live_worker, "prints")
        ask(live_worker, "same")


@pytest.mark.usefixtures("fake")
def test_only_the_package_that_is_used_is_lacking() -> None:
    """Both are missing; the one that the layer needs is named."""
    with Official() as live_worker, pytest.raises(NotInThisStackError, match=r"lacks lingvo$"):
        ask(live_worker, "lacks")


def test_a_live_run_goes_on(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers after a lost worker are compared, or told as not run; the exit code is 1."""
    chosen = ["lacks", "dies", "hangs", "same"]
    monkeypatch.setattr(live, "all_specs", lambda: {name: spec_of(name) for name in chosen})
    console = Console(record=True, width=300)
    start = functools.partial(Official, answer_seconds=HANG, restarts=1)
    assert not live.run(chosen, 2, 0, None, console, workers=0, start=start)
    text = console.export_text()
    assert "not run: the official interpreter lacks lingvo" in text
    assert "dies [" in text
    assert "it died with exit code 3" in text
    assert "it gave no answer within 4 s" in text
    assert "not run: the official worker was lost over hangs" in text
    assert "0 passed, 2 failed, 2 not run" in text
    assert all(gone(pid) for pid in fake.pids)


def test_recording_goes_on(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer over which the worker is lost is not recorded; the next one is asked."""
    drifted: list[str] = []
    monkeypatch.setattr(record, "drift", lambda spec, *_: drifted.append(spec.name) or [])
    monkeypatch.setattr(record, "describe", lambda *_: False)  # the stand-in has no classes
    console = Console(record=True, width=300)
    assert record.record([spec_of("dies"), spec_of("same")], False, None, console)
    assert "dies: not recorded: dies [" in console.export_text()
    assert drifted == ["same"]
    assert all(gone(pid) for pid in fake.pids)


@pytest.mark.parametrize(
    ("frontend", "told", "seconds"),
    [
        ("import os; os._exit(5)", "died with exit code 5", official.START_SECONDS),
        ("import time; time.sleep(3600)", "no answer within", HANG),
        ("raise SystemError('broken')", "SystemError: broken", official.START_SECONDS),
        ("import no_such_package", "No module named 'no_such_package'", official.START_SECONDS),
        ("def (", "SyntaxError", official.START_SECONDS),
    ],
)
def test_an_import_that_fails(fake: Fake, frontend: str, told: str, seconds: float) -> None:
    """One error, with the reason and what to do; no process is left."""
    own_pid = "import os; open(os.environ['FAKE_PIDS'], 'a').write('%d' % os.getpid())"
    fake.write("leaf_audio/__init__.py", own_pid)
    fake.write("leaf_audio/frontend.py", frontend)
    with pytest.raises(LeafError, match=told) as caught:
        Official(start_seconds=seconds)
    assert caught.value.argument == official.PYTHON
    assert "tox run -e reference" in caught.value.fix or "by hand" in caught.value.fix
    assert all(gone(pid) for pid in fake.pids)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("#!/bin/sh\nexit 0\n", "no Python"),
        ("#!/bin/sh\necho Python 2 7\n", "Python 2.7"),
        ('#!/bin/sh\necho greetings; exec SELF "$@"\n', "no Python"),
        ("#!/bin/sh\nexit 127\n", "exit code 127"),
        ("nothing to execute", "cannot be executed"),
    ],
)
def test_a_program_that_is_no_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    """Found out before execnet waits for it."""
    program = tmp_path / "program"
    program.write_text(script.replace("SELF", sys.executable))
    program.chmod(0o755 if script.startswith("#!") else 0o644)
    monkeypatch.setenv(official.PYTHON, str(program))
    with pytest.raises(LeafError, match=told) as caught:
        Official()
    assert "tox run -e reference" in caught.value.fix


@pytest.mark.usefixtures("fake")
def test_an_interpreter_in_a_folder_with_a_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with what else a shell would not leave as it is."""
    program = tmp_path / "my $HOME" / "it's python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv(official.PYTHON, str(program))
    with Official() as live_worker:
        ask(live_worker, "same")


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", ["", "somewhere/else", "."])
def test_a_checkout_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Said with the variable and what it should hold."""
    monkeypatch.setenv(official.CHECKOUT, str(tmp_path / name) if name else "")
    with pytest.raises(LeafError, match=r"leaf_audio/frontend\.py") as caught:
        Official()
    assert caught.value.argument == official.CHECKOUT


@pytest.mark.usefixtures("fake")
def test_tensorflow_alone_needs_no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it look for lingvo."""
    monkeypatch.delenv(official.CHECKOUT)
    with Official(with_leaf_audio=False) as live_worker:
        assert live_worker.missing == ["tensorflow_addons"]
        assert "leaf_audio" not in live_worker.versions
