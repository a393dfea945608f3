"""Initial values. Source: leaf_audio/initializers.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.oracles.exact import mel, windows
from parity.oracles.exact.types import Array


def preemphasis(alpha: float) -> Array:
    """Taps ``(-alpha, 1)``: (2, 1, 1). Source: lines 27-52."""
    return np.array([-alpha, 1.0]).reshape(2, 1, 1)


def sinc(count: int, rate: float) -> Array:
    """Lower edges and bandwidths, equally spaced in mel from 50 Hz to ``rate / 2 - 100``: (count,
    2). Source: lines 95-127.
    """
    low, high = mel.hz2mel(50.0), mel.hz2mel(0.5 * rate - 100.0)
    hertz = np.array([mel.mel2hz(low + (high - low) * n / count) for n in range(count + 1)])
    return np.stack([hertz[:-1], np.diff(hertz)], axis=1)


def lowpass(shape: Sequence[int], rate: float, window: str, milliseconds: float = 25.0) -> Array:
    """One window for every channel: (taps, 1, channels) or (1, taps, channels, 1).

    Source: lines 130-157.
    """
    taps = windows.BY_NAME[window](int(rate * milliseconds // 1000 + 1))
    placed = taps[:, None, None] if len(shape) == 3 else taps[None, :, None, None]
    return np.broadcast_to(placed, tuple(shape)).copy()
