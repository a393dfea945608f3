"""The worker: started, asked probe by probe, and replaced when a probe spoils or ends it."""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import execnet

from leaf_port.errors import LeafError
from parity.commands.xla_complex import judge, worker
from parity.commands.xla_complex.judge import Finding
from parity.commands.xla_complex.probes import Probe
from parity.oracles import worker_process
from parity.oracles.worker_process import WorkerLostError, WorkerProcess

WHERE = "xla-complex"
START_SECONDS = 300.0  # loading the runtime and starting the device
_NAME_ONE = "name the python of an environment with torch and torch_xla"
_FATAL = re.compile(
    r"check failed|^F\d{4}|: F |terminate called|what\(\):|Fatal Python error", re.I
)


def device_name(option: str | None) -> str:
    """The device by ``--device`` or PJRT_DEVICE.

    Raises:
        LeafError: neither is set.
    """
    name = option or os.environ.get("PJRT_DEVICE", "")
    if not name:
        fix = "give --device CPU, or set PJRT_DEVICE"
        raise LeafError(WHERE, "PJRT_DEVICE", "the name of a device (CPU, TPU)", "nothing", fix)
    return name


@dataclasses.dataclass
class Session:
    """Asks a worker in the interpreter ``python``; a context.

    Attributes:
        python: the interpreter with torch and torch_xla.
        device: as PJRT_DEVICE names it.
        limit: seconds that a probe may take.
        versions: of what the worker runs on, once started.
    """

    python: str
    device: str
    limit: float
    versions: dict[str, str] = dataclasses.field(default_factory=dict)

    def __enter__(self) -> Self:
        """Starts the worker.

        Raises:
            LeafError: there is no such interpreter, it has no fitting torch_xla, or the device
                does not start.
        """
        reason = worker_process.no_interpreter(self.python)
        if reason:
            raise LeafError(WHERE, "--python", "a Python interpreter", reason, _NAME_ONE)
        self._folder = tempfile.TemporaryDirectory()
        self._worker: WorkerProcess | None = None
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        """Ends the worker."""
        self._end()
        self._folder.cleanup()

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    @property
    def _log(self) -> Path:
        """What the runtime writes to stderr."""
        return Path(self._folder.name) / "stderr"

    def _start(self) -> WorkerProcess:
        self._log.unlink(missing_ok=True)
        try:
            self._worker = WorkerProcess(self.python, worker)
        except WorkerLostError as error:
            got = f"{self.python}: {error}"
            raise LeafError(WHERE, "--python", "a Python interpreter", got, _NAME_ONE) from error
        try:
            self._worker.send({"device": self.device, "log": str(self._log)})
            reply = self._worker.receive(START_SECONDS)
        except WorkerLostError as error:
            raise self._lost_at_start(error) from error
        if "refused" in reply:
            raise self._refused(reply)
        self.versions = reply["started"]
        return self._worker

    def ask(self, probe: Probe) -> Finding:
        """One probe's finding.

        A worker that was lost is replaced at the next probe, and one whose probe raised too: the
        runtime keeps a graph that it failed to compile, and tries again with the next one.
        """
        asked = self._worker or self._start()
        try:
            asked.send(probe.question())
            reply = asked.receive(self.limit)
        except WorkerLostError as error:
            hangs = isinstance(error.__cause__, execnet.TimeoutError)
            self._end()
            return judge.lost(probe, hangs, str(error) if hangs else self._told(error))
        if "raised" in reply or "unusable" in reply:
            self._end()
        return judge.judge(probe, reply)

    def _told(self, error: WorkerLostError) -> str:
        """How the worker ended, with the line of its log that tells why."""
        cause = error.__cause__
        if isinstance(cause, execnet.RemoteError):  # before the worker could answer
            return str(cause.formatted).strip().splitlines()[-1][:300]
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        fatal = next((line for line in lines if _FATAL.search(line)), lines[-1] if lines else "")
        return f"{error}: {fatal[:300]}" if fatal else str(error)

    def _lost_at_start(self, error: WorkerLostError) -> LeafError:
        said = self._told(error)
        if not isinstance(error.__cause__, execnet.RemoteError):
            return self._no_start(said)
        fix = "install torch and torch_xla in the same version, or name another with --python"
        expected = "an interpreter with torch and torch_xla"
        return LeafError(WHERE, "--python", expected, f"{self.python}: {said}", fix)

    def _no_start(self, said: str) -> LeafError:
        fix = "see that the device is there and free, or give --device CPU"
        got = f"{self.device}: {said}"
        return LeafError(WHERE, "PJRT_DEVICE", "a device that starts", got, fix)

    def _refused(self, reply: Mapping[str, Any]) -> LeafError:
        """Why the worker does not start, with what to do."""
        said = f"{self.python}: {reply['said']}"
        if reply["refused"] == "device":
            return self._no_start(reply["said"])
        if reply["refused"] == "tensorflow":
            expected = "a process without TensorFlow, beside which the XLA runtime aborts"
            fix = "find what imports it at start-up (sitecustomize, a .pth file) and leave it out"
            return LeafError(WHERE, "--python", expected, said, fix)
        if reply["refused"] == "missing":
            fix = "install torch_xla in the version of its torch, or name another with --python"
            return LeafError(WHERE, "--python", "an interpreter with torch_xla", said, fix)
        expected = f"a torch_xla that was built for its torch {reply['torch']}"
        fix = "install both in the same version"
        return LeafError(WHERE, "--python", expected, said, fix)
