"""The port's side of a training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from leaf_port.models import AudioClassifier
from leaf_port.training.clips import Clips
from leaf_port.training.corpus import TEST, TRAIN, VALIDATION, Corpus
from leaf_port.training.loop import Sums, Trainer
from leaf_port.training.processes import Processes
from leaf_port.training.recipe import Recipe, build
from parity.commands.accuracy.loop import Score, Tell

STATE = "model.pt"


class Port:
    """A model of the port in training, by the parts of ``python -m leaf_port train``.

    Args:
        recipe: what is trained.
        corpus: on what.
        recordings_rate: sample rate of its files, in Hz.
        tell: is called with lines of progress.
        model: to train; by default that of the recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        recordings_rate: int,
        tell: Tell,
        model: AudioClassifier | None = None,
    ) -> None:
        self._recipe, self._tell = recipe, tell
        self.clips = {
            split: Clips(
                corpus, split, recordings_rate, recipe.length, seed=recipe.seed, cache=True
            )
            for split in (TRAIN, VALIDATION, TEST)
        }
        self.model = build(recipe, len(corpus.labels)) if model is None else model
        self.trainer = Trainer(recipe, self.model, torch.device("cpu"), Processes())

    def train(self, epoch: int) -> Score:
        """Trains an epoch, counted from 0."""
        clips, sums, told = self.clips[TRAIN], Sums(), time.monotonic()
        clips.set_epoch(epoch)
        batches = self.trainer.batches(len(clips), epoch)
        for step, (waves, labels) in enumerate(self.trainer.loaded(clips, batches, 0)):
            found = self.trainer.step(waves, labels, len(batches[step]), epoch, step)
            sums.add(found.loss, found.right, found.count)
            if time.monotonic() - told > 30:
                told = time.monotonic()
                self._tell(f"step {step + 1}/{len(batches)}  loss {sums.loss / sums.count:.4f}")
        return Score(sums.loss / sums.count, round(sums.right), round(sums.count))

    def evaluate(self) -> dict[str, Score]:
        """On validation and test."""
        made = {}
        for split in (VALIDATION, TEST):
            found = self.trainer.evaluate(self.clips[split])
            made[split] = Score(found.loss, round(found.score * found.count), found.count)
        return made

    def watched(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def seconds(self) -> float:
        """The processor's time so far."""
        return time.process_time()

    def save(self, folder: Path) -> None:
        """Writes model and optimiser."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.trainer.optimizer.state_dict(),
        }
        torch.save(state, folder / STATE)

    def load(self, folder: Path) -> None:
        """Reads what :meth:`save` wrote."""
        state = torch.load(folder / STATE, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.trainer.optimizer.load_state_dict(state["optimizer"])
