"""How frontends are laid out at other sample rates than the official 16 kHz."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from leaf_port.errors import SampleRateWarning

OFFICIAL_RATE = 16000
MIN_HZ, MAX_HZ = 60.0, 7800.0
"""The band of the official frontends."""
_OFFICIAL_N_FFT = 512
_NYQUIST_SHARE = MAX_HZ / (OFFICIAL_RATE / 2)

_warned: set[str] = set()
"""Who was the first to warn, in this process."""


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


@contextmanager
def without_warning() -> Iterator[None]:
    """Where layers are built that get other weights; leaves the warning to the next one."""
    before = set(_warned)
    _warned.add("nobody")
    try:
        yield
    finally:
        _warned.intersection_update(before)


def warn_of_other_rate(owner: str, sample_rate: float) -> None:
    """Warns, once in a process, that the official first filters do not follow the sample rate.

    Not on the meta device: a layer that is built there gets other weights.
    """
    if sample_rate == OFFICIAL_RATE or _warned or torch.get_default_device().type == "meta":
        return
    _warned.add(owner)
    highest = MAX_HZ * sample_rate / OFFICIAL_RATE
    lowest = MIN_HZ * sample_rate / OFFICIAL_RATE
    told = (
        f"{owner}(sample_rate={sample_rate}) starts with the filters of {OFFICIAL_RATE} Hz, as the "
        f"official one: at {sample_rate} Hz they span {lowest:.4g} to {highest:.4g} Hz; "
        f"{owner}.for_sample_rate({sample_rate}) makes filters for the rate, and "
        f"complex_conv_init=GaborInit(16000, {MIN_HZ}, {MAX_HZ}) asks for the official ones"
    )
    warnings.warn(told, SampleRateWarning, stacklevel=3)
