"""How frontends are laid out at other sample rates than the official 16 kHz."""

from __future__ import annotations

import math

OFFICIAL_RATE = 16000
MIN_HZ, MAX_HZ = 60.0, 7800.0
"""The band of the official frontends."""
_OFFICIAL_N_FFT = 512
_NYQUIST_SHARE = MAX_HZ / (OFFICIAL_RATE / 2)


def n_fft(sample_rate: float, window: int = 1) -> int:
    """Size of the transform in whose bins mel filters are laid out: a power of two.

    512, the official one, up to 16 kHz. Above, so many that its bins are no further apart than at
    16 kHz (31.25 Hz), where 40 filters from 60 to 7800 Hz are told apart. Never less than a window.
    """
    doublings = math.ceil(math.log2(max(sample_rate / OFFICIAL_RATE, 1.0)))
    return max(_OFFICIAL_N_FFT * 2**doublings, 2 ** math.ceil(math.log2(window)))


def max_frequency(sample_rate: float) -> float:
    """Where the highest filter ends, in Hz: 7800, or the same share of a Nyquist below 8000 Hz."""
    return min(MAX_HZ, _NYQUIST_SHARE * sample_rate / 2)
