"""A whole training, from a folder of recordings to the best model; it may be killed and resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import leaf_port
from leaf_port import _saving
from leaf_port.errors import LeafError
from leaf_port.normalization import unsynchronized
from leaf_port.training.clips import Clips
from leaf_port.training.corpus import TEST, TRAIN, VALIDATION, Corpus
from leaf_port.training.loop import Augment, Sums, Trainer
from leaf_port.training.measures import Measures
from leaf_port.training.processes import Processes
from leaf_port.training.recipe import Recipe, build
from leaf_port.training.run_folder import RunFolder


@dataclass(frozen=True)
class Options:
    """What does not change the numbers of a run.

    Attributes:
        workers: processes that read clips, beside the one that trains.
        cache: whether clips stay in memory.
        seconds: between two writings of the state within an epoch.
        tell: is called with each line of progress.
        tell_every: seconds between two lines within an epoch.
        about: the data's name and licence, for the model's card.
    """

    workers: int = 0
    cache: bool = False
    seconds: float = 60.0
    tell: Callable[[str], None] = print
    tell_every: float = 10.0
    about: str | None = None


def train(
    recipe: Recipe,
    corpus: Corpus,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    resume: bool = False,
    processes: Processes | None = None,
    augment: Augment | None = None,
    augment_name: str | None = None,
    options: Options | None = None,
) -> dict[str, Measures]:
    """Trains a model as the official example does, and keeps the one of the best validation score.

    Args:
        recipe: what is trained, and how.
        corpus: on what.
        folder: of the run; see :mod:`leaf_port.training.run_folder`.
        device: to train on.
        resume: whether to go on with the run of that folder.
        processes: that train together.
        augment: of the waveforms in training.
        augment_name: that tells it from others, for ``run.json``.
        options: what does not change the numbers.

    Returns:
        The best model's measures, in evaluation mode: ``"validation"`` and, where the data set has
        one, ``"test"``.

    Raises:
        LeafError: bad data, another run's folder, or a loss that is not finite.
    """
    run = Run(recipe, corpus, RunFolder(folder), processes or Processes(), options or Options())
    run.begin(resume, augment_name)
    run.prepare(torch.device(device), augment)
    run.train()
    return run.finish()


class Run:
    """A training; see :func:`train`."""

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        folder: RunFolder,
        processes: Processes,
        options: Options,
    ) -> None:
        corpus.check()
        self.recipe, self.corpus, self.folder = recipe, corpus, folder
        self.processes, self.options = processes, options
        self.clips = {
            split: Clips(
                corpus,
                split,
                recipe.sample_rate,
                recipe.length,
                seed=recipe.seed,
                loudness=recipe.loudness,
                cache=options.cache and options.workers == 0,
            )
            for split in (TRAIN, VALIDATION, TEST)
            if corpus.splits.get(split)
        }
        self._epoch, self._step, self._best = 0, 0, -math.inf
        self._sums = Sums()
        self._epochs: list[dict[str, Any]] = []

    def begin(self, resume: bool, augment: str | None) -> None:
        """Makes or checks the run's folder."""
        told = {
            "recipe": self.recipe.as_dict() | {"filters": list(self.recipe.filters)},
            "augment": augment,
            "data": self.corpus.digest(),
            "labels": list(self.corpus.labels),
            "processes": self.processes.world,
            "versions": {"leaf_port": leaf_port.__version__, "torch": str(torch.__version__)},
        }
        if self.processes.first:
            self.folder.begin(told, resume)
        self.processes.gathered(None)  # the others wait

    def prepare(self, device: torch.device, augment: Augment | None) -> None:
        """Makes the model, or takes it up where the run stopped."""
        model = build(self.recipe, len(self.corpus.labels)).to(device)
        self.trainer = Trainer(self.recipe, model, device, self.processes, augment)
        state = self.folder.state()
        if state is None:
            return
        try:
            model.load_state_dict(state["model"])
            self.trainer.optimizer.load_state_dict(state["optimizer"])
            self.trainer.scaler.load_state_dict(state["scaler"])
            self._epoch, self._step, self._best = (state[n] for n in ("epoch", "step", "best"))
            self._sums = Sums(**state["sums"])
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            got, fix = f"{type(error).__name__}: {error}", "train again in a new folder"
            raise LeafError("train", str(self.folder.path), "this run's state", got, fix) from error
        self._epochs = self.folder.metrics()[: self._epoch]
        self._tell(f"goes on at epoch {self._epoch + 1}, step {self._step + 1}")

    def train(self) -> None:
        """All epochs that are left."""
        while self._epoch < self.recipe.epochs:
            self._train_epoch()
            found = self.trainer.evaluate(self.clips[VALIDATION], self.options.workers)
            self._end_epoch(found)

    def _train_epoch(self) -> None:
        clips, epoch = self.clips[TRAIN], self._epoch
        clips.set_epoch(epoch)
        batches = self.trainer.batches(len(clips), epoch)
        saved = told = began = time.monotonic()
        first = self._step
        loaded = self.trainer.loaded(clips, batches[first:], self.options.workers)
        for waveforms, labels in loaded:
            whole, step = len(batches[self._step]), self._step
            sums = self.trainer.step(waveforms, labels, whole, epoch, step)
            self._sums.add(sums.loss, sums.right, sums.count)
            self._step += 1
            now = time.monotonic()
            if now - told > self.options.tell_every:
                speed = (self._step - first) / (now - began)
                self._tell(f"{self._where(len(batches))}  {speed:.2g} steps/s")
                told = now
            if now - saved > self.options.seconds and self._step < len(batches):
                self._save()
                saved = now

    def _where(self, steps: int) -> str:
        sums = self._sums
        return (
            f"epoch {self._epoch + 1}/{self.recipe.epochs}  step {self._step}/{steps}  "
            f"loss {sums.loss / sums.count:.4f}  right {sums.right / sums.count:.1%}"
        )

    def _end_epoch(self, found: Measures) -> None:
        sums = self._sums
        self._tell(
            f"epoch {self._epoch + 1}/{self.recipe.epochs}  loss {sums.loss / sums.count:.4f}  "
            f"right {sums.right / sums.count:.1%}  validation loss {found.loss:.4f}  "
            f"{_name(found)} {found.score:.1%}"
        )
        trained = {"loss": sums.loss / sums.count, "right": sums.right / sums.count}
        line = {"epoch": self._epoch + 1, "train": trained, "validation": found.as_dict()}
        self._epochs.append(line | {"filters": self._filters()})
        better = found.score > self._best
        self._best = max(self._best, found.score)
        self._epoch, self._step, self._sums = self._epoch + 1, 0, Sums()
        if self.processes.first:
            if better:
                self._keep_best({VALIDATION: found})
            self.folder.write_metrics(self._epochs)
        self._save()

    def _filters(self) -> dict[str, list[float]]:
        """Centre and bandwidth of each filter, in Hz, where the frontend has them."""
        frontend: Any = self.trainer.model.frontend
        found = {}
        for name in ("center_frequencies", "bandwidths"):
            measure = getattr(frontend, name, None)
            if measure is not None:
                with torch.no_grad():
                    found[name] = [round(hertz, 3) for hertz in measure().tolist()]
        return found

    def _keep_best(self, found: Mapping[str, Measures]) -> None:
        model = self.trainer.model
        with unsynchronized(model):  # which is no part of the model
            load = type(model).from_pretrained
            told = {
                **({"data": self.options.about} if self.options.about else {}),
                "labels": list(self.corpus.labels),
                "recipe": self.recipe.as_dict() | {"filters": list(self.recipe.filters)},
                **{split: measures.as_dict() for split, measures in found.items()},
            }
            _saving.save(model, self.folder.best, True, load, training=told)

    def _save(self) -> None:
        if not self.processes.first:
            return
        self.folder.save_state(
            {
                "model": self.trainer.model.state_dict(),
                "optimizer": self.trainer.optimizer.state_dict(),
                "scaler": self.trainer.scaler.state_dict(),
                "epoch": self._epoch,
                "step": self._step,
                "best": self._best,
                "sums": vars(self._sums),
            }
        )

    def finish(self) -> dict[str, Measures]:
        """The measures of the best model, on validation and test."""
        self.processes.gathered(None)  # until the first has written it
        best = leaf_port.AudioClassifier.from_pretrained(self.folder.best)
        self.trainer.model.load_state_dict(best.state_dict())
        found = {
            split: self.trainer.evaluate(self.clips[split], self.options.workers)
            for split in (VALIDATION, TEST)
            if split in self.clips
        }
        if self.processes.first:
            self._keep_best(found)
        return found

    def _tell(self, line: str) -> None:
        if self.processes.first:
            self.options.tell(line)


def _name(found: Measures) -> str:
    return "accuracy" if found.confusion is not None else "mAP"
