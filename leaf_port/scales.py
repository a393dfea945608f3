"""Initial filters on the Bark, ERB, linear and mel scales, or all alike. None of it is official.

The official initial filters are those of :class:`~leaf_port.initializers.GaborInit`: mel triangles
in the bins of a transform. Here a scale is a formula, and no filter is moved to a bin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from leaf_port import _checks, _registry, impulse_responses
from leaf_port.errors import LeafError
from leaf_port.utils import Scalar

Float64 = npt.NDArray[np.float64]

CONSTANT = "constant"

_MEL_FACTOR, _MEL_CORNER = 1127.0, 700.0  # the mel scale of tf.signal, as in melfilters.py
_ERB_FACTOR, _ERB_SLOPE = 21.4, 0.00437
_BARK_LOW, _BARK_HIGH = 2.0, 20.1  # beyond them Traunmueller corrects his formula
_HALF = math.sqrt(2 * math.log(2)) / math.pi
"""Width at half of a Gabor filter's magnitude response, times its standard deviation."""


def hz2bark(f: Scalar) -> Scalar:
    """Hertz to Bark: ``z = 26.81 f / (1960 + f) - 0.53``, corrected at both ends.

    Below 2 Bark ``0.15 (2 - z)`` is added, above 20.1 Bark ``0.22 (z - 20.1)``. H. Traunmueller,
    "Analytical expressions for the tonotopic sensory scale", J. Acoust. Soc. Am. 88 (1990), 97-100.
    """
    z = 26.81 * f / (1960.0 + f) - 0.53
    return z + 0.15 * np.maximum(_BARK_LOW - z, 0.0) + 0.22 * np.maximum(z - _BARK_HIGH, 0.0)


def bark2hz(z: Scalar) -> Scalar:
    """Bark to hertz, the inverse of :func:`hz2bark`: ``1960 (z + 0.53) / (26.28 - z)``."""
    low, high = np.minimum(z - _BARK_LOW, 0.0), np.maximum(z - _BARK_HIGH, 0.0)
    plain = z + low * (1 / 0.85 - 1) + high * (1 / 1.22 - 1)
    return 1960.0 * (plain + 0.53) / (26.28 - plain)


def hz2erb(f: Scalar) -> Scalar:
    """Hertz to ERB-number (Cams): ``21.4 log10(1 + 0.00437 f)``.

    The number of equivalent rectangular bandwidths below ``f``, each ``24.7 (0.00437 f + 1)`` Hz
    wide. B. R. Glasberg and B. C. J. Moore, "Derivation of auditory filter shapes from
    notched-noise data", Hearing Research 47 (1990), 103-138.
    """
    return _ERB_FACTOR * np.log10(1.0 + _ERB_SLOPE * f)


def erb2hz(e: Scalar) -> Scalar:
    """ERB-number to hertz, the inverse of :func:`hz2erb`: ``(10^(e / 21.4) - 1) / 0.00437``."""
    return (np.power(10.0, e / _ERB_FACTOR) - 1.0) / _ERB_SLOPE


def _hz2mel(f: Any) -> Any:
    return _MEL_FACTOR * np.log1p(f / _MEL_CORNER)


def _mel2hz(m: Any) -> Any:
    return _MEL_CORNER * np.expm1(m / _MEL_FACTOR)


def _same(f: Any) -> Any:
    return f


_Map = Callable[[Any], Any]
_SCALES: dict[str, tuple[_Map, _Map]] = {
    "mel": (_hz2mel, _mel2hz),
    "bark": (hz2bark, bark2hz),
    "erb": (hz2erb, erb2hz),
    "linear": (_same, _same),
}
SCALES = (*_SCALES, CONSTANT)
"""The names that :class:`ScaleInit` takes."""


def check_scale(owner: str, scale: str) -> str:
    """``scale``, if it is one of :data:`SCALES`."""
    if scale not in SCALES:
        expected, fix = f"one of {', '.join(SCALES)}", "give one of them"
        raise LeafError(owner, "scale", expected, repr(scale), fix)
    return scale


class ScaleInit:
    """Gabor filters, or their parameters, on a scale of frequency. Not an official initialiser.

    On ``"mel"``, ``"bark"``, ``"erb"`` and ``"linear"`` the filters match triangles, as the
    official ones do: ``n + 2`` points are equally spaced on the scale from ``min_freq`` to
    ``max_freq``, a distance ``d`` apart. Each triangle starts at a point, peaks at the next, ``c``,
    and ends at the one after that. A filter's centre is ``c``. Its magnitude response is as wide,
    at half of its maximum, as the square root of the triangle: from ``c - 3 d / 4`` to
    ``c + 3 d / 4``, ``w`` Hz. Its standard deviation is ``sqrt(2 ln 2) sample_rate / (pi w)``
    samples. :class:`~leaf_port.initializers.GaborInit` counts the bins of a transform instead: its
    mel filters are up to a bin off those of ``"mel"``.

    ``"constant"`` gives every filter the same centre, ``sqrt(min_freq max_freq)``, and the same
    standard deviation, ``sample_rate / (2 b)`` with ``b = min_freq (max_freq / min_freq)^0.4`` Hz.
    Nothing but training tells the filters apart then.

    Initial filters on these scales test whether a frontend learns its filters, as in
    https://arxiv.org/abs/2302.10014. The points of mel, Bark and linear filters follow the code
    that its first author published (github.com/markanderson96/groupedfrontend), but for the formula
    of the Bark scale, which is ``6 asinh(f / 600)`` there. ``"constant"`` follows LEAFNet of
    autrainer (``initialization="constant"``). The text of the paper was not compared.

    A layer keeps a filter from being narrower than its window can hold, ``sample_rate / taps`` Hz
    (:class:`~leaf_port.constraints.GaborConstraint`).

    Args:
        scale: ``"mel"``, ``"bark"``, ``"erb"``, ``"linear"`` or ``"constant"``.
        sample_rate: in Hz.
        min_freq: where the lowest triangle starts, in Hz.
        max_freq: where the highest triangle ends, in Hz.

    Raises:
        LeafError: another scale, an empty band, one beyond Nyquist, or one from 0 Hz whose
            geometric mean would be 0 Hz (``"constant"``).

    Example:
        >>> from leaf_port import Leaf
        >>> leaf = Leaf(n_filters=4, complex_conv_init=ScaleInit("linear", 16000, 0.0, 8000.0))
        >>> print(*(f"{hertz:.0f}" for hertz in leaf.center_frequencies()))
        1600 3200 4800 6400
        >>> print(*(f"{hertz:.0f}" for hertz in leaf.bandwidths()))
        2400 2400 2400 2400
    """

    def __init__(
        self,
        scale: str,
        sample_rate: float = 16000,
        min_freq: float = 60.0,
        max_freq: float = 7800.0,
    ) -> None:
        self.scale = check_scale("ScaleInit", scale)
        _checks.frequency_range("ScaleInit", min_freq, max_freq, sample_rate)
        if scale == CONSTANT and min_freq == 0:
            expected, fix = "above 0 Hz for constant filters", "raise min_freq"
            raise LeafError("ScaleInit", "min_freq", expected, min_freq, fix)
        self.sample_rate = sample_rate
        self.min_freq = min_freq
        self.max_freq = max_freq

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Parameters for ``(filters, 2)``, taps for ``(taps, 1, 2 filters)``."""
        if len(shape) == 2 and shape[1] == 2:
            return self._parameters(shape[0])[0].to(dtype)
        if len(shape) != 3 or shape[1] != 1 or shape[2] % 2:
            expected = "(filters, 2) or (taps, 1, 2 filters)"
            fix = "use it for a Gabor convolution, or for one of pairs of real and imaginary taps"
            raise LeafError("ScaleInit", "shape", expected, tuple(shape), fix)
        taps, _, channels = shape
        return self._taps(channels // 2, taps).to(dtype)

    def _parameters(self, filters: int) -> tuple[Tensor, Tensor]:
        """Centres (radians per sample) and deviations (samples), and the bases of triangles in Hz.

        ``(filters, 2)`` and ``(filters,)``, both float64.
        """
        if self.scale == CONSTANT:
            ratio = self.max_freq / self.min_freq
            base = np.full(filters, self.min_freq * ratio**0.4)
            center = np.full(filters, self.min_freq * math.sqrt(ratio))
            sigma = self.sample_rate / (2 * base)
        else:
            center, width, base = self._triangles(filters)
            sigma = _HALF * self.sample_rate / width
        radians = 2 * math.pi * center / self.sample_rate
        return torch.from_numpy(np.stack([radians, sigma], axis=1)), torch.from_numpy(base)

    def _triangles(self, filters: int) -> tuple[Float64, Float64, Float64]:
        """Centre, width of the square root at half, and base of each triangle, all in Hz."""
        there, back = _SCALES[self.scale]
        low, high = there(self.min_freq), there(self.max_freq)
        center, step = np.linspace(low, high, filters + 2)[1:-1], (high - low) / (filters + 1)
        width = back(center + 0.75 * step) - back(center - 0.75 * step)
        return back(center), width, back(center + step) - back(center - step)

    def _taps(self, filters: int, taps: int) -> Tensor:
        """Real and imaginary taps by turns, with the energy of the triangles: their area.

        The triangles peak at 1; their area in radians is ``pi base / sample_rate``
        (``melfilters.Gabor.gabor_filters``).
        """
        parameters, base = self._parameters(filters)
        area = math.pi * base / self.sample_rate
        gain = torch.sqrt(2 * math.sqrt(math.pi) * area * parameters[:, 1])
        pairs = impulse_responses.gabor_filters_real(parameters, taps) * gain[:, None, None]
        return pairs.permute(1, 0, 2).reshape(taps, 1, 2 * filters)


_registry.KINDS["ScaleInit"] = ScaleInit
