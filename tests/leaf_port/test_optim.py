"""Keras' Adam in PyTorch; its step against Keras' own: tests/weight_conversion/test_adam.py."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from _layers import clips
from torch import Tensor, nn

import leaf_port as lp
from leaf_port.optim import KerasAdam, KerasAdamW

STEPS = 5


def _in_numpy(weight: Any, gradients: list[Any], **given: Any) -> Any:
    """The documented formula, in float64."""
    lr, eps, decay = given.get("lr", 1e-3), given.get("eps", 1e-7), given.get("weight_decay", 0.0)
    first, second = given.get("betas", (0.9, 0.999))
    m, v, greatest = (np.zeros_like(weight) for _ in range(3))
    for t, g in enumerate(gradients, 1):
        weight = weight - weight * decay * lr
        m = first * m + (1 - first) * g
        v = second * v + (1 - second) * g**2
        greatest = np.maximum(greatest, v) if given.get("amsgrad") else v
        rate = lr * np.sqrt(1 - second**t) / (1 - first**t)
        weight = weight - rate * m / (np.sqrt(greatest) + eps)
    return weight


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-2},
        {"weight_decay": 0.3},
        {"amsgrad": True, "betas": (0.9, 0.5)},
        {"betas": (0.0, 0.0)},
    ],
)
def test_the_formula_in_float64(given: dict[str, Any]) -> None:
    """Gradients of all sizes; the powers of five steps lose no more than 1e-12."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(50, generator=generator, dtype=torch.float64).requires_grad_()
    sizes = 10.0 ** torch.linspace(-9, 1, 50, dtype=torch.float64)
    gradients = [sizes * torch.randn(50, generator=generator).double() for _ in range(STEPS)]
    expected = _in_numpy(weight.detach().numpy(), [each.numpy() for each in gradients], **given)
    optimizer = KerasAdam([weight], **given)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-12, atol=1e-14)


def test_adamw_decays_as_keras_does_unasked() -> None:
    weight = torch.ones(3, dtype=torch.float64, requires_grad=True)
    optimizer = KerasAdamW([weight], lr=0.5)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full_like(weight, 1 - 0.004 * 0.5))


def test_torchs_adam_is_another() -> None:
    """At the first step, where gradients are of epsilon's size."""
    steps = []
    for kind in (KerasAdam, torch.optim.Adam):
        weight = torch.zeros(1, requires_grad=True)
        weight.grad = torch.full_like(weight, 1e-6)
        kind([weight], lr=1.0, eps=1e-7).step()
        steps.append(weight.item())
    assert abs(steps[0] / steps[1] - 1) > 0.5


def _leaf() -> lp.Leaf:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return lp.Leaf(n_filters=4, window_len=6.25, regularizer_fn=lp.L1L2(0.1, 0.2))


def _steps(leaf: nn.Module, optimizer: torch.optim.Optimizer, penalised: bool) -> dict[str, Tensor]:
    for _ in range(3):
        optimizer.zero_grad()
        loss = leaf(clips(2, 800)).square().sum()
        (loss + lp.regularization_loss(leaf) if penalised else loss).backward()
        optimizer.step()
    return leaf.state_dict()


def test_a_model_brings_its_constraints_and_regularisers() -> None:
    """As two lines of the loop do; the sum of two gradients may round otherwise."""
    alone, told = _leaf(), _leaf()
    own = _steps(alone, KerasAdam(alone, lr=0.5), penalised=False)
    optimizer = KerasAdam(told.parameters(), lr=0.5)
    lp.constrain_after_step(optimizer, told)
    torch.testing.assert_close(own, _steps(told, optimizer, penalised=True), rtol=1e-4, atol=1e-5)
    kernel = alone.complex_conv.kernel
    torch.testing.assert_close(kernel, alone.complex_conv.constraints["kernel"](kernel))


def test_without_its_regularisers_a_model_goes_elsewhere() -> None:
    alone, told = _leaf(), _leaf()
    own = _steps(alone, KerasAdam(alone, lr=0.01), penalised=False)
    other = _steps(told, KerasAdam(told.parameters(), lr=0.01), penalised=False)
    assert any((own[name] != other[name]).any() for name in own)


def test_a_regularised_weight_without_a_gradient_moves() -> None:
    leaf = _leaf()
    before = copy.deepcopy(leaf.state_dict())
    KerasAdam(leaf).step()
    assert (leaf.complex_conv.kernel != before["complex_conv.kernel"]).any()


def test_it_goes_on_from_its_state() -> None:
    whole, halves = (torch.ones(4, requires_grad=True) for _ in range(2))
    gradients = [torch.linspace(-1, 1, 4) * step for step in range(1, 5)]
    optimizer = KerasAdam([whole], amsgrad=True)
    parts = KerasAdam([halves], amsgrad=True)
    for i, gradient in enumerate(gradients):
        whole.grad, halves.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        parts.step()
        if i == 1:
            state = copy.deepcopy(parts.state_dict())
            parts = KerasAdam([halves], amsgrad=True)
            parts.load_state_dict(state)
    assert torch.equal(whole, halves)


def test_torchs_state_is_its_state() -> None:
    weight = torch.ones(4, requires_grad=True)
    weight.grad = torch.ones(4)
    torchs, ours = torch.optim.Adam([weight]), KerasAdam([weight])
    torchs.step()
    ours.step()
    one, other = torchs.state[weight], ours.state[weight]
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name])


def test_groups_and_schedules() -> None:
    fast, slow = (torch.zeros(1, requires_grad=True) for _ in range(2))
    optimizer = KerasAdam([{"params": [fast], "lr": 0.1}, {"params": [slow]}], lr=0.001)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for expected in (0.1, 0.15):
        fast.grad, slow.grad = torch.ones(1), torch.ones(1)
        optimizer.step()
        schedule.step()
        assert fast.item() == pytest.approx(-expected, rel=1e-4)
    assert slow.item() == pytest.approx(-0.0015, rel=1e-4)


def test_a_closure_is_called() -> None:
    weight = torch.ones(1, requires_grad=True)
    optimizer = KerasAdam([weight])

    def closure() -> float:
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 1.0
    assert weight.item() < 1.0


@pytest.mark.parametrize(
    "given",
    [
        {"lr": -1.0},
        {"lr": float("nan")},
        {"eps": -1e-7},
        {"betas": (0.9, 1.0)},
        {"betas": (0.9,)},
        {"betas": (-0.1, 0.9)},
        {"weight_decay": float("inf")},
    ],
)
def test_bad_numbers_are_refused(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(lp.LeafError, match=name):
        KerasAdam([torch.ones(1, requires_grad=True)], **given)


def test_a_frozen_model_is_refused() -> None:
    with pytest.raises(lp.LeafError, match="trainable"):
        KerasAdam(_leaf().requires_grad_(False))


def test_a_sparse_gradient_is_refused() -> None:
    weight = torch.ones(3, requires_grad=True)
    optimizer = KerasAdam([weight])
    weight.grad = torch.ones(3).to_sparse()
    with pytest.raises(lp.LeafError, match="dense"):
        optimizer.step()
