"""What ``ScaleInit`` lays out, which is not official, against the published formulas.

Written apart from ``leaf_port/scales.py``: a scale is inverted by bisection, not by a formula, and
filters are evaluated tap by tap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from leaf_port import TimeDomainFilterbanks, scales
from leaf_port.initializers import Initializer
from leaf_port.scales import ScaleInit

Float64 = npt.NDArray[np.float64]

BANDS = ((16000.0, 60.0, 7800.0, 7), (8000.0, 0.0, 4000.0, 3), (44100.0, 100.0, 20000.0, 40))
"""Sample rate, least and greatest frequency in Hz, and number of filters. They reach below 2 Bark
and above 20.1, where the formula is another one."""

ALLOWED = 2.0**-36
"""A value comes of some 50 operations, each off by 2^-53, and a width is a difference of numbers
up to 2^8 times as great: 2^-53 50 2^8 is 2^-39."""


def _bark(hertz: float) -> float:
    """Traunmueller 1990."""
    plain = 26.81 / (1.0 + 1960.0 / hertz) - 0.53 if hertz else -0.53
    if plain < 2.0:
        return plain + 0.15 * (2.0 - plain)
    return plain + 0.22 * (plain - 20.1) if plain > 20.1 else plain


def _erb(hertz: float) -> float:
    """Glasberg and Moore 1990."""
    return 21.4 * math.log1p(4.37e-3 * hertz) / math.log(10.0)


def _mel(hertz: float) -> float:
    """Of ``tf.signal``."""
    return 1127.0 * math.log1p(hertz / 700.0)


_SCALES: dict[str, Callable[[float], float]] = {
    "mel": _mel,
    "bark": _bark,
    "erb": _erb,
    "linear": lambda hertz: hertz,
}


def _hertz(scale: Callable[[float], float], wanted: float) -> float:
    """Where a growing scale has a value."""
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if scale(middle) < wanted else (low, middle)
    return 0.5 * (low + high)


def _expected(name: str, rate: float, low: float, high: float, count: int) -> Float64:
    """Of each filter centre, deviation and area of the triangle in radians: ``(count, 3)``."""
    if name == scales.CONSTANT:
        base = low ** (3 / 5) * high ** (2 / 5)
        row = [2 * math.pi * math.sqrt(low * high) / rate, rate / base / 2, math.pi * base / rate]
        return np.array([row] * count)
    scale, rows = _SCALES[name], []
    step = (scale(high) - scale(low)) / (count + 1)
    for number in range(1, count + 1):
        at = scale(low) + number * step
        edges = [_hertz(scale, at + part * step) for part in (-1.0, -0.75, 0.0, 0.75, 1.0)]
        width = math.pi * (edges[3] - edges[1]) / rate
        sigma = math.sqrt(2 * math.log(2)) / width
        rows.append([2 * math.pi * edges[2] / rate, sigma, math.pi * (edges[4] - edges[0]) / rate])
    return np.array(rows)


def _taps(expected: Float64, taps: int) -> Float64:
    """Real and imaginary taps by turns: ``(taps, 1, 2 count)``; a filter's energy is its area."""
    t = np.arange(-(taps // 2), (taps + 1) // 2)[:, None]
    center, sigma, area = expected.T
    height = np.sqrt(2 * math.sqrt(math.pi) * area * sigma) / (math.sqrt(2 * math.pi) * sigma)
    filters = height * np.exp(-0.5 * (t / sigma) ** 2) * np.exp(1j * center * t)
    return np.stack([filters.real, filters.imag], axis=-1).reshape(taps, 1, -1)


def _off(got: torch.Tensor, expected: Float64) -> float:
    """The greatest difference, as part of the greatest value of a column."""
    apart = np.abs(got.numpy() - expected).max(axis=0) / np.abs(expected).max(axis=0)
    return float(apart.max())


def laid_out() -> str:
    """Every scale in some bands, as parameters and as taps: the first problem."""
    for name in (*_SCALES, scales.CONSTANT):
        for rate, low, high, count in BANDS:
            if name != scales.CONSTANT or low:
                expected = _expected(name, rate, low, high, count)
                made = ScaleInit(name, rate, low, high)
                for problem in _problems(made, expected):
                    return f"{name} from {low:g} to {high:g} Hz at {rate:g} Hz: {problem}"
    return ""


def published() -> str:
    """The scales by themselves, at frequencies within and beyond the bounds of Bark."""
    for hertz in (0.0, 50.0, 1000.0, 8000.0, 20000.0):
        for found, expected in (
            (scales.hz2bark(hertz), _bark(hertz)),
            (scales.hz2erb(hertz), _erb(hertz)),
        ):
            if abs(found - expected) > ALLOWED * max(abs(expected), 1.0):
                return f"{found:.12g} at {hertz:g} Hz, not {expected:.12g}"
    return ""


def _problems(made: Initializer, expected: Float64) -> Iterator[str]:
    count = len(expected)
    for column, what in enumerate(("centres", "deviations")):
        got = made((count, 2), torch.float64)[:, column : column + 1]
        if (off := _off(got, expected[:, column : column + 1])) > ALLOWED:
            yield f"{what} are {off:.3g} off"
    for taps in (25, 26):
        shape = (taps, 1, 2 * count)
        # As parts of the whole: taps of a sine at 0 Hz or pi are zero but for rounding.
        whole = _taps(expected, taps).ravel()[:, None]
        if (off := _off(made(shape, torch.float64).reshape(-1, 1), whole)) > ALLOWED:
            yield f"{taps} taps are {off:.3g} off"


def of_filterbanks() -> str:
    """``TimeDomainFilterbanks`` passes its scale, rate and band on."""
    made = TimeDomainFilterbanks(
        n_filters=5, sample_rate=12000, min_freq=200.0, max_freq=3000.0, scale="erb"
    )
    kernel = next(each for each in made.parameters() if each.ndim == 3)
    expected = ScaleInit("erb", 12000, 200.0, 3000.0)(tuple(kernel.shape), torch.float32)
    return "" if torch.equal(kernel.detach(), expected) else "other filters than ScaleInit's"
