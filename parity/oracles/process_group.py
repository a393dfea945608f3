"""Processes that leave nothing behind, and waits that end.

A program may be a shell script that starts the interpreter as its child: whoever kills the script
alone leaves the child. So each program starts a group of its own, which is killed as a whole.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
REAP_SECONDS = 5.0  # until the system has ended a process that was killed


class LateError(Exception):
    """Something did not end within its time."""


class Task(Generic[T]):
    """A call in a thread that the interpreter does not wait for.

    Reading a pipe has no time limit of its own; waiting for a thread that reads it has.
    """

    def __init__(self, act: Callable[[], T]) -> None:
        self._act = act
        self._done: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._done.put((self._act(), None))
        except BaseException as error:  # raised again where the result is asked for
            self._done.put((None, error))

    def result(self, seconds: float) -> T:
        """What the call returns; raises what it raises.

        Raises:
            LateError: it has not ended within ``seconds``.
        """
        try:
            result, error = self._done.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            raise LateError(f"nothing within {seconds:g} s") from None
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # there is one where nothing was raised


def within(seconds: float, act: Callable[[], T]) -> T:
    """The result of a call that may take so long.

    Raises:
        LateError: it took longer.
    """
    return Task(act).result(seconds)


def start(arguments: Sequence[str], **pipes: Any) -> subprocess.Popen[bytes]:
    """Starts a program as the leader of a group of its own.

    Raises:
        OSError: it cannot be executed.
    """
    return subprocess.Popen(arguments, start_new_session=True, **pipes)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kills a program and whatever it has started; no zombie is left."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=REAP_SECONDS)
