"""Which way the frontends compute here, and why."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import numpy as np
import torch

from leaf_port._ops.energies import library


def lines() -> Iterator[tuple[str, str]]:
    """What and its value, as ``python -m leaf_port info`` prints them."""
    kernel, told = library.opened()
    yield "torch", torch.__version__
    yield "NumPy", np.__version__
    yield "Python", platform.python_version()
    yield "threads", str(torch.get_num_threads())
    yield "kernel", f"compiled, for {told}" if kernel else f"none: {told}"
    way = "at once, by the kernel" if kernel else "at once, by torch in float64"
    yield "Leaf's energies, float32 on the CPU", way
    yield "Leaf's energies elsewhere", "layer by layer, by torch"
