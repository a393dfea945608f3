"""What becomes of an edit in a process: one that has the port loaded already, or a new one."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Any

from parity.commands.mutants.automatic import warm, worker
from parity.commands.mutants.automatic.exchange import NotExchangedError
from parity.commands.mutants.automatic.warm import Ended, Request
from parity.commands.mutants.automatic.worker import Tried

SILENT = 900.0  # of a clock, for one check: on a busy machine a process waits
FORKS = hasattr(os, "fork")


class Processes:
    """Those of a campaign, for several threads.

    Args:
        prepared: the folder of exact answers.
        started: how processes start that have torch and no port.
    """

    def __init__(self, prepared: str, started: BaseContext) -> None:
        self._prepared, self._started = prepared, started
        self._idle = queue.SimpleQueue[_Warm]()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def tried(self, request: Request) -> Tried:
        """What became of an edit.

        A loaded port has the setting of the kernel that the machine has.
        """
        if not FORKS or request.place is None or request.checks[0].kernel:
            return _cold(request, self._prepared, self._started)
        try:
            own = self._idle.get_nowait()
        except queue.Empty:
            own = _Warm(self._prepared, self._started)
        try:
            found = own.tried(request)
        except (EOFError, OSError):  # not the fork, the process that forks
            own.close()
            return _cold(request, self._prepared, self._started)
        self._idle.put(own)
        if isinstance(found, NotExchangedError):
            return _cold(request, self._prepared, self._started)
        return found


class _Warm:
    """A process that has the port loaded."""

    def __init__(self, prepared: str, started: BaseContext) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        made: Any = started
        self._process = made.Process(target=warm.serve, args=(prepared, theirs))
        self._process.start()
        theirs.close()

    def tried(self, request: Request) -> Tried | NotExchangedError:
        """What became of an edit.

        Raises:
            EOFError: the process has died.
        """
        self._ours.send(request)
        fork, at = self._ours.recv(), worker.IMPORT
        found: Tried | NotExchangedError | None = None
        for told in _told(self._ours):
            if isinstance(told, Ended):
                return found or Tried(at, f"its process ended with exit code {told.code}")
            if isinstance(told, str):
                at = told
            else:
                found = told
        with contextlib.suppress(ProcessLookupError):
            os.kill(fork, signal.SIGKILL)
        self._ours.recv()
        return found or Tried(at, f"no answer within {SILENT:.0f} s")

    def close(self) -> None:
        """Ends the process."""
        self._ours.close()
        self._process.kill()
        self._process.join()


def _cold(request: Request, prepared: str, started: BaseContext) -> Tried:
    """What became of an edit in a process that has never seen the healthy port."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    given = request.edit, request.checks, prepared, request.limit, theirs
    made: Any = started
    process = made.Process(target=worker.run, args=given)
    process.start()
    theirs.close()
    at = worker.IMPORT
    try:
        for told in _told(ours):
            if isinstance(told, Tried):
                return told
            at = str(told)
        return Tried(at, f"no answer within {SILENT:.0f} s")
    except EOFError:
        process.join()
        return Tried(at, f"its process ended with exit code {process.exitcode}")
    finally:
        process.kill()  # it has answered, has died, or never will
        process.join()
        ours.close()


def _told(ours: Connection) -> Iterator[str | Tried | NotExchangedError | Ended]:
    """What a process tells, until it has nothing to say for long."""
    while ours.poll(SILENT):
        yield ours.recv()
