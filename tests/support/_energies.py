"""What the tests of energies at once share; no tests in here."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

import leaf_port as lp
from leaf_port import frontend


def noise(*shape: int, seed: int = 0, scale: float = 0.1) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@functools.cache
def models() -> tuple[lp.Leaf, lp.Leaf, lp.Leaf]:
    return lp.Leaf(energies="fft"), lp.Leaf(energies="direct"), lp.Leaf().double()


def root_mean_square(found: Tensor, exact: Tensor) -> float:
    """Of the relative differences; of energies that the floor hides none."""
    shown = exact > frontend.SMALLEST_ENERGY
    difference = (found.double() - exact)[shown] / exact[shown]
    return float(difference.square().mean().sqrt()) if shown.any() else 0.0
