"""The official implementation, live, as a maker and reader of checkpoints.

TensorFlow pins versions that torch does not accept, so it runs in an interpreter of its own. Two
environment variables, the same as the parity suite's, say where it is:

* ``LEAF_REFERENCE_PYTHON``: an interpreter with TensorFlow (and gin-config, tensorflow-addons);
* ``LEAF_AUDIO_PATH``: the root of a checkout of google-research/leaf-audio.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import execnet
import numpy as np
import numpy.typing as npt

from leaf_port.errors import LeafError
from weight_conversion.formats import isolated
from weight_conversion.reference import worker
from weight_conversion.reference.worker import pack, unpack

PYTHON = "LEAF_REFERENCE_PYTHON"
CHECKOUT = "LEAF_AUDIO_PATH"
SECONDS = 600.0


def _environment(name: str, expected: str) -> str:
    value = os.environ.get(name, "")
    if not value or not Path(value).exists():
        got = repr(value) if value else "nothing"
        raise LeafError("official", name, expected, got, "set the environment variable")
    return value


class Official:
    """The live worker; a context manager.

    Attributes:
        versions: of Python, NumPy, TensorFlow, Keras, h5py and leaf_audio (its commit).
        missing: packages that the interpreter lacks.

    Raises:
        LeafError: no interpreter, no checkout, or an import that fails there.
    """

    def __init__(self) -> None:
        python = _environment(PYTHON, "an interpreter that has TensorFlow")
        checkout = _environment(CHECKOUT, "a checkout of google-research/leaf-audio")
        self._group = execnet.Group()
        spec = execnet.XSpec("popen")
        spec.python = isolated.command(python)
        self._channel = self._group.makegateway(spec).remote_exec(worker)
        self._channel.send(checkout)
        hello = self._receive()
        self.versions = dict(hello["versions"], leaf_audio=_commit(checkout))
        self.missing: list[str] = hello["missing"]

    def do(self, task: str, **job: Any) -> dict[str, Any]:
        """Has a task of the worker done: ``make``, ``write`` or ``values``.

        Raises:
            LeafError: the official code raised, or the worker died.
        """
        self._channel.send({"task": task, **job})
        answer: dict[str, Any] = self._receive()["answer"]
        return answer

    def values(self, path: Path) -> dict[str, tuple[str, npt.NDArray[Any]]]:
        """Type and value of each tensor of a checkpoint or ``.h5`` file, as TensorFlow reads it."""
        found = self.do("values", path=str(path))
        return {key: (dtype, unpack(packed)) for key, (dtype, packed) in found.items()}

    def _receive(self) -> dict[str, Any]:
        expected, fix = "an answering worker", "run it by hand: import leaf_audio.models"
        try:
            reply: dict[str, Any] = self._channel.receive(timeout=SECONDS)
        except (EOFError, self._channel.TimeoutError) as error:
            self.close()
            got = "it died" if isinstance(error, EOFError) else f"nothing within {SECONDS:.0f} s"
            raise LeafError("official", PYTHON, expected, got, fix) from error
        if "error" in reply:
            raise LeafError("official", PYTHON, expected, reply["error"], fix)
        return reply

    def close(self) -> None:
        """Ends the worker."""
        self._group.terminate(timeout=5.0)

    def __enter__(self) -> Official:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def packed(array: npt.NDArray[Any]) -> list[Any]:
    """An array as the worker takes it."""
    made: list[Any] = pack(np.asarray(array))
    return made


def _commit(checkout: str) -> str:
    """The checkout's commit, or 'unknown' where it is no git repository."""
    command = ["git", "-C", checkout, "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
