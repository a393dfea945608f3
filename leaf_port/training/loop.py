"""Steps and evaluation of one model; every number depends on seed, epoch and step alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from leaf_port.models import AudioClassifier
from leaf_port.optim import KerasAdam
from leaf_port.training.clips import Clips
from leaf_port.training.draws import generator_of, seed_of
from leaf_port.training.measures import Measures, measured
from leaf_port.training.non_finite import report_non_finite
from leaf_port.training.processes import Processes
from leaf_port.training.recipe import Recipe

Augment = Callable[[Tensor, int], Tensor]
"""Changes a batch of waveforms, ``(batch, samples)``, at a sample rate."""


@dataclass
class Sums:
    """Of the steps of an epoch so far: loss, right answers, clips."""

    loss: float = 0.0
    right: float = 0.0
    count: float = 0.0

    def add(self, loss: float, right: float, count: float) -> None:
        """Adds a step's."""
        self.loss, self.right, self.count = self.loss + loss, self.right + right, self.count + count


class Trainer:
    """A model and its optimiser.

    Args:
        recipe: what is trained, and how.
        model: that recipe's, on its device.
        device: of the model.
        processes: that train together.
        augment: of the waveforms in training; None for none.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: AudioClassifier,
        device: torch.device,
        processes: Processes,
        augment: Augment | None = None,
    ) -> None:
        self.recipe, self.model, self.device = recipe, model, device
        self._processes, self._augment = processes, augment
        processes.join(model)
        self.optimizer = KerasAdam(model, lr=recipe.learning_rate)
        scales = recipe.precision == "float16"
        self.scaler = torch.amp.GradScaler(device.type, enabled=scales)

    def batches(self, count: int, epoch: int) -> list[list[int]]:
        """The clips of each step of an epoch, shuffled."""
        drawn = generator_of(self.recipe.seed, "order", epoch)
        order = torch.randperm(count, generator=drawn).tolist()
        size, most = self.recipe.batch_size, self.recipe.steps_per_epoch
        return [order[i : i + size] for i in range(0, count, size)][:most]

    def step(self, waveforms: Tensor, labels: Tensor, whole: int, epoch: int, step: int) -> Sums:
        """One step on this process's part of a batch.

        Args:
            waveforms: ``(clips, samples)``.
            labels: of them.
            whole: clips of the batch, over all processes.
            epoch: counted from 0.
            step: in the epoch, counted from 0.

        Returns:
            Loss, right answers and number of the whole batch's clips.

        Raises:
            LeafError: the loss, or a weight, is NaN or infinite.
        """
        self.model.train()
        divides = self._processes.divides(whole)
        torch.manual_seed(seed_of(self.recipe.seed, "step", epoch, step, self._rank(divides)))
        waveforms, labels = waveforms.to(self.device), labels.to(self.device)
        if self._augment is not None:
            waveforms = self._augment(waveforms, self.recipe.sample_rate)
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast(), self._together(divides):
            logits = self.model(waveforms).float()
            loss = _loss(logits, labels, "sum") / whole
            numbers = torch.stack([loss.detach().double() * whole, _right(logits, labels)])
            if divides:
                numbers = self._processes.total(numbers)
            found = numbers.tolist()
            report_non_finite(self.model, waveforms, found[0], epoch, step)
            self.scaler.scale(loss).backward()
        if divides:
            self._processes.add_gradients(self.model)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return Sums(found[0], found[1], whole)

    def _rank(self, divides: bool) -> int:
        """By which draws differ between processes: not where all compute the same."""
        return self._processes.rank if divides else 0

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.recipe.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, getattr(torch, self.recipe.precision))

    def _together(self, divides: bool) -> AbstractContextManager[Any]:
        """Statistics over all processes, but for a batch that each computes whole."""
        from leaf_port.normalization import unsynchronized

        apart = self._processes.world > 1 and not divides
        return unsynchronized(self.model) if apart else contextlib.nullcontext()

    def loaded(
        self, clips: Clips, batches: Sequence[Sequence[int]], workers: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's part of each batch."""
        parts = [self._processes.share(batch) for batch in batches]
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            clips, batch_sampler=[list(part) for part in parts], num_workers=workers
        )
        yield from loader

    @torch.no_grad()
    def evaluate(self, clips: Clips, workers: int = 0) -> Measures:
        """Loss and score of the model in evaluation mode, over all clips."""
        self.model.eval()
        clips.set_epoch(0)
        indices = list(range(len(clips)))[self._processes.rank :: self._processes.world]
        size = self.recipe.batch_size
        batches = [indices[i : i + size] for i in range(0, len(indices), size)]
        made = []
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            clips, batch_sampler=batches, num_workers=workers
        )
        for waveforms, labels in loader:
            with self._autocast():
                logits = self.model(waveforms.to(self.device))
            made.append((logits.float().cpu(), labels))
        gathered = [pair for each in self._processes.gathered(made) for pair in each]
        logits, labels = (torch.cat(each) for each in zip(*gathered, strict=True))
        loss = float(_loss(logits.double(), labels, "mean"))
        return measured(loss, logits, labels)


def _loss(logits: Tensor, labels: Tensor, reduction: str) -> Tensor:
    """Cross-entropy; binary where a clip has several labels, its mean over the outputs."""
    if labels.ndim == 1:
        return F.cross_entropy(logits, labels, reduction=reduction)
    each = F.binary_cross_entropy_with_logits(logits, labels.to(logits), reduction="none").mean(1)
    return each.sum() if reduction == "sum" else each.mean()


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    """How many clips are classified right; with several labels, whose first guess is one."""
    guess = logits.detach().argmax(1)
    if labels.ndim == 1:
        return (guess == labels).sum().double()
    return labels.gather(1, guess[:, None]).sum().double()
