"""The official side of a training: live, in the reference's interpreter."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from leaf_port.errors import LeafError
from leaf_port.training.clips import Clips
from leaf_port.training.corpus import TEST, TRAIN, VALIDATION, Corpus
from leaf_port.training.draws import generator_of, seed_of
from parity.commands.accuracy import official_worker
from parity.commands.accuracy.cells import Cell, Settings
from parity.commands.accuracy.loop import Score, Tell
from parity.oracles import official
from parity.oracles.worker_process import WorkerLostError, WorkerProcess
from weight_conversion.reference import worker
from weight_conversion.reference.recipes import Tree, call

SECONDS = 1800.0
"""Until a step is given up; the machine may be busy."""

PREFIX = "checkpoint"
_INT16 = 32767.0
_NAMES = {
    "leaf": "Leaf",
    "mel": "MelFilterbanks",
    "sincnet_plus": "SincNetPlus",
    "tfbanks": "TimeDomainFilterbanks",
}
_PCEN = {
    "alpha": 0.96,
    "smooth_coef": 0.04,
    "delta": 2.0,
    "floor": 1e-12,
    "trainable": True,
    "learn_smooth_coef": True,
    "per_channel_smooth_coef": True,
}


def tree(frontend: str, settings: Settings, outputs: int) -> Tree:
    """The official model, as data: the values of example/configs.

    Leaf's compression is an object of its own: the default one is shared by all of a process.
    """
    given = {"compression_fn": call("leaf_audio.postprocessing:PCENLayer", **_PCEN)}
    return call(
        "leaf_audio.models:AudioClassifier",
        num_outputs=outputs,
        frontend=call(
            f"leaf_audio.frontend:{_NAMES[frontend]}", **(given if frontend == "leaf" else {})
        ),
        encoder=call(
            "leaf_audio.models:ConvNet",
            filters=list(settings.filters),
            activation="relu",
            dropout=settings.dropout,
        ),
    )


def integers(clips: Clips) -> dict[str, Any]:
    """A split as the worker takes it: 16-bit samples one clip after the other."""
    samples = [
        (clips.samples(i) * _INT16).round().to(torch.int16).numpy() for i in range(len(clips))
    ]
    return {
        "samples": np.concatenate(samples).astype("<i2").tobytes(),
        "lengths": [len(each) for each in samples],
        "labels": [item.labels[0] for item in clips.items],
    }


class Official:
    """The official model in training; a context manager, which ends its process.

    Args:
        cell: what is trained.
        settings: how.
        corpus: on what.
        threads: of TensorFlow.
        tell: is called with lines of progress.

    Attributes:
        versions: of Python, NumPy, TensorFlow, Keras and leaf_audio (its commit).

    Raises:
        LeafError: no interpreter, no checkout, or an import that fails there.
    """

    def __init__(
        self, cell: Cell, settings: Settings, corpus: Corpus, threads: int, tell: Tell
    ) -> None:
        self._cell, self._tell = cell, tell
        python, root = official.interpreter(), official.checkout()
        self._clips = len(corpus.splits[TRAIN])
        try:
            self._worker = WorkerProcess(python, official_worker)
        except WorkerLostError as error:
            raise _lost(str(error)) from error
        try:
            self._send({"root": root, "base": worker.__file__, "threads": threads})
            told = self._receive()
            self.versions: dict[str, str] = dict(told["versions"], leaf_audio=official.commit(root))
            rate, length = settings.recordings_rate, settings.seq_len
            self._do(
                "begin",
                seed=_seed(cell, "weights"),
                model=tree(cell.frontend, settings, len(corpus.labels)),
                learning_rate=settings.learning_rate,
                seq_len=length,
                batch_size=settings.batch_size,
                splits={
                    split: integers(Clips(corpus, split, rate, length))
                    for split in (TRAIN, VALIDATION, TEST)
                },
            )
        except BaseException:
            self.close()
            raise

    def train(self, epoch: int) -> Score:
        """Trains an epoch, counted from 0, in the order of the port's."""
        drawn = generator_of(self._cell.seed, "order", epoch)
        order = torch.randperm(self._clips, generator=drawn).tolist()
        found = self._do("train", epoch=epoch, order=order, seed=_seed(self._cell, epoch))
        return Score(**found)

    def evaluate(self) -> dict[str, Score]:
        """On validation and test."""
        seed = _seed(self._cell, "evaluation")
        return {
            split: Score(**self._do("evaluate", split=split, seed=seed))
            for split in (VALIDATION, TEST)
        }

    def watched(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def seconds(self) -> float:
        """The processor's time so far, of its process."""
        return float(self._do("seconds")["seconds"])

    def save(self, folder: Path) -> None:
        """Writes model and optimiser."""
        self._do("save", prefix=str(folder.resolve() / PREFIX))

    def load(self, folder: Path) -> None:
        """Reads what :meth:`save` wrote."""
        self._do("load", prefix=str(folder.resolve() / PREFIX))

    def _do(self, task: str, **job: Any) -> dict[str, Any]:
        self._send({"task": task, **job})
        told = time.monotonic()
        while "answer" not in (reply := self._receive()):
            if time.monotonic() - told > 30:
                told = time.monotonic()
                where = f"step {reply['step']}/{reply['steps']}"
                self._tell(f"{where}  loss {reply['loss']:.4f}")
        found: dict[str, Any] = reply["answer"]
        return found

    def _send(self, message: Any) -> None:
        try:
            self._worker.send(message, SECONDS)
        except WorkerLostError as error:
            raise _lost(str(error)) from error

    def _receive(self) -> dict[str, Any]:
        try:
            reply = self._worker.receive(SECONDS)
        except WorkerLostError as error:
            raise _lost(str(error)) from error
        if "error" in reply:
            raise _lost(reply["error"])
        return reply

    def close(self) -> None:
        """Ends its process."""
        self._worker.end()

    def __enter__(self) -> Official:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _seed(cell: Cell, purpose: object) -> int:
    """As TensorFlow takes it: below 2^31."""
    return seed_of(cell.seed, "official", purpose) % 2**31


def _lost(got: str) -> LeafError:
    fix = "run it by hand: import leaf_audio.models, example.data"
    return LeafError("accuracy", official.PYTHON, "an answering worker", got, fix)
