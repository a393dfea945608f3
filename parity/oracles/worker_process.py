"""A worker in another interpreter: started, asked over a pipe, and always ended.

Nothing here waits without a limit, whatever the program at the other end does. A program that fails
leaves no process behind.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import subprocess
import time
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import execnet
from execnet import gateway_base, gateway_bootstrap, gateway_io

from parity.oracles import process_group
from parity.oracles.process_group import LateError, Task, within

OLDEST = (3, 9)
CHECK_SECONDS = 60.0
HANDSHAKE_SECONDS = 60.0  # until an interpreter has taken the worker's source
SEND_SECONDS = 60.0  # until a message has been taken from the pipe
END_SECONDS = 5.0  # until a worker that was told to end is killed
_MOST_SAID = 1 << 16  # bytes; what a program prints beyond them is not read
_VERSION = "import sys; print('Python', *sys.version_info[:2])"
# Before anything is imported: the folder in which the user happens to be is no place of modules.
# So does -P from 3.11 on; -I, which older ones know, would leave PYTHONPATH out too.
_NOT_HERE = "import sys; sys.path[:] = filter(None, sys.path); "
_READY = b"the worker is ready\n"


class WorkerLostError(Exception):
    """The process died or does not answer; the message says which."""


def no_interpreter(python: str, seconds: float | None = None) -> str:
    """Why ``python`` cannot run the worker; empty where it can.

    Args:
        python: the program.
        seconds: that it may take to tell its version; ``CHECK_SECONDS`` by default.
    """
    if Path(python).is_dir():
        return f"{python!r}, which is a folder"
    seconds = CHECK_SECONDS if seconds is None else seconds
    try:
        code, out, err = _run([python, "-c", _VERSION], seconds)
    except OSError as error:
        return f"{python!r}, which cannot be executed ({error.strerror})"
    except LateError:
        return f"{python!r}, which does not tell its version within {seconds:g} s"
    if len(out) == _MOST_SAID:
        return f"{python!r}, which is no Python (it prints without end: {_start_of(out)!r})"
    words = out.decode(errors="replace").split()
    if code or words[-3:-2] != ["Python"] or not all(word.isdigit() for word in words[-2:]):
        said = (err or out).decode(errors="replace").strip()[-200:]
        return f"{python!r}, which is no Python (exit code {code}: {said!r})"
    if len(words) != 3:
        return f"{python!r}, which is no Python alone: it prints {_start_of(out)!r} first"
    if (int(words[1]), int(words[2])) < OLDEST:
        return f"Python {words[1]}.{words[2]}"
    return ""


def _run(arguments: list[str], seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code of a program, with the start of what it prints to stdout and to stderr.

    Raises:
        OSError: it cannot be executed.
        LateError: it does not end.
    """
    end = time.monotonic() + seconds
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = process_group.start(arguments, **pipes)
    try:
        ends = (process.stdout, process.stderr)
        readers = [Task(functools.partial(_read, pipe)) for pipe in ends if pipe is not None]
        out, err = (reader.result(end - time.monotonic()) for reader in readers)
        return process.wait(timeout=max(end - time.monotonic(), 0.0)), out, err
    except subprocess.TimeoutExpired as error:
        raise LateError(str(error)) from error
    finally:
        process_group.kill(process)


def _read(pipe: IO[bytes]) -> bytes:
    """What comes out of a pipe, up to a limit; the pipe is closed, which ends who prints on."""
    with pipe:
        return pipe.read(_MOST_SAID)


def _start_of(said: bytes) -> str:
    return said[:80].decode(errors="replace").strip().partition("\n")[0]


class _Pipe(gateway_io.Popen2IOMaster):
    """What execnet talks through: the pipes of a process that leads a group of its own."""

    def __init__(self, arguments: list[str]) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.popen = process_group.start(arguments, **pipes)
        model = gateway_base.get_execmodel("thread")
        gateway_base.Popen2IO.__init__(self, self.popen.stdin, self.popen.stdout, model)

    def kill(self) -> None:
        """Ends the process and what it has started."""
        process_group.kill(self.popen)

    def close(self) -> None:
        """Closes both ends that are here."""
        for pipe in (self.popen.stdin, self.popen.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


class WorkerProcess:
    """One process that runs a module's source and talks over one channel.

    Args:
        python: the interpreter; :func:`no_interpreter` has nothing against it.
        source: the module; self-contained, since its packages are another interpreter's.
        seconds: until the process has taken the means to talk; ``HANDSHAKE_SECONDS`` by default.

    Raises:
        WorkerLostError: it does not take them; no process is left.
    """

    def __init__(self, python: str, source: ModuleType, seconds: float | None = None) -> None:
        seconds = HANDSHAKE_SECONDS if seconds is None else seconds
        try:
            self._pipe = _Pipe([python, "-u", "-c", _NOT_HERE + gateway_io.popen_bootstrapline])
        except OSError as error:
            raise WorkerLostError(f"it cannot be executed ({error.strerror})") from error
        self._process = self._pipe.popen
        self._group = execnet.Group()
        try:
            self._channel = within(seconds, lambda: self._connected(source))
        except LateError as error:
            self._give_up()
            raise WorkerLostError(f"it took no code within {seconds:g} s") from error
        except OSError as error:
            told = self._how_it_ended()
            self._give_up()
            raise WorkerLostError(told) from error
        except BaseException:
            self._give_up()
            raise

    def _connected(self, source: ModuleType) -> Any:
        """The channel to the running source."""
        spec = execnet.XSpec("popen//execmodel=thread")
        self._group.allocate_id(spec)
        gateway_bootstrap.sendexec(
            self._pipe,
            inspect.getsource(gateway_base),
            "execmodel = get_execmodel('thread')",
            "io = init_popen_io(execmodel)",
            f"io.write({_READY!r})",
            f"serve(io, id='{spec.id}-worker')",
        )
        said = self._process.stdout.readline(_MOST_SAID)
        if not said:
            raise WorkerLostError(self._how_it_ended())
        if said != _READY:
            raise WorkerLostError(f"it prints {_start_of(said)!r} before it is asked")
        gateway = execnet.Gateway(self._pipe, spec)
        self._group._register(gateway)
        return gateway.remote_exec(source)

    def _give_up(self) -> None:
        """Ends a process that was never asked anything."""
        self._pipe.kill()
        with contextlib.suppress(LateError):
            within(END_SECONDS, self._pipe.close)

    def send(self, message: Any, seconds: float | None = None) -> None:
        """Sends what execnet carries: numbers, strings, bytes, lists, dictionaries.

        Raises:
            WorkerLostError: there is nobody to take it, or it is not taken within ``seconds``.
        """
        seconds = SEND_SECONDS if seconds is None else seconds
        try:
            within(seconds, lambda: self._channel.send(message))
        except LateError as error:
            raise WorkerLostError(f"it took no question within {seconds:g} s") from error
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
        ending = Task(lambda: self._group.terminate(timeout=seconds))
        with contextlib.suppress(LateError):
            ending.result(seconds + END_SECONDS)
        self._pipe.kill()
