"""The clips that a conversion is verified on: seeded, their lengths different modulo the stride.

SAME padding depends on the length modulo the stride, and a batch, a tone and a quiet room each ask
for something of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from leaf_port.errors import LeafError
from weight_conversion.official.folder import WAVEFORM_RATE, frontend, sample_rate
from weight_conversion.reference.probe import clips
from weight_conversion.verification.backends import Backend

Array = npt.NDArray[Any]

SEED = 2026
_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0)
_STRIDE = 160  # where no frontend has one
_QUIET = np.float32(10 ** (-50 / 20))


def seeded(seed: int, stride: int, samples: int) -> dict[str, Array]:
    """Four clips of about ``samples``: one, half a stride, and one less than a whole one beyond it.

    * ``noise``: two swelling clips, the batch;
    * ``chirp``: ``0.5 sin(pi n^2 / N)``, from 0 Hz to Nyquist;
    * ``quiet``: noise 50 dB lower, whose energies are near the floor of 1e-5;
    * ``whole``: noise of a whole number of strides.

    Returns:
        ``(batch, length)`` each, float32.
    """
    whole = -(-samples // stride) * stride
    length = whole + stride // 2
    n = np.arange(length, dtype=np.float64)
    chirp = 0.5 * np.sin(np.pi * n**2 / length)
    return {
        "noise": clips(seed, 2, whole + 1),
        "chirp": chirp.astype(np.float32)[None],
        "quiet": clips(seed + 1, 1, whole + stride - 1) * _QUIET,
        "whole": clips(seed + 2, 1, whole),
    }


def for_model(config: dict[str, Any], model: nn.Module, seed: int) -> dict[str, Array]:
    """The shortest seeded clips that the model takes: a deep encoder refuses maps too small to
    pool.

    Raises:
        LeafError: it refuses four seconds too.
    """
    rate = sample_rate(config) or WAVEFORM_RATE
    stride = _stride(config, rate)
    for seconds in _SECONDS[:-1]:
        made = seeded(seed, stride, int(seconds * rate))
        try:
            _try(model, made)
        except LeafError:
            continue
        return made
    longest = seeded(seed, stride, int(_SECONDS[-1] * rate))
    _try(model, longest)
    return longest


def _stride(config: dict[str, Any], rate: int) -> int:
    part = frontend(config)
    if part is None:
        return _STRIDE
    return max(int(rate * part["arguments"].get("window_stride", 10.0) // 1000), 1)


def _try(model: nn.Module, made: dict[str, Array]) -> None:
    shortest = min(made.values(), key=lambda clip: clip.shape[1])
    Backend("probe").run(model, [shortest])
