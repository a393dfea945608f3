"""Trains one cell, epoch by epoch, wherever it stands; the same for every side."""

from __future__ import annotations

import dataclasses
import datetime
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from leaf_port.training.corpus import VALIDATION
from leaf_port.training.measures import wilson
from leaf_port.training.non_finite import NonFiniteLossError
from parity.commands.accuracy.experiment import Epochs, Experiment
from parity.port import processor

Tell = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Score:
    """Mean loss, right answers and number of clips."""

    loss: float
    right: int
    count: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with Wilson's 95 % interval."""
        return {
            "loss": self.loss,
            "accuracy": self.right / self.count,
            "interval_95": list(wilson(self.right, self.count)),
            "right": self.right,
            "clips": self.count,
        }


class Side(Protocol):
    """One model in training."""

    def train(self, epoch: int) -> Score:
        """Trains an epoch, counted from 0."""

    def evaluate(self) -> Mapping[str, Score]:
        """On validation and test, in evaluation mode."""

    def watched(self) -> Mapping[str, Any]:
        """What else is kept of an epoch, for JSON."""

    def seconds(self) -> float:
        """The processor's time so far."""

    def save(self, folder: Path) -> None:
        """Writes model and optimiser."""

    def load(self, folder: Path) -> None:
        """Reads what :meth:`save` wrote."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A cell to train.

    Attributes:
        name: of its file.
        told: what it is, for its file.
        open: begins with a new model; what it is made by, beside it.
        epochs: how many in all.
        threads: that it may use.
        may_diverge: whether a loss that is not finite is its result, and no error.
    """

    name: str
    told: Mapping[str, Any]
    open: Callable[[Tell], AbstractContextManager[tuple[Side, Mapping[str, str]]]]
    epochs: int
    threads: int
    may_diverge: bool = False


def finish(experiment: Experiment, job: Job, tell: Tell, end: float | None) -> None:
    """Trains a cell to its end, unless it is there, another process is at it, or time is over.

    Args:
        experiment: the folder.
        job: the cell.
        tell: is called with lines of progress.
        end: see :func:`train`.
    """
    if experiment.finished(job.name) or (end is not None and time.monotonic() > end):
        return
    said = headed(tell, f"{job.name}: ")
    with experiment.claimed(job.name) as mine:
        if not mine:
            said("another process trains it")
            return
        if experiment.finished(job.name):
            return
        diverged: dict[str, str] = {}
        with job.open(said) as (side, versions):
            try:
                epochs = train(experiment, job.name, side, job.epochs, said, end)
            except NonFiniteLossError as error:
                if not job.may_diverge:
                    raise
                diverged = {"diverged": f"{error.argument}: {error.got}"}
                said(f"ends here, {diverged['diverged']}")
                kept = experiment.kept(job.name)
                epochs = [] if kept is None else kept[0]
        if epochs is not None:
            experiment.finish(job.name, {**_facts(job, versions), **diverged, **judged(epochs)})


def _facts(job: Job, versions: Mapping[str, str]) -> dict[str, Any]:
    return {
        **job.told,
        "versions": dict(versions),
        "processor": processor.processor(),
        "threads": job.threads,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def say(line: str) -> None:
    """Prints progress."""
    now = datetime.datetime.now().strftime("%H:%M:%S")
    print(f"{now} {line}", file=sys.stderr, flush=True)


def headed(tell: Tell, head: str) -> Tell:
    """Puts words before each line."""

    def told(line: str) -> None:
        tell(head + line)

    return told


def train(
    experiment: Experiment,
    name: str,
    side: Side,
    epochs: int,
    tell: Tell,
    end: float | None = None,
) -> Epochs | None:
    """Trains a cell from where it stands.

    Args:
        experiment: the folder that it stands in.
        name: of the cell.
        side: its model, new.
        epochs: how many in all.
        tell: is called with a line an epoch.
        end: by ``time.monotonic``; the epoch in which it passes is the last one for now.

    Returns:
        What is known of each epoch; None if ``end`` came first.
    """
    done: Epochs = []
    kept = experiment.kept(name)
    if kept is not None:
        done, folder = kept
        side.load(folder)
        tell(f"goes on at epoch {len(done) + 1}")
    for epoch in range(len(done), epochs):
        if end is not None and time.monotonic() > end:
            return None
        done.append(_epoch(side, epoch, resumed=kept is not None and epoch == len(kept[0])))
        experiment.keep(name, done, side.save)
        tell(told(done[-1], epochs))
    return done


def _epoch(side: Side, epoch: int, resumed: bool) -> dict[str, Any]:
    began, before = time.monotonic(), side.seconds()
    trained = side.train(epoch)
    trained_in, processor = time.monotonic() - began, side.seconds() - before
    scores = side.evaluate()
    return {
        "epoch": epoch + 1,
        "resumed": resumed,
        "seconds": round(trained_in, 3),
        "processor_seconds": round(processor, 3),
        "with_evaluation": {
            "seconds": round(time.monotonic() - began, 3),
            "processor_seconds": round(side.seconds() - before, 3),
        },
        "train": trained.as_dict(),
        **{split: score.as_dict() for split, score in scores.items()},
        **side.watched(),
    }


def told(epoch: Mapping[str, Any], epochs: int) -> str:
    """An epoch in words."""
    scores = ", ".join(
        f"{split} {epoch[split]['accuracy']:.1%}"
        for split in ("train", "validation", "test")
        if split in epoch
    )
    loss, seconds = epoch["train"]["loss"], epoch["with_evaluation"]["seconds"]
    return f"epoch {epoch['epoch']}/{epochs}  loss {loss:.4f}  {scores}  {seconds:.0f} s"


def judged(epochs: Epochs) -> dict[str, Any]:
    """The last epoch, the first one of the best validation, as Keras keeps it, and all; all where
    the first one did not end.
    """
    if not epochs:
        return {"epochs": []}
    best = max(epochs, key=lambda each: each[VALIDATION]["right"])
    return {"final": epochs[-1], "best": best, "epochs": epochs}
