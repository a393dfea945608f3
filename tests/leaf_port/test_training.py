"""A classifier from waveform to classes: it learns, and evaluation is deterministic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from _layers import FRONTENDS, LEARNED, clips, same_bits
from torch import Tensor, nn
from torch.nn import functional as F

import leaf_port as lp
from leaf_port.models import PANN, AudioClassifier, ConvNet, WaveGram
from parity.spec.random_arrays import Source

STEPS = 12


def _two_classes() -> tuple[Tensor, Tensor]:
    """Tones of about 400 Hz and about 2,000 Hz in noise, at 16 kHz."""
    labels = torch.tensor([0, 1] * 4)
    source = Source(9)
    detuned, noise = (torch.from_numpy(source.uniform(shape)) for shape in ((8, 1), (8, 2000)))
    pitch = torch.where(labels == 0, 400.0, 2000.0)[:, None] * (1 + 0.1 * detuned)
    phase = 2 * torch.pi * pitch * torch.arange(2000.0) / 16000
    return torch.sin(phase) + 0.2 * noise, labels


def _classifier(name: str = "Leaf", **kwargs: Any) -> AudioClassifier:
    """The same weights whenever it is made."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        frontend = getattr(lp, name)(n_filters=8, **kwargs)
        return AudioClassifier(2, frontend, ConvNet([8], dropout=0.1))


def _train(classifier: nn.Module) -> list[float]:
    """Losses of some steps of Adam under the constraints, as Keras trains."""
    x, labels = _two_classes()
    optimizer = torch.optim.Adam(classifier.parameters(), lr=0.01)
    handle = lp.constrain_after_step(optimizer, classifier)
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = F.cross_entropy(classifier.train()(x), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    handle.remove()
    return losses


@pytest.mark.parametrize("name", FRONTENDS)
def test_it_learns(name: str) -> None:
    """Two tones: the loss is halved within a dozen steps."""
    losses = _train(_classifier(name))
    assert min(losses[-3:]) < losses[0] / 2


@pytest.mark.parametrize("name", LEARNED)
def test_the_frontend_itself_is_trained(name: str) -> None:
    """Each of its trained weights moves, and no other."""
    classifier = _classifier(name)
    before = {key: w.clone() for key, w in classifier.named_parameters()}
    _train(classifier)
    for key, weight in classifier.named_parameters():
        assert torch.equal(weight, before[key]) != weight.requires_grad


def test_training_can_be_repeated() -> None:
    """Dropout and augmentation follow torch's seed; all else is deterministic."""
    first, second = (_classifier(spec_augment=True) for _ in range(2))
    assert _train(first) == _train(second)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert same_bits(one.detach(), other.detach())


def test_evaluation_is_deterministic_and_training_is_not() -> None:
    classifier, x = _classifier(spec_augment=True), clips(4, 4000)
    classifier.eval()
    assert same_bits(classifier(x).detach(), classifier(x).detach())
    classifier.train()
    assert not same_bits(classifier(x).detach(), classifier(x).detach())


def test_evaluation_moves_no_statistics() -> None:
    classifier = _classifier().eval()
    before = {key: tensor.clone() for key, tensor in classifier.state_dict().items()}
    classifier(clips(4, 4000))
    assert all(torch.equal(classifier.state_dict()[key], value) for key, value in before.items())
    classifier.train()(clips(4, 4000))
    moved = {
        key for key, value in before.items() if not torch.equal(classifier.state_dict()[key], value)
    }
    assert moved
    assert all("moving_" in key for key in moved)


def test_a_frozen_frontend_stays() -> None:
    classifier = _classifier()
    classifier.frontend.requires_grad_(False)
    before = {key: w.clone() for key, w in classifier.frontend.named_parameters()}
    losses = _train(classifier)
    assert losses[-1] < losses[0]
    assert all(torch.equal(w, before[key]) for key, w in classifier.frontend.named_parameters())


CLASSIFIERS: dict[str, Callable[[], AudioClassifier]] = {
    "PANN": lambda: AudioClassifier(3, lp.MelFilterbanks(n_filters=10), PANN(2, num_features=10)),
    "WaveGram": lambda: AudioClassifier(3, None, WaveGram()),
    "no encoder": lambda: AudioClassifier(3, lp.Leaf(n_filters=5)),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_encoder_has_gradients(name: str) -> None:
    classifier = CLASSIFIERS[name]().train()
    logits = classifier(clips(2, 2000))
    assert logits.shape == (2, 3)
    F.cross_entropy(logits, torch.tensor([0, 2])).backward()
    for name, weight in classifier.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, name
            assert weight.grad.isfinite().all(), name
