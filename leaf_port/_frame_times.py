"""When the frames of a frontend are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from leaf_port import padding, pooling
from leaf_port.errors import LeafError


def frame_times(
    frontend: Any, frames: int, samples: int | None = None, owner: str = "frame_times"
) -> npt.NDArray[np.float64]:
    """Time in seconds of the middle of each frame: ``(frames,)``.

    ``(n stride + offset) / rate``. The offset, in samples:

    - pooling with SAME padding (LEAF, SincNet, SincNet+): ``(window - 1) / 2 - left pad``, where
      the pad depends on the length of the clip; with SYMMETRIC padding it does not;
    - pooling without padding: ``(window - 1) / 2``, and a sample later of time-domain filterbanks:
      the official squared Hann window peaks one sample late (leaf_audio/utils.py, line 75:
      ``n - 1``);
    - mel: frames start at ``n stride``; the Hann window peaks at tap ``window // 2`` (an odd one is
      symmetric, an even one periodic).

    Of an even window, a Gabor filter is centred one sample later (tap ``window // 2``, while SAME
    pads ``window / 2 - 1`` on the left). Trained pooling and filter taps may move it further.

    Args:
        frontend: that gave them.
        frames: how many.
        samples: of the clip; by default so many whole strides.
        owner: who asks.

    Raises:
        LeafError: a pooling of the user's, of which stride and window are unknown.
    """
    window, stride = window_and_stride(frontend, owner)
    clip = frames * stride if samples is None else samples
    times = np.arange(frames, dtype=np.float64) * stride + _offset(frontend, window, stride, clip)
    return times / float(frontend.sample_rate)


def window_and_stride(frontend: Any, owner: str) -> tuple[int, int]:
    """Of the frames, in samples."""
    if not hasattr(frontend, "pooling"):
        return frontend.window_size, frontend.window_stride
    pool = frontend.pooling
    if not isinstance(pool, pooling._Pooling1d):
        expected, fix = "one of this package's poolings", "draw its features with imshow"
        raise LeafError(owner, "frontend", expected, type(pool).__name__, fix)
    return pool.kernel_size, pool.strides


def _offset(frontend: Any, window: int, stride: int, samples: int) -> float:
    if not hasattr(frontend, "pooling"):
        return float(window // 2)
    taps = getattr(frontend.complex_conv, "kernel_size", window)
    filter_delay = taps // 2 - padding.same_padding(samples, taps)[0]
    pool = frontend.pooling
    if pool.padding == padding.VALID:
        late = isinstance(pool, pooling.LearnablePooling1d)
        return (window - 1) / 2 + late + filter_delay
    symmetric = pool.padding == padding.SYMMETRIC
    left, _ = padding.same_padding(samples, window, 1 if symmetric else stride)
    return (window - 1) / 2 - left + filter_delay
