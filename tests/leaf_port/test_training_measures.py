"""Accuracy, its interval, confusion and average precision, each by its definition."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from leaf_port.training.measures import average_precision, measured, wilson


def test_wilson_solves_its_equation() -> None:
    """Its bounds are the shares from which the one seen is 1.96 standard deviations away."""
    for right, count in ((0, 5), (3, 10), (98, 100), (7, 7)):
        for bound in wilson(right, count):
            if bound in (0.0, 1.0):
                assert right in (0, count)
                continue
            deviation = math.sqrt(bound * (1 - bound) / count)
            assert abs(right / count - bound) / deviation == pytest.approx(1.959964, rel=1e-6)


def test_confusion_and_recall() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [0.0, 5.0, 1.0], [1.0, 0.0, 0.0]])
    found = measured(0.5, logits, torch.tensor([0, 1, 1, 0]))
    assert found.confusion is not None
    assert found.confusion.tolist() == [[2, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert found.score == 0.75
    assert found.by_label[:2].tolist() == [1.0, 0.5]
    assert found.by_label[2].isnan()
    assert found.as_dict()["clips"] == 4


def _by_definition(logits: list[float], labels: list[int]) -> float:
    """Mean over the positives of the precision among all that score at least as much."""
    precisions = []
    for logit, label in zip(logits, labels, strict=True):
        if label:
            at_least = [hit for each, hit in zip(logits, labels, strict=True) if each >= logit]
            precisions.append(sum(at_least) / len(at_least))
    return sum(precisions) / len(precisions)


def test_average_precision() -> None:
    generator = torch.Generator().manual_seed(1)
    for count, ties in itertools.product((1, 2, 7, 50), (False, True)):
        logits = torch.randn(count, 4, generator=generator)
        logits = logits.round() if ties else logits
        labels = torch.randint(2, (count, 4), generator=generator).float()
        labels[0] = 1
        found = average_precision(logits, labels)
        for i in range(4):
            expected = _by_definition(logits[:, i].tolist(), labels[:, i].int().tolist())
            assert found[i].item() == pytest.approx(expected, rel=1e-9)


def test_a_label_without_clips_is_not_counted() -> None:
    logits = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
    found = measured(0.1, logits, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert found.score == 1.0
    assert found.by_label[1].isnan()
    assert found.interval is None
