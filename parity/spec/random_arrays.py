"""Numbers from a seed, the same bits on every machine and with every version of NumPy.

Only the raw 64-bit output of PCG64 (whose stream never changes) and exactly rounded operations
(+, -, *, /) are used: no sine, logarithm or generator method whose last bit may vary. The arrays of
a guarded source refuse every other operation (``parity/spec/exactly_rounded.py``), so that what a
declaration makes of them keeps the promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from parity.spec.exactly_rounded import guarded

Array = npt.NDArray[Any]


class Source:
    """A stream of reproducible arrays.

    Args:
        seed: decides all of them.
        guard: whether the arrays refuse what is not exactly rounded, as those of questions do.
    """

    def __init__(self, seed: int, guard: bool = False) -> None:
        self._bits = np.random.PCG64(seed)
        self._guard = guard

    def _made(self, array: Array, dtype: npt.DTypeLike) -> Array:
        made = np.asarray(array, dtype)
        return guarded(made) if self._guard else made

    def _unit(self, shape: Sequence[int]) -> Array:
        """Multiples of 2^-24 in [0, 1), float64."""
        raw = self._bits.random_raw(int(np.prod(shape, dtype=np.int64)))
        return (np.asarray(raw, np.uint64) >> np.uint64(40)).reshape(shape) / 2.0**24

    def uniform(self, shape: Sequence[int], low: float = -1.0, high: float = 1.0) -> Array:
        """Uniform in ``[low, high)``, float32."""
        return self._made(low + (high - low) * self._unit(shape), np.float32)

    def integers(self, shape: Sequence[int], low: int, high: int) -> Array:
        """Uniform in ``low .. high - 1``, int32."""
        return self._made(low + np.floor((high - low) * self._unit(shape)), np.int32)

    def normal(self, shape: Sequence[int], deviation: float = 1.0, mean: float = 0.0) -> Array:
        """Nearly normal (the sum of twelve uniform numbers), float32."""
        total = self._unit((12, *shape)).sum(0) - 6.0  # exact in any order: multiples of 2^-24
        return self._made(mean + deviation * total, np.float32)

    def audio(self, batch: int, samples: int, channels: int | None = None) -> Array:
        """Clips like recordings: tones under noise that swells, a click, a stretch of silence.

        Returns:
            ``(batch, samples)`` or ``(batch, samples, channels)``, float32, within about +-1.
        """
        n = np.arange(samples, dtype=np.float64)
        shape = (batch, 1)
        noise = np.asarray(self.normal((batch, samples), 0.1), np.float64)
        swell = np.abs(2.0 * self._unit(shape) - n / max(samples, 1))
        clip = noise * swell + self._tone(n, shape) + self._tone(n, shape)
        for row in range(batch):
            where = int(self._unit(()) * samples)
            clip[row, where] += 0.5
            start = int(self._unit(()) * samples)
            clip[row, start : start + samples // 8] = 0.0
        clip = self._made(clip, np.float32)
        return clip if channels is None else np.repeat(clip[:, :, None], channels, axis=2)

    def _tone(self, n: Array, shape: Sequence[int]) -> Array:
        """A triangle wave of random pitch and level: exact arithmetic, unlike a sine."""
        phase = n * (0.4 * self._unit(shape)) + self._unit(shape)
        triangle = 4.0 * np.abs(phase - np.floor(phase + 0.5)) - 1.0
        return 0.3 * self._unit(shape) * triangle
