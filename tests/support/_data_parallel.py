"""A Leaf with a small classifier, trained on one device or on several; no tests in here.

``python _data_parallel.py HOW`` prints the losses as JSON. HOW is ``cpu``, ``ddp`` (one of the
processes that torchrun starts), ``xla`` or ``spmd`` (torch_xla shards each batch over its devices).
torch_xla starts before the first backward of a process, so each is one.
"""

from __future__ import annotations

import json
import os
import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import leaf_port as lp
from parity.spec.random_arrays import Source

STEPS = 50
BATCH = 4
SAMPLES = 400
CLASSES = 3
RATE = 0.05


class Classifier(nn.Module):
    """Means over time of the features, and a linear layer: nothing that a batch's clips share."""

    def __init__(self) -> None:
        super().__init__()
        self.frontend = lp.Leaf(n_filters=4, window_len=6.25, window_stride=2.5)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, samples)`` to ``(batch, classes)``."""
        return self.head(self.frontend(x).mean(1))


def classifier() -> Classifier:
    """The same weights whenever it is made."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Classifier()


def batch(step: int) -> tuple[Tensor, Tensor]:
    """Clips and classes of a step."""
    source = Source(100 + step)
    labels = torch.from_numpy(source.integers((BATCH,), 0, CLASSES)).long()
    return torch.from_numpy(source.audio(BATCH, SAMPLES)), labels


def loss_of(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """The mean over the batch."""
    return F.cross_entropy(model(x), labels)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, labels: Tensor) -> Tensor:
    """One step of training; the loss before it."""
    optimizer.zero_grad()
    loss = loss_of(model, x, labels)
    loss.backward()
    optimizer.step()
    return loss.detach()


def _cpu() -> list[float]:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    return [step(model, optimizer, *batch(i)).item() for i in range(STEPS)]


def _ddp() -> list[float]:
    """One of several processes that torchrun starts; each takes its share of every batch."""
    import torch.distributed as dist

    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    assert size > 1, "one process: torchrun --nproc-per-node 2"
    model = nn.parallel.DistributedDataParallel(classifier())
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    losses = []
    for i in range(STEPS):
        x, labels = (each.chunk(size)[rank] for each in batch(i))
        loss = step(model, optimizer, x, labels)
        dist.all_reduce(loss)
        losses.append(loss.item() / size)
    dist.barrier()  # gloo aborts a process whose peer leaves while it still sends
    dist.destroy_process_group()
    return losses if rank == 0 else []


def _xla(spread: bool) -> list[float]:
    import torch_xla

    from parity.port import xla

    mesh = _mesh() if spread else None
    xla.start()
    with xla.full_float32():
        model = classifier().to("xla")
        optimizer = torch.optim.SGD(model.parameters(), RATE)
        losses = []
        for i in range(STEPS):
            x, labels = (each.to("xla") for each in batch(i))
            if mesh is not None:
                _shard(mesh, x, labels)
            loss = step(model, optimizer, x, labels)
            torch_xla.sync()
            losses.append(loss.item())
    return losses


def _mesh():  # type: ignore[no-untyped-def]
    """All devices of the process in a row."""
    import numpy as np
    import torch_xla.distributed.spmd as spmd
    import torch_xla.runtime as runtime

    runtime.use_spmd()
    count = runtime.global_runtime_device_count()
    assert count > 1, f"{count} device: set CPU_NUM_DEVICES"
    return spmd.Mesh(np.arange(count), (count,), ("batch",))


def _shard(mesh, x: Tensor, labels: Tensor) -> None:  # type: ignore[no-untyped-def]
    import torch_xla.distributed.spmd as spmd

    spmd.mark_sharding(x, mesh, ("batch", None))
    spmd.mark_sharding(labels, mesh, ("batch",))


HOW = {"cpu": _cpu, "ddp": _ddp, "xla": lambda: _xla(False), "spmd": lambda: _xla(True)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    if found := HOW[sys.argv[1]]():
        print(json.dumps(found), flush=True)
    if sys.argv[1] == "ddp":
        # gloo's threads outlive the process group, as DistributedDataParallel leaves references to
        # it. One that lets go of a tensor of Python's while the interpreter ends aborts the process
        # (pytorch/pytorch issue 190489; 1 in 25 on two busy cores): so it does not end, but stops.
        os._exit(0)
