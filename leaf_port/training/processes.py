"""Several processes that train one model: gradients equal to one process's on the whole batch.

Each process takes every n-th example of a batch. Gradients of sums are added up, batch statistics
are computed over all processes (:func:`leaf_port.normalization.synchronize`), so that a step is the
step of one process, up to the order in which is added.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from leaf_port.errors import LeafError
from leaf_port.normalization import synchronize

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Processes:
    """How many there are, and which this one is."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def share(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """This process's part of a batch; all of one that is too small to be divided."""
        return items if len(items) < self.world else items[self.rank :: self.world]

    def divides(self, count: int) -> bool:
        """Whether a batch is divided, or computed whole by every process."""
        return self.world > 1 and count >= self.world

    def join(self, model: nn.Module) -> None:
        """Has batch statistics computed over all processes, as the batch is divided or not."""
        if self.world > 1:
            synchronize(model)

    def add_gradients(self, model: nn.Module) -> None:
        """Replaces each gradient by the sum over the processes."""
        gradients = [each.grad for each in model.parameters() if each.grad is not None]
        if self.world == 1 or not gradients:
            return
        flat = torch.cat([each.reshape(-1) for each in gradients])
        distributed.all_reduce(flat)
        start = 0
        for each in gradients:
            each.copy_(flat[start : start + each.numel()].view_as(each))
            start += each.numel()

    def total(self, numbers: Tensor) -> Tensor:
        """The sum over the processes."""
        if self.world > 1:
            distributed.all_reduce(numbers)
        return numbers

    def gathered(self, value: _Item) -> list[_Item]:
        """Every process's value, in the order of the ranks."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value)
        return found


def counted() -> tuple[int, int]:
    """Rank and number of processes, as ``torchrun`` tells them.

    Raises:
        LeafError: one of the two variables without the other, or no numbers.
    """
    rank, world = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None and world is None:
        return 0, 1
    try:
        found = int(rank or ""), int(world or "")
    except ValueError as error:
        got, fix = f"RANK={rank}, WORLD_SIZE={world}", "start the processes with torchrun"
        raise LeafError("train", "RANK, WORLD_SIZE", "two integers", got, fix) from error
    return found


@contextmanager
def joined(device: str, batch_size: int) -> Iterator[Processes]:
    """The processes that ``torchrun`` started; one where it did not.

    Raises:
        LeafError: fewer examples in a batch than processes.
    """
    rank, world = counted()
    if world == 1:
        yield Processes()
        return
    if batch_size < world:
        fix = "give a larger --batch-size, or start fewer processes"
        raise LeafError(
            "train", "--batch-size", f"at least {world}, one a process", batch_size, fix
        )
    # Imported later (torch's compiler does so), its functions keep the group as a default argument.
    # gloo's threads then outlive the group, and may abort the process when it ends.
    importlib.import_module("torch.distributed.nn.functional")
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Processes(rank, world)
        distributed.barrier()
    finally:
        distributed.destroy_process_group()
