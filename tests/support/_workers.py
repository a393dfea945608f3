"""Processes that read one file after another: what reads a file, a thousand times as fast.

Each kind of file has a process, in which only what reads it is loaded. A reading has the limits of
``weight_conversion.formats.limits`` as ever, and its outputs are pipes of its own. A worker that
dies is started again; so is one that has kept memory or an open file.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

USED = struct.Struct("<dqb")
AGAIN, LAST, DIED = 1, 0, -1
KEPT = 20_000_000  # bytes, of what a worker may keep of a file
MOST = 2_000  # readings of one worker
LONGEST = 1800.0  # of a clock: a worker has limits of its own, on a busy machine it waits for long

usage: list[tuple[float, int]] = []
"""Seconds, and bytes beyond those of the process when it was new, of each reading."""

_workers: dict[str, Worker] = {}


class Worker:
    """A process that reads files, seen from outside."""

    def __init__(self, module: str) -> None:
        from weight_conversion.formats import child_process

        self._ours, theirs = socket.socketpair()
        self._ours.settimeout(LONGEST)
        number = theirs.fileno()
        command = [*child_process.interpreter(), __file__, module, str(number)]
        environment = child_process.environment()
        self._process = subprocess.Popen(
            command, pass_fds=[number], env=environment, process_group=0
        )
        theirs.close()
        told = self._told()
        if told is None or told[2] is None:
            raise RuntimeError(f"no worker of {module}")
        self._spent, self._base, _ = told

    def begin(self, path: Path, ends: list[int]) -> None:
        """Has a file read into two pipes."""
        socket.send_fds(self._ours, [bytes(path)], ends)

    def end(self) -> bool:
        """Waits for the reading's end; whether the worker can read another file."""
        told = self._told()
        if told is None:  # no process takes so long: its limits end it
            raise RuntimeError("a worker that does not answer")
        seconds, taken, again = told
        if again is None:  # it died; what is told is of its whole life
            usage.append((seconds - self._spent, max(0, taken - self._base)))
            return False
        self._spent += seconds
        usage.append((seconds, taken))
        return again

    def _told(self) -> tuple[float, int, bool | None] | None:
        try:
            told = self._ours.recv(USED.size)
        except TimeoutError:
            return None
        if len(told) < USED.size:
            return None
        seconds, taken, again = USED.unpack(told)
        return seconds, taken, {AGAIN: True, LAST: False}.get(again)

    def close(self) -> None:
        """Ends the process."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._ours.close()
        self._process.wait()


@contextmanager
def started(module: str, path: Path, seconds: float) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """As ``weight_conversion.formats.child_process.started``."""
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    if module not in _workers:
        _workers[module] = Worker(module)
    worker = _workers[module]
    worker.begin(path, [out_end, err_end])
    os.close(out_end)
    os.close(err_end)
    try:
        with os.fdopen(out, "rb") as said, os.fdopen(err, "rb") as told:
            yield said, told
    finally:
        if not worker.end():
            worker.close()
            del _workers[module]


def close() -> None:
    """Ends all workers."""
    for worker in _workers.values():
        worker.close()
    _workers.clear()


# In the worker


def memory() -> tuple[int, int]:
    """Memory of this process, and the most since :func:`forget`."""
    with open("/proc/self/status", "rb", buffering=0) as file:  # noqa: PTH123
        text = file.read()
    peak, now = (int(text.split(name, 1)[1].split(None, 1)[0]) for name in (b"VmHWM:", b"VmRSS:"))
    return now * 1024, peak * 1024


def forget() -> None:
    """Has :func:`memory` count the most from here on."""
    with open("/proc/self/clear_refs", "wb", buffering=0) as file:  # noqa: PTH123
        file.write(b"5")


def _serve(module: str, wire: socket.socket) -> None:
    import importlib
    import resource

    main = importlib.import_module(module).main
    limits = resource.getrlimit(resource.RLIMIT_AS)
    gc.collect()
    gc.freeze()
    base, opened = memory()[0], _opened()
    wire.send(USED.pack(time.process_time(), base, AGAIN))
    for left in reversed(range(MOST)):
        name, ends, _, _ = socket.recv_fds(wire, 4096, 2)
        if not name:
            return
        forget()
        start = time.process_time()
        _read(main, Path(os.fsdecode(name)), *ends)
        seconds = time.process_time() - start
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        peak = memory()[1]
        again = AGAIN if left and not _kept(base, opened) else LAST
        wire.send(USED.pack(seconds, peak - base, again))
        if again == LAST:
            return


def _read(main: Any, path: Path, out: int, err: int) -> None:
    """As ``python -m`` does, and no more."""
    with os.fdopen(err, "wb", buffering=0) as told:
        try:
            with os.fdopen(out, "wb") as said:
                main(path, said)
        except BaseException:
            with contextlib.suppress(OSError):
                told.write(traceback.format_exc().encode()[-4000:])


def _kept(base: int, opened: int) -> bool:
    """Whether anything of the file is still there."""
    if _opened() != opened:
        gc.collect()
        if _opened() != opened:
            return True
    return memory()[0] - base > KEPT


def _opened() -> int:
    """How many of HDF5's objects are open."""
    h5py = sys.modules.get("h5py")
    return 0 if h5py is None else int(h5py.h5f.get_obj_count())


def _watch(module: str, wire: socket.socket) -> None:
    """Serves in a child of this small process, whose memory is no other's; tells of its death."""
    child = os.fork()
    if child == 0:
        _serve(module, wire)
        return
    _, status, used = os.wait4(child, 0)
    if status != 0:
        with contextlib.suppress(OSError):
            total = used.ru_utime + used.ru_stime
            wire.send(USED.pack(total, used.ru_maxrss * 1024, DIED))


if __name__ == "__main__":
    _watch(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
