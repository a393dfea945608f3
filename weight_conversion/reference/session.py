"""The official implementation, live, which makes and reads checkpoints.

It runs in the interpreter that the parity suite uses too, and is started by the same code
(``parity.oracles``): the environment variables ``LEAF_REFERENCE_PYTHON`` and ``LEAF_AUDIO_PATH``
say where it is. Only ``record`` and ``export`` need it, and the extra ``parity``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from leaf_port.errors import LeafError
from parity.oracles import official
from parity.oracles.official import CHECKOUT as CHECKOUT
from parity.oracles.official import PYTHON as PYTHON
from parity.oracles.worker_process import WorkerLostError, WorkerProcess
from weight_conversion.reference import worker
from weight_conversion.reference.worker import pack, unpack

SECONDS = 600.0
"""Until a task is given up: training a model takes minutes."""

_FIX = "run it by hand: import leaf_audio.models"


class Official:
    """The live worker; a context manager.

    Attributes:
        versions: of Python, NumPy, TensorFlow, Keras, h5py and leaf_audio (its commit).
        missing: packages that the interpreter lacks.

    Raises:
        LeafError: no interpreter, no checkout, or an import that fails there.
    """

    def __init__(self) -> None:
        python, root = official.interpreter(), official.checkout()
        try:
            self._worker = WorkerProcess(python, worker)
        except WorkerLostError as error:
            raise _lost(str(error)) from error
        self._send(root)
        hello = self._receive()
        self.versions = dict(hello["versions"], leaf_audio=official.commit(root))
        self.missing: list[str] = hello["missing"]

    def do(self, task: str, **job: Any) -> dict[str, Any]:
        """Has the worker do a task: ``make``, ``write``, ``fill`` or ``values``.

        Raises:
            LeafError: the official code raised, or the worker died.
        """
        self._send({"task": task, **job})
        answer: dict[str, Any] = self._receive()["answer"]
        return answer

    def values(self, path: Path) -> dict[str, tuple[str, npt.NDArray[Any]]]:
        """Type and value of each tensor of a checkpoint or ``.h5`` file, as TensorFlow reads it."""
        found = self.do("values", path=str(path))
        return {key: (dtype, unpack(packed)) for key, (dtype, packed) in found.items()}

    def _send(self, message: Any) -> None:
        try:
            self._worker.send(message, SECONDS)
        except WorkerLostError as error:
            self.close()
            raise _lost(str(error)) from error

    def _receive(self) -> dict[str, Any]:
        try:
            reply = self._worker.receive(SECONDS)
        except WorkerLostError as error:
            self.close()
            raise _lost(str(error)) from error
        if "error" in reply:
            raise _lost(reply["error"])
        return reply

    def close(self) -> None:
        """Ends the worker."""
        self._worker.end()

    def __enter__(self) -> Official:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lost(got: str) -> LeafError:
    return LeafError("official", PYTHON, "an answering worker", got, _FIX)


def packed(array: npt.NDArray[Any]) -> list[Any]:
    """An array as the worker takes it."""
    made: list[Any] = pack(np.asarray(array))
    return made
