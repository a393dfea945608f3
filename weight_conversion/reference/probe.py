"""Probe clips from a seed: what both sides of a conversion are fed.

The same bits on every machine and with every NumPy: only PCG64's raw output, whose stream never
changes, and exactly rounded operations.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def clips(seed: int, batch: int, samples: int) -> npt.NDArray[np.float32]:
    """Noise that swells: ``u[b, n] (b + 1) / batch (n + 1) / samples``, ``u`` uniform in [-1, 1).

    Returns:
        ``(batch, samples)``, float32.
    """
    raw = np.asarray(np.random.PCG64(seed).random_raw(batch * samples), np.uint64)
    unit = (raw >> np.uint64(40)).reshape(batch, samples) / 2.0**23 - 1.0
    level = (np.arange(batch)[:, None] + 1.0) / batch * ((np.arange(samples) + 1.0) / samples)
    return (unit * level).astype(np.float32)
