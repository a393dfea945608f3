"""The official implementation, live: one long-lived worker in its own interpreter.

TensorFlow pins versions that torch does not accept, so it never shares a process with the port. Two
environment variables say where it is:

* ``LEAF_REFERENCE_PYTHON``: an interpreter with TensorFlow (and gin-config; for SpecAugment lingvo,
  for instance normalisation tensorflow-addons); ``tox run -e reference`` makes one;
* ``LEAF_AUDIO_PATH``: the root of a checkout of google-research/leaf-audio. TensorFlow's own
  functions are asked without it (``parity/commands/primitives``).

A worker that dies or hangs costs the case that it was asked: the next question starts another one,
a few times. What is not answered is told with its reason, never passed over.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError
from parity.oracles import official_worker
from parity.oracles.official_worker import pack, unpack
from parity.oracles.worker_process import (
    HANDSHAKE_SECONDS,
    OLDEST,
    WorkerLostError,
    WorkerProcess,
    no_interpreter,
)
from parity.spec import Answer, LayerSpec, Question

PYTHON = "LEAF_REFERENCE_PYTHON"
CHECKOUT = "LEAF_AUDIO_PATH"
START_SECONDS = 300.0
ANSWER_SECONDS = 300.0
RESTARTS = 3
KILL_SECONDS = 1.0  # a worker that hangs is given no longer to end by itself

_WHERE = "official oracle"
_MAKE_ONE = "`tox run -e reference` makes one"


class NotRunError(Exception):
    """There is no answer to be had."""


class NotInThisStackError(NotRunError):
    """The reference's interpreter lacks what a case needs: a package, or a part of TensorFlow."""


class NotAnsweredError(NotRunError):
    """The worker died or hung over this case."""


class EndedError(NotRunError):
    """The worker cannot be started again."""


def _environment(name: str, expected: str, fix: str) -> str:
    value = os.environ.get(name, "")
    if not value or not Path(value).exists():
        got = f"{value!r}, which does not exist" if value else "nothing"
        raise LeafError(_WHERE, name, expected, got, f"set the environment variable; {fix}")
    return value


def interpreter() -> str:
    """The reference's interpreter, which can run a worker.

    Raises:
        LeafError: the environment names none, or a program that is no Python.
    """
    expected = f"a Python {OLDEST[0]}.{OLDEST[1]} or newer that has TensorFlow"
    python = _environment(PYTHON, expected, _MAKE_ONE)
    wrong = no_interpreter(python)
    if wrong:
        raise LeafError(_WHERE, PYTHON, expected, wrong, _MAKE_ONE)
    return python


def checkout() -> str:
    """The root of the official code.

    Raises:
        LeafError: the environment names none.
    """
    expected = "the root of a checkout of google-research/leaf-audio"
    fix = "give the folder that holds leaf_audio/frontend.py"
    root = _environment(CHECKOUT, expected, fix)
    if not (Path(root) / "leaf_audio" / "frontend.py").is_file():
        raise LeafError(_WHERE, CHECKOUT, expected, repr(root), fix)
    return root


class Official:
    """The live worker; a context manager.

    Args:
        with_leaf_audio: whether leaf_audio is asked; else TensorFlow alone, without a checkout.
        start_seconds: until a worker that has not imported everything is given up; one that does
            not even take its code is given up earlier.
        answer_seconds: the same of an answer.
        restarts: how many times in all a lost worker is started again.

    Attributes:
        versions: of Python, NumPy, TensorFlow, Keras and leaf_audio (its commit).
        missing: packages that the interpreter lacks.

    Raises:
        LeafError: no interpreter, no checkout, or an import that fails there.
    """

    def __init__(
        self,
        with_leaf_audio: bool = True,
        start_seconds: float = START_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        restarts: int = RESTARTS,
    ) -> None:
        self._python = interpreter()
        self._path = checkout() if with_leaf_audio else ""
        self._start_seconds = start_seconds
        self._answer_seconds = answer_seconds
        self._restarts = restarts
        self._ended = ""
        self.versions: dict[str, str] = {}
        self.missing: list[str] = []
        self._worker: WorkerProcess | None = self._start()

    def _start(self) -> WorkerProcess:
        """A worker that has imported everything."""
        module = "leaf_audio.frontend" if self._path else "tensorflow"
        expected = f"an interpreter that imports {module}"
        by_hand = f"run it by hand: {self._python} -c 'import {module}'"
        worker: WorkerProcess | None = None
        try:
            handshake = min(HANDSHAKE_SECONDS, self._start_seconds)
            worker = WorkerProcess(self._python, official_worker, handshake)
            worker.send(self._path)
            hello = worker.receive(self._start_seconds)
        except WorkerLostError as error:
            if worker is not None:
                worker.end(KILL_SECONDS)
            raise LeafError(_WHERE, PYTHON, expected, str(error), by_hand) from error
        if "failed" in hello:
            worker.end(KILL_SECONDS)
            last = hello["failed"].strip().splitlines()[-1]
            fix = f"install the reference stack's packages into it; {_MAKE_ONE}"
            raise LeafError(_WHERE, PYTHON, expected, last, fix)
        own = {"leaf_audio": commit(self._path)} if self._path else {}
        self.versions, self.missing = hello["versions"] | own, hello["missing"]
        return worker

    @property
    def stack(self) -> str:
        """What answers, in one line."""
        told = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return told + f"; lacks {', '.join(self.missing)}" * bool(self.missing)

    def _running(self) -> WorkerProcess:
        """The worker, started again if it was lost."""
        if self._worker is not None:
            return self._worker
        if self._restarts < 1:
            raise EndedError(f"{self._ended}, and it was started again often enough")
        self._restarts -= 1
        try:
            self._worker = self._start()
        except LeafError as error:
            self._restarts, self._ended = 0, f"{self._ended}; started again: {error}"
            raise EndedError(self._ended) from error
        return self._worker

    def answer(self, spec: LayerSpec, question: Question) -> Answer:
        """What the official implementation answers.

        Raises:
            NotInThisStackError: a package is missing there, or TensorFlow refuses.
            NotAnsweredError: the worker died or hung; the next question starts another one.
            EndedError: it did so too often, or cannot be started again.
            RuntimeError: the official code raised; the message holds its traceback.
        """
        raw = self._answered(f"{spec.name} [{question.case.name}]", _job(spec, question), question)
        named = {
            kind: {name: unpack(packed) for name, packed in raw[kind].items()}
            for kind in ("gradients", "initial", "state")
        }
        return Answer(outputs=[unpack(packed) for packed in raw["outputs"]], **named)

    def signature(self, name: str) -> dict[str, Any]:
        """The arguments of an official class or function: ``[]`` or ``[default]`` by name.

        Raises:
            as :meth:`answer`.
        """
        found: dict[str, Any] = self._answered(name, {"signature": name})
        return found

    def made_of(self, spec: LayerSpec, question: Question) -> dict[str, Any]:
        """The variables and layers of the official layer of a case, before anything is set.

        Raises:
            as :meth:`answer`.
        """
        job = {**_job(spec, question), "made_of": True}
        found: dict[str, Any] = self._answered(f"{spec.name} [{question.case.name}]", job)
        return found

    def _answered(self, what: str, job: dict[str, Any], question: Question | None = None) -> Any:
        """The answer to a job."""
        worker = self._running()
        try:
            reply = self._ask(worker, job, question)
        except WorkerLostError as error:
            self._worker = None
            worker.end(KILL_SECONDS)
            self._ended = f"the official worker was lost over {what}: {error}"
            told = f"{what}: not answered by the official worker: {error}"
            raise NotAnsweredError(told) from error
        if "error" in reply:
            if reply["lacks"]:
                lacks = ", ".join(reply["lacks"])
                raise NotInThisStackError(f"the official interpreter lacks {lacks}")
            raise RuntimeError(f"{what}: official code raised\n{reply['error']}")
        return reply["answer"]

    def _ask(
        self, worker: WorkerProcess, job: dict[str, Any], question: Question | None
    ) -> dict[str, Any]:
        """The reply to a job; the cotangents are sent once the shapes of the outputs are known."""
        worker.send(job, self._answer_seconds)
        reply = worker.receive(self._answer_seconds)
        if question is not None and "shapes" in reply:
            shapes: Sequence[Sequence[int]] = reply["shapes"]
            worker.send([pack(question.cotangent(i, shape)) for i, shape in enumerate(shapes)])
            reply = worker.receive(self._answer_seconds)
        return reply

    def close(self) -> None:
        """Ends the worker; what is asked after it is not answered."""
        self._restarts, self._ended = 0, self._ended or "the official worker was closed"
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def __enter__(self) -> Official:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _job(spec: LayerSpec, question: Question) -> dict[str, Any]:
    """A question as data."""
    config = question.case.config
    return {
        "official": spec.official(config).tree,
        "inputs": {name: pack(value) for name, value in question.inputs.items()},
        "weights": {path: pack(value) for path, value in question.weights.items()},
        "differentiable": [name for name in spec.differentiable if name in question.inputs],
        "differentiable_weights": list(spec.differentiable_weights(config)),
        "state": spec.state(question.case),
        "training": question.case.training,
        "training_argument": spec.training_argument,
        "patches": list(spec.patches),
        "draws": [pack(draw) for draw in question.draws],
    }


def commit(root: str) -> str:
    """The checkout's commit, or 'unknown' where it is no git repository."""
    command = ["git", "-C", root, "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
