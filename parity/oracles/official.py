"""The official implementation, live: one long-lived worker in its own interpreter.

TensorFlow pins versions that torch does not accept, so it never shares a process with the port. Two
environment variables say where it is:

* ``LEAF_REFERENCE_PYTHON``: an interpreter with TensorFlow (and gin-config; for SpecAugment lingvo,
  for instance normalisation tensorflow-addons);
* ``LEAF_AUDIO_PATH``: the root of a checkout of google-research/leaf-audio.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import execnet

from leaf_port.errors import LeafError
from parity.oracles import official_worker
from parity.oracles.official_worker import pack, unpack
from parity.spec import Answer, LayerSpec, Question

PYTHON = "LEAF_REFERENCE_PYTHON"
CHECKOUT = "LEAF_AUDIO_PATH"
START_SECONDS = 300.0
ANSWER_SECONDS = 300.0


class NotInThisStackError(Exception):
    """The reference's interpreter lacks a package that this layer needs."""


def _environment(name: str, expected: str) -> str:
    value = os.environ.get(name, "")
    if not value or not Path(value).exists():
        got = repr(value) if value else "nothing"
        raise LeafError("official oracle", name, expected, got, "set the environment variable")
    return value


class Official:
    """The live worker; a context manager.

    Attributes:
        versions: of Python, NumPy, TensorFlow, Keras and leaf_audio (its commit).
        missing: packages that the interpreter lacks.

    Raises:
        LeafError: no interpreter, no checkout, or an import that fails there.
    """

    def __init__(self) -> None:
        python = _environment(PYTHON, "an interpreter that has TensorFlow")
        checkout = _environment(CHECKOUT, "a checkout of google-research/leaf-audio")
        self._group = execnet.Group()
        self._gateway = self._group.makegateway(f"popen//python={python}")
        self._channel = self._gateway.remote_exec(official_worker)
        self._channel.send(checkout)
        hello = self._receive(START_SECONDS)
        if "failed" in hello:
            self.close()
            last = hello["failed"].strip().splitlines()[-1]
            fix = "install the packages of the reference stack into it"
            raise LeafError(
                "official oracle", PYTHON, "an interpreter that imports leaf_audio", last, fix
            )
        self.versions = dict(hello["versions"], leaf_audio=_commit(checkout))
        self.missing: list[str] = hello["missing"]

    def _receive(self, seconds: float) -> dict[str, Any]:
        try:
            return self._channel.receive(timeout=seconds)
        except (EOFError, self._channel.TimeoutError) as error:
            self.close()
            what = "it died" if isinstance(error, EOFError) else f"nothing within {seconds:.0f} s"
            fix = "run it by hand: import leaf_audio.frontend"
            raise LeafError("official oracle", PYTHON, "an answering worker", what, fix) from error

    def answer(self, spec: LayerSpec, question: Question) -> Answer:
        """What the official implementation answers.

        Raises:
            NotInThisStackError: a package is missing there.
            RuntimeError: the official code raised; the message holds its traceback.
        """
        config, training = question.case.config, question.case.training
        self._channel.send(
            {
                "official": spec.official(config).tree,
                "inputs": {name: pack(value) for name, value in question.inputs.items()},
                "weights": {path: pack(value) for path, value in question.weights.items()},
                "differentiable": [name for name in spec.differentiable if name in question.inputs],
                "differentiable_weights": list(spec.differentiable_weights(config)),
                "state": spec.state(question.case),
                "training": training,
                "training_argument": spec.training_argument,
                "patches": list(spec.patches),
                "draws": [pack(draw) for draw in question.draws],
            }
        )
        reply = self._receive(ANSWER_SECONDS)
        if "shapes" in reply:
            shapes: Sequence[Sequence[int]] = reply["shapes"]
            cotangents = [question.cotangent(i, shape) for i, shape in enumerate(shapes)]
            self._channel.send([pack(cotangent) for cotangent in cotangents])
            reply = self._receive(ANSWER_SECONDS)
        if "error" in reply:
            text: str = reply["error"]
            if any(f"module '{name}" in text for name in self.missing):
                raise NotInThisStackError(", ".join(self.missing))
            raise RuntimeError(f"{spec.name} [{question.case.name}]: official code raised\n{text}")
        raw = reply["answer"]
        named = {
            kind: {name: unpack(packed) for name, packed in raw[kind].items()}
            for kind in ("gradients", "initial", "state")
        }
        return Answer(outputs=[unpack(packed) for packed in raw["outputs"]], **named)

    def close(self) -> None:
        """Ends the worker."""
        self._group.terminate(timeout=5.0)

    def __enter__(self) -> Official:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _commit(checkout: str) -> str:
    """The checkout's commit, or 'unknown' where it is no git repository."""
    command = ["git", "-C", checkout, "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
