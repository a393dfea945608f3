"""The filters of the frontends as they are initially: those that the port convolves with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from markupsafe import Markup
from matplotlib.axes import Axes

from leaf_port import GaborConv1d, Leaf, MelFilterbanks, SincConv1d, SincNet, TimeDomainFilterbanks
from parity.report.charts import svg
from parity.spec import Array

RATE = 16000
_POINTS = 4096  # of a Fourier transform
_TICKS = (100, 300, 700, 1500, 3000, 7000)  # Hz
_FLOOR = -60.0  # dB
_SHOWN = (4, 16, 34)  # filters whose taps are drawn: a low one, a middle one, a high one


def _mel(hertz: Array) -> Array:
    return np.asarray(1127.0 * np.log1p(np.maximum(hertz, 0.0) / 700.0))


def _hertz(mel: Array) -> Array:
    return np.asarray(700.0 * np.expm1(mel / 1127.0))


def gabor_taps() -> Array:
    """``(filters, taps)``, complex."""
    layer = Leaf().complex_conv
    assert isinstance(layer, GaborConv1d)  # noqa: S101
    with torch.no_grad():
        taps = layer.impulse_responses().numpy()
    return np.asarray(taps[..., 0] + 1j * taps[..., 1])


def sinc_taps() -> Array:
    """``(filters, taps)``."""
    layer = SincNet().complex_conv
    assert isinstance(layer, SincConv1d)  # noqa: S101
    with torch.no_grad():
        return np.asarray(layer.impulse_responses().numpy().T)


def decibels(taps: Array) -> tuple[Array, Array]:
    """Frequencies in Hz and the response of each filter in dB, its own maximum at 0."""
    spectra = np.abs(np.fft.fft(taps, _POINTS, axis=1))[:, : _POINTS // 2]
    frequencies = np.arange(_POINTS // 2) * RATE / _POINTS
    return frequencies, 20.0 * np.log10(spectra / spectra.max(axis=1, keepdims=True) + 1e-12)


def _frequency_axis(axes: Axes, level: str) -> None:
    axes.set_xscale("function", functions=(_mel, _hertz))
    axes.set_xlim(0, RATE / 2)
    axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.set_xlabel("Hz, mel scale")
    axes.set_ylabel(level)


def _draw_responses(axes: Axes, taps: Array) -> None:
    frequencies, levels = decibels(taps)
    for index, level in enumerate(levels):
        seen = level > _FLOOR - 3.0
        shown = np.where(seen, level, np.nan)[::2]
        colour = svg.PORT if index % 2 else svg.OFFICIAL
        axes.plot(frequencies[::2], shown, color=colour, linewidth=0.9)
    axes.set_ylim(_FLOOR, 3.0)
    _frequency_axis(axes, "dB, each to its maximum")


def _responses(taps: Callable[[], Array], name: str, label: str) -> Markup:
    with svg.style():
        figure = svg.figure(2.6)
        _draw_responses(figure.subplots(), taps())
        return svg.to_svg(figure, name, label)


def mel_triangles() -> Markup:
    """The mel matrix."""
    layer = MelFilterbanks()
    matrix = layer.get_buffer("mel_filters").numpy()
    frequencies = np.linspace(0.0, RATE / 2, len(matrix))
    with svg.style():
        figure = svg.figure(2.6)
        axes = figure.subplots()
        for index, weights in enumerate(matrix.T):
            colour = svg.PORT if index % 2 else svg.OFFICIAL
            axes.plot(frequencies, np.where(weights > 0, weights, np.nan), color=colour, lw=0.9)
        axes.set_ylim(0.0, 1.05)
        _frequency_axis(axes, "weight")
        return svg.to_svg(figure, "mel", "The triangles of the mel filterbanks")


def impulse_responses() -> Markup:
    """Real and imaginary part of a few Gabor filters."""
    taps = gabor_taps()
    milliseconds = 1000.0 * (np.arange(taps.shape[1]) - taps.shape[1] // 2) / RATE
    with svg.style():
        figure = svg.figure(3.4)
        every = figure.subplots(len(_SHOWN), 1, sharex=True)
        for axes, index in zip(every, _SHOWN, strict=True):
            axes.plot(milliseconds, taps[index].real, color=svg.PORT, lw=0.9, label="real")
            axes.plot(milliseconds, taps[index].imag, color=svg.OFFICIAL, lw=0.9, label="imaginary")
            axes.set_title(f"filter {index + 1}", loc="left")
            axes.set_yticks([0.0], ["0"])
        every[0].legend(loc="upper right", ncols=2, bbox_to_anchor=(1.0, 1.4))
        every[-1].set_xlabel("ms")
        return svg.to_svg(figure, "taps", "Impulse responses of three Gabor filters")


def pooling_windows() -> Markup:
    """The windows of the poolings, each to its sum."""
    with torch.no_grad():
        impulse = torch.zeros(1, 2001, 40)
        impulse[0, 1000] = 1.0
        windows = {
            "Leaf, SincNet+: Gaussian": Leaf(window_stride=0.0625).pooling(impulse)[0, :, 0],
            "TimeDomainFilterbanks: squared Hann": TimeDomainFilterbanks(
                window_stride=0.0625
            ).pooling(impulse)[0, :, 0],
        }
    with svg.style():
        figure = svg.figure(2.6)
        axes = figure.subplots()
        for (label, window), colour in zip(windows.items(), (svg.PORT, svg.OFFICIAL), strict=True):
            values = window.numpy() / float(window.sum())
            times = 1000.0 * (np.arange(len(values)) - (len(values) - 1) / 2) / RATE
            near = np.abs(times) < 14.0
            axes.plot(times[near], values[near], color=colour, label=label)
        axes.set_xlabel("ms")
        axes.set_ylabel("weight, the sum is 1")
        figure.legend(loc="outside upper left")
        return svg.to_svg(figure, "pooling", "The windows of the poolings")


def draw() -> Sequence[tuple[str, Markup]]:
    """Titles and drawings."""
    gabor = functools.partial(_responses, gabor_taps, "gabor", "Responses of the Gabor filters")
    sinc = functools.partial(_responses, sinc_taps, "sinc", "Responses of the sinc filters")
    return [
        ("Leaf: frequency responses of the 40 Gabor filters", gabor()),
        ("Leaf: impulse responses of three of them", impulse_responses()),
        ("Windows of the poolings", pooling_windows()),
        ("SincNet, SincNet+: frequency responses of the 40 sinc filters", sinc()),
        ("MelFilterbanks: the 40 triangles", mel_triangles()),
    ]
