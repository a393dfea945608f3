"""Where filters are and how wide, written apart from ``leaf_port/_bands.py``."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from leaf_port import Conv1d, GaborConv1d, SincConv1d
from leaf_port._bands import of_layer
from parity.spec.invariant import unlike

_RATE = 16000.0
_ROUNDED = 2.0**-24
"""A bound of a parameter, such as pi, is rounded to float32 once; all else is in float64."""


@torch.no_grad()
def of_gabor_filters() -> str:
    """From their parameters, which are bounded first, and sorted if the layer sorts."""
    with torch.enable_grad():
        if any(each.requires_grad for each in of_layer(GaborConv1d(6, 401), _RATE)):
            return "they have a gradient"
    given = torch.tensor([[2.0, 30.0], [0.5, 10.0], [4.0, 20.0]])
    bounded = torch.tensor([[2.0, 30.0], [0.5, 10.0], [math.pi, 20.0]], dtype=torch.float64)
    for sort in (False, True):
        conv = GaborConv1d(6, 401, sort_filters=sort)
        conv.kernel.copy_(given)
        centre, sigma = bounded[[1, 0, 2] if sort else [0, 1, 2]].unbind(1)
        hertz = centre / (2 * math.pi) * _RATE
        width = math.sqrt(2 * math.log(2)) / (math.pi * sigma) * _RATE
        for problem in _problems(conv, (hertz, width), _ROUNDED):
            return f"sort_filters={sort}: {problem}"
    return ""


@torch.no_grad()
def of_tied_filters() -> str:
    """Filters of one centre keep their order when sorted: torch's own sort exchanges 17 or more."""
    conv = GaborConv1d(80, 401, sort_filters=True)
    sigma = torch.linspace(10.0, 49.0, 40)
    conv.kernel.copy_(torch.stack([torch.full((40,), 0.5), sigma], dim=1))
    hertz = torch.full((40,), 0.5 / (2 * math.pi) * _RATE, dtype=torch.float64)
    width = math.sqrt(2 * math.log(2)) / (math.pi * sigma.double()) * _RATE
    return next(_problems(conv, (hertz, width), _ROUNDED), "")


@torch.no_grad()
def of_sinc_filters() -> str:
    """Halfway between their edges, and what lies between."""
    conv = SincConv1d(6, 401)
    low, high = (edge.double() for edge in conv.edges())
    for found, expected in zip(of_layer(conv, _RATE), ((low + high) / 2, high - low), strict=True):
        if problem := unlike(found.numpy(), expected.numpy()):
            return f"bands of {low} to {high}: {problem}"
    return ""


@torch.no_grad()
def of_free_filters() -> str:
    """By the response at each frequency of the grid: at its maximum, and as far as it is half.

    The grid has 16 bins or more for each tap, and their number is a power of 2: as many as that
    for 256 taps. The last filter falls to exactly half at half of the rate.
    """
    for taps, bins in ((256, 4096), (401, 8192)):
        time = np.arange(taps)
        tones = [gain * np.exp(2j * np.pi * hz / _RATE * time) for hz, gain in _TONES]
        pair = np.zeros(taps, complex)
        pair[:2] = 1.0, 3.0
        filters = np.stack([*tones, pair]).astype(np.complex64)
        conv = Conv1d(2 * len(filters), taps, use_bias=False)
        kernel = torch.from_numpy(filters).view(torch.float32).view(len(filters), taps, 2)
        conv.kernel.copy_(kernel.transpose(0, 1).reshape(conv.kernel.shape))
        with torch.device("meta"):  # it computes where the filters are
            made = of_layer(conv, _RATE)
            found = [each.tolist() for each in made]
        if any(each.dtype != torch.float64 for each in made):
            return f"{[each.dtype for each in made]}"
        expected = [_band(each, bins) for each in filters]
        if [*zip(*found, strict=True)] != expected:
            return f"{taps} taps: {found}, not {expected}"
    return ""


_TONES = ((1000.0, 1.0), (3000.0, 0.25))
"""Hertz and gain."""


def _band(taps: npt.NDArray[np.complex64], bins: int) -> tuple[float, float]:
    """Centre and width in Hz of a pair of filters, by the sums of its two transforms."""
    pair = np.stack([taps.real, taps.imag]).astype(np.float64)
    power = (abs(np.fft.rfft(pair, bins)) ** 2).sum(0)
    peak = int(power.argmax())
    # Rounding is far below what two bins differ by, but for the tie, which has to be one here too.
    half = power >= power[peak] / 4 * (1 - 1e-12)
    first = last = peak
    while first > 0 and half[first - 1]:
        first -= 1
    while last < bins // 2 and half[last + 1]:
        last += 1
    return peak / bins * _RATE, (last - first + 1) / bins * _RATE


def _problems(conv: torch.nn.Module, expected: tuple[Tensor, Tensor], rtol: float) -> Iterator[str]:
    for found, wanted in zip(of_layer(conv, _RATE), expected, strict=True):
        if not torch.allclose(found, wanted, rtol=rtol, atol=0.0):
            yield f"{found.tolist()}, not {wanted.tolist()}"
