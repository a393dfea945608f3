"""Random numbers that depend on what is drawn, not on what was drawn before.

So a run that was killed goes on with the same numbers, and loaders may have any number of workers.
"""

from __future__ import annotations

import hashlib

import torch


def seed_of(*what: object) -> int:
    """A seed, below 2^63, for a purpose: ``seed_of(seed, "crop", epoch, index)``."""
    digest = hashlib.sha256(repr(what).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_of(*what: object) -> torch.Generator:
    """A generator on the CPU for a purpose."""
    return torch.Generator().manual_seed(seed_of(*what))
