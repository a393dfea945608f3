"""Asks processes: one that has the port loaded already, or a new one that has not."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import queue
import signal
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Any

from parity.commands.mutants import warm
from parity.commands.mutants.exchange import NotExchangedError
from parity.commands.mutants.warm import Ended, Target

FORKS = hasattr(os, "fork")


@dataclasses.dataclass(frozen=True)
class Lost:
    """A process that gave no answer.

    Attributes:
        at: the last thing that it told, a text; empty for none.
        why: what became of it.
    """

    at: str
    why: str


class Processes:
    """Processes for several threads; those that have the port loaded are kept for the next bug.

    Args:
        started: how processes start that have torch and no port.
        silent: seconds of a clock after which a process that tells nothing is lost.
    """

    def __init__(self, started: BaseContext, silent: float) -> None:
        self._started, self._silent = started, silent
        self._idle = defaultdict[str, queue.SimpleQueue[_Warm]](queue.SimpleQueue)

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for idle in self._idle.values():
            with contextlib.suppress(queue.Empty):
                while True:
                    idle.get_nowait().close()

    def ask(self, new: Target, loaded: Target | None, kernel: str = "") -> Any:
        """An answer: whatever comes that is no text.

        Args:
            new: is run where the port was never imported.
            loaded: is run where it was; None if that will not do. It may answer by a
                ``NotExchangedError``; then the other one is asked.
            kernel: ``LEAF_PORT_KERNEL`` of the port that is loaded; empty for what the machine has.
        """
        if loaded is None or not FORKS:
            return self._new(new)
        idle = self._idle[kernel]
        try:
            own = idle.get_nowait()
        except queue.Empty:
            own = _Warm(self._started, self._silent, kernel)
        try:
            found = own.ask(loaded)
        except (EOFError, OSError):  # not the fork: the process that forks
            own.close()
            return self._new(new)
        idle.put(own)
        return self._new(new) if isinstance(found, NotExchangedError) else found

    def _new(self, target: Target) -> Any:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        started: Any = self._started
        process = started.Process(target=target, args=(theirs,))
        process.start()
        theirs.close()
        at = ""
        try:
            for told in _told(ours, self._silent):
                if not isinstance(told, str):
                    return told
                at = told
            return Lost(at, _silence(self._silent))
        except EOFError:
            process.join()
            return Lost(at, _end(process.exitcode))
        finally:
            process.kill()  # it has answered, has died, or never will
            process.join()
            ours.close()


class _Warm:
    """A process that has the port loaded."""

    def __init__(self, started: Any, silent: float, kernel: str) -> None:
        self._silent = silent
        self._ours, theirs = multiprocessing.Pipe()
        self._process = started.Process(target=warm.serve, args=(theirs, kernel))
        self._process.start()
        theirs.close()

    def ask(self, target: Target) -> Any:
        """The answer of a fork.

        Raises:
            EOFError: the process has died.
        """
        self._ours.send(target)
        fork, at = self._ours.recv(), ""
        found: Any = None
        for told in _told(self._ours, self._silent):
            if isinstance(told, Ended):
                return found or Lost(at, _end(told.code))
            if isinstance(told, str):
                at = told
            else:
                found = told
        with contextlib.suppress(ProcessLookupError):
            os.kill(fork, signal.SIGKILL)
        self._ours.recv()
        return found or Lost(at, _silence(self._silent))

    def close(self) -> None:
        """Ends the process."""
        self._ours.close()
        self._process.kill()
        self._process.join()


def _told(ours: Connection, silent: float) -> Iterator[Any]:
    """What a process tells, until it has nothing to say for long."""
    while ours.poll(silent):
        yield ours.recv()


def _silence(seconds: float) -> str:
    return f"no answer within {seconds:.0f} s"


def _end(code: int) -> str:
    return f"its process ended with exit code {code}"
