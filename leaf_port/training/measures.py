"""How good a classifier is: accuracy, its interval, confusion matrix, mean average precision."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_Z = 1.959963984540054  # of a normal variable, 95 % within


@dataclass(frozen=True)
class Measures:
    """Of all clips of a split.

    Attributes:
        loss: mean over the clips.
        score: accuracy; where a clip has several labels, mean average precision.
        count: of clips.
        confusion: ``(labels, labels)``, true label by predicted one; None with several labels.
        by_label: recall, or average precision, of each label; NaN for one without clips.
    """

    loss: float
    score: float
    count: int
    confusion: Tensor | None
    by_label: Tensor

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the accuracy, with 95 % confidence (Wilson); None with several labels."""
        if self.confusion is None:
            return None
        return wilson(round(self.score * self.count), self.count)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the matrix."""
        name = "mean_average_precision" if self.confusion is None else "accuracy"
        found: dict[str, Any] = {"loss": self.loss, name: self.score, "clips": self.count}
        if self.interval is not None:
            found["interval_95"] = list(self.interval)
        return found


def wilson(right: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share, with 95 % confidence.

    ``(p + z^2/2n ± z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n)``.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22, 1927, 209-212.
    """
    share, square = right / count, _Z * _Z / count
    middle = share + square / 2
    half = _Z * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def measured(loss: float, logits: Tensor, labels: Tensor) -> Measures:
    """Of the logits of all clips, ``(clips, outputs)``.

    Args:
        loss: mean over the clips.
        logits: of the model.
        labels: indices, ``(clips,)``; or ones and zeros, ``(clips, outputs)``.
    """
    if labels.ndim == 2:
        each = average_precision(logits, labels)
        score = float(each[~each.isnan()].mean()) if (~each.isnan()).any() else math.nan
        return Measures(loss, score, len(labels), None, each)
    outputs = logits.shape[1]
    pairs = labels * outputs + logits.argmax(1)
    confusion = torch.bincount(pairs, minlength=outputs**2).reshape(outputs, outputs)
    right = confusion.diagonal()
    by_label = right.double() / confusion.sum(1)
    return Measures(loss, int(right.sum()) / len(labels), len(labels), confusion, by_label)


def average_precision(logits: Tensor, labels: Tensor) -> Tensor:
    """Of each output: the mean, over its clips, of the precision down to that clip's rank.

    Clips of equal logits have one rank, the last of theirs, as in scikit-learn's
    ``average_precision_score``.

    Returns:
        ``(outputs,)``, float64; NaN where no clip has the label.
    """
    return torch.stack(
        [_average_precision(logits[:, i], labels[:, i]) for i in range(labels.shape[1])]
    )


def _average_precision(logits: Tensor, labels: Tensor) -> Tensor:
    values, order = logits.double().sort(descending=True)
    hits = labels[order].double().cumsum(0)
    last = torch.ones_like(values, dtype=torch.bool)
    last[:-1] = values[1:] != values[:-1]  # the last of equal ones
    ranks = torch.arange(1, len(values) + 1, dtype=torch.float64)[last]
    hits = hits[last]
    gained = hits.diff(prepend=hits.new_zeros(1))
    return (gained * hits / ranks).sum() / hits[-1]
