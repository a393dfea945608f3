"""A seed for what layers draw on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws on the CPU begin with a seed, and go on afterwards as if nothing had been drawn.

    ``torch.manual_seed`` seeds every kind of device, also those that are not there, and writes down
    the stack for each of them: a hundred times slower.
    """
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)
