"""A worker in another interpreter: started, asked over a pipe, and always ended."""

from __future__ import annotations

import contextlib
import subprocess
from types import ModuleType
from typing import Any

import execnet

from weight_conversion import _isolated

OLDEST = (3, 9)
CHECK_SECONDS = 60.0
END_SECONDS = 5.0  # until a worker that was told to end is killed
_VERSION = "import sys; print('Python', *sys.version_info[:2])"


class WorkerLostError(Exception):
    """The process died or does not answer; the message says which."""


def no_interpreter(python: str) -> str:
    """Why ``python`` cannot run the worker; empty where it can.

    Asked before execnet starts it, which would wait for ever for a program that is no Python.
    """
    try:
        done = subprocess.run(
            [python, "-I", "-c", _VERSION],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CHECK_SECONDS,
            check=False,
        )
    except OSError as error:
        return f"{python!r}, which cannot be executed ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"{python!r}, which does not tell its version within {CHECK_SECONDS:.0f} s"
    words = done.stdout.decode(errors="replace").split()
    if done.returncode or len(words) != 3 or words[0] != "Python":
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-200:]
        return f"{python!r}, which is no Python (exit code {done.returncode}: {said!r})"
    if (int(words[1]), int(words[2])) < OLDEST:
        return f"Python {words[1]}.{words[2]}"
    return ""


class WorkerProcess:
    """One process that runs a module's source and talks over one channel.

    Args:
        python: the interpreter; :func:`no_interpreter` has nothing against it.
        source: the module; self-contained, since its packages are another interpreter's.
    """

    def __init__(self, python: str, source: ModuleType) -> None:
        spec = execnet.XSpec("popen")
        spec.python = _isolated.command(python)  # execnet splits it like a shell
        self._group = execnet.Group()
        gateway = self._group.makegateway(spec)
        # execnet keeps the process to itself; exit code and end are asked of it.
        self._process: subprocess.Popen[bytes] = gateway._io.popen  # type: ignore[attr-defined]
        self._channel = gateway.remote_exec(source)

    def send(self, message: Any) -> None:
        """Sends what execnet carries: numbers, strings, bytes, lists, dictionaries.

        Raises:
            WorkerLostError: there is nobody to take it.
        """
        try:
            self._channel.send(message)
        except OSError as error:
            raise WorkerLostError(self._how_it_ended()) from error

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next message.

        Raises:
            WorkerLostError: the process ended, or nothing came within ``seconds``.
        """
        try:
            return self._channel.receive(timeout=seconds)
        except self._channel.TimeoutError as error:
            raise WorkerLostError(f"it gave no answer within {seconds:g} s") from error
        except (EOFError, OSError, self._channel.RemoteError) as error:
            raise WorkerLostError(self._how_it_ended()) from error

    def _how_it_ended(self) -> str:
        """Exit code or signal."""
        try:
            code = self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        if code < 0:
            return f"it was killed by signal {-code}" + " (out of memory?)" * (code == -9)
        return f"it died with exit code {code}"

    def end(self, seconds: float = END_SECONDS) -> None:
        """Ends the process; kills it where it does not end by itself within ``seconds``."""
        self._group.terminate(timeout=seconds)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=END_SECONDS)  # no zombie is left
