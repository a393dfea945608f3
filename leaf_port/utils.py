"""Mel scale and windows (leaf_audio/utils.py, lines 24-87)."""

from __future__ import annotations

import enum
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from leaf_port.errors import LeafError

Scalar = TypeVar("Scalar", float, npt.NDArray[np.float64])


def hz2mel(f: Scalar) -> Scalar:
    """Hertz to mel (O'Shaughnessy): ``2595 log10(1 + f / 700)``. Source: utils.py, lines 24-35."""
    return 2595 * np.log10(1 + f / 700)


def mel2hz(m: Scalar) -> Scalar:
    """Mel to hertz: ``700 (10^(m / 2595) - 1)``. Source: utils.py, lines 38-49."""
    return 700 * (np.power(10, m / 2595) - 1)


class WindowType(enum.Enum):
    """The windows of :func:`window`. Source: utils.py, lines 52-56."""

    HAMMING = 1
    HANNING = 2
    SQUARED_HANNING = 3


def window(window_type: WindowType, tmax: int) -> npt.NDArray[np.float64]:
    """A window of ``tmax`` samples, in float64. Source: utils.py, lines 59-87.

    * ``HAMMING``: ``0.54 - 0.46 cos(2 pi n / tmax)`` (the periodic form);
    * ``HANNING``: ``0.5 (1 - cos(2 pi (n - 1) / (tmax - 1)))``. The official code shifts the
      symmetric Hann window by one sample; the shift is part of what it computes;
    * ``SQUARED_HANNING``: the square of that.

    Args:
        window_type: which one.
        tmax: its length, in samples.

    Returns:
        ``(tmax,)``.

    Raises:
        LeafError: unknown window, or a length that has none.
    """
    if not isinstance(window_type, WindowType):
        choices = ", ".join(str(member) for member in WindowType)
        raise LeafError("window", "window_type", f"one of {choices}", repr(window_type), "give one")
    shortest = 1 if window_type is WindowType.HAMMING else 2
    if tmax < shortest:
        raise LeafError(
            "window", "tmax", f"at least {shortest} samples", tmax, "ask for a longer one"
        )
    n = np.arange(tmax, dtype=np.float64)
    if window_type is WindowType.HAMMING:
        return 0.54 - 0.46 * np.cos(2 * np.pi * n / tmax)
    hanning = 0.5 * (1 - np.cos(2 * np.pi * (n - 1) / (tmax - 1)))
    return hanning if window_type is WindowType.HANNING else hanning**2
