"""Prints how far a step of training on XLA is from the same step on the CPU; no tests in here.

50 steps of the CPU's training; at each of them the XLA device makes the same step from the same
weights. A line of JSON for each: the greatest distance of loss and of every updated weight, as a
part of what is allowed (``_rounding.apart``).
"""

from __future__ import annotations

import copy
import json

import torch
from _data_parallel import RATE, STEPS, batch, classifier, loss_of, step
from _rounding import apart, chain, units
from torch import Tensor, nn

from parity.port import xla

TAPS = 101  # of the longest convolution, whose sums the two add up in another order


def _stepped(model: nn.Module, x: Tensor, labels: Tensor) -> list[Tensor]:
    """Loss and updated weights of a step of plain gradient descent; the model is left alone."""
    weights = list(model.parameters())
    loss = loss_of(model, x, labels)
    gradients = torch.autograd.grad(loss, weights)
    moved = [w - RATE * g for w, g in zip(weights, gradients, strict=True)]
    return [loss.detach(), *(each.detach() for each in moved)]


def _on_xla(model: nn.Module, x: Tensor, labels: Tensor) -> list[Tensor]:
    import torch_xla

    theirs = copy.deepcopy(model).to("xla")
    optimizer = torch.optim.SGD(theirs.parameters(), RATE)
    loss = step(theirs, optimizer, x.to("xla"), labels.to("xla"))
    torch_xla.sync()
    return [loss.cpu(), *(weight.detach().cpu() for weight in theirs.parameters())]


def main() -> None:
    """One line for each step."""
    torch.set_num_threads(1)
    xla.start()
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    with xla.full_float32():
        for i in range(STEPS):
            x, labels = batch(i)
            exact = copy.deepcopy(model).double()
            unit = units(
                lambda exact=exact, x=x, labels=labels: _stepped(exact, x.double(), labels)
            )
            got = _on_xla(model, x, labels)
            loss = step(model, optimizer, x, labels)
            ours = [loss, *(weight.detach() for weight in model.parameters())]
            far = [
                apart(mine, theirs, chain(TAPS) * each)
                for mine, theirs, each in zip(ours, got, unit, strict=True)
            ]
            print(json.dumps(far), flush=True)


if __name__ == "__main__":
    main()
