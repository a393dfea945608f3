"""What pictures share: images of features, axes in Hz. Everything is drawn on axes that are given.

Nothing of pyplot and no setting that others see is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leaf_port import utils

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]

COLOURS = "viridis"  # of even lightness steps, also to the colour-blind
_FLAT = 1e-4  # relative spread of values below which they are drawn as constant
_OCTAVES = 1000.0 * 2.0 ** np.arange(-4, 8)  # 62.5 Hz to 128 kHz
_APART = 0.075  # of the axis, between two ticks


def image(
    axes: Axes,
    values: Array,
    times: Float64,
    stride: float,
    frequencies: Float64,
    limits: tuple[float, float],
) -> AxesImage:
    """Frames as columns, each drawn around its middle; filters as rows, by rising frequency.

    Args:
        axes: to draw on.
        values: ``(frames, filters)``.
        times: middle of each frame in seconds, ``(frames,)``.
        stride: between two frames, in seconds.
        frequencies: of the filters in Hz, ``(filters,)``.
        limits: values of the first and the last colour.
    """
    drawn = axes.imshow(
        values[:, order_of(frequencies)].T,
        origin="lower",
        aspect="auto",
        cmap=COLOURS,
        clim=widened(*limits),
        extent=(times[0] - stride / 2, times[-1] + stride / 2, -0.5, len(frequencies) - 0.5),
    )
    axes.set_xlabel("Time (s)")
    axes.set_ylabel(f"Filter centre (Hz){sorting_note(frequencies)}")
    return drawn


def order_of(frequencies: Float64) -> npt.NDArray[np.intp]:
    """The filters by rising frequency."""
    return np.argsort(frequencies, kind="stable")


def sorting_note(frequencies: Float64) -> str:
    """Says so where training changed the order of the filters."""
    return "" if bool((np.diff(frequencies) >= 0).all()) else ", filters sorted"


def widened(low: float, high: float, least: float = _FLAT) -> tuple[float, float]:
    """``low`` and ``high``; wider where they differ by rounding only, as in silence."""
    if high - low < least * max(1.0, abs(low), abs(high)):
        return low - 0.5, high + 0.5
    return low, high


def row_ticks(axes: Axes, frequencies: Float64) -> None:
    """Round frequencies on the y axis of an :func:`image`, between rows."""
    centers = np.sort(frequencies)
    if centers[0] == centers[-1]:
        axes.set_yticks([(len(centers) - 1) / 2], labels=[f"{centers[0]:.0f}"])
        return

    def row(hertz: Array) -> Array:
        return np.interp(hertz, centers, np.arange(len(centers)))

    ticks = round_frequencies(float(centers[0]), float(centers[-1]), row)
    axes.set_yticks(row(ticks), labels=[f"{tick:g}" for tick in ticks])


def frequency_axis(axes: Axes, name: str, nyquist: float) -> None:
    """Makes the x or y axis one from 0 Hz to Nyquist, even in mel."""
    setters: dict[str, tuple[Any, Any, Any]] = {
        "x": (axes.set_xlim, axes.set_xscale, axes.set_xticks),
        "y": (axes.set_ylim, axes.set_yscale, axes.set_yticks),
    }
    set_limits, set_scale, set_ticks = setters[name]
    set_limits(0.0, nyquist)
    set_scale("function", functions=(_to_mel, _to_hertz))
    ticks = round_frequencies(0.0, nyquist, _to_mel)
    set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])


def _to_mel(hertz: Array) -> Array:
    """Odd, so that a margin left of 0 Hz has a place."""
    return np.sign(hertz) * utils.hz2mel(np.abs(hertz))


def _to_hertz(mel: Array) -> Array:
    return np.sign(mel) * utils.mel2hz(np.abs(mel))


def legend_above(axes: Axes) -> None:
    """A legend in one line above the axes, where it covers nothing."""
    style: dict[str, Any] = {"frameon": False, "borderpad": 0.1, "borderaxespad": 0.1}
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, **style)


def round_frequencies(low: float, high: float, place: Callable[[Array], Array]) -> Float64:
    """Octaves of 1000 Hz, and 0, from ``low`` to ``high``; other round numbers in a narrow band.

    Args:
        low: in Hz.
        high: in Hz.
        place: where on the axis a frequency is; ticks that are too near to the next one are left
            out.
    """
    candidates = np.concatenate([[0.0], _OCTAVES])
    ticks = _kept(candidates, low, high, place)
    if len(ticks) >= 3:
        return ticks
    from matplotlib.ticker import MaxNLocator

    finer = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return _kept(np.asarray(finer, np.float64), low, high, place)


def _kept(candidates: Float64, low: float, high: float, place: Callable[[Array], Array]) -> Float64:
    """Those within the axis that are far enough from the next one; higher ones stay."""
    inside = candidates[(candidates >= low) & (candidates <= high)]
    first, last = place(np.array([low, high]))
    kept: list[float] = []
    for tick in inside[::-1]:
        if not kept or place(np.array(kept[-1])) - place(tick) >= _APART * (last - first):
            kept.append(float(tick))
    if inside.size and inside[0] == 0.0 and kept[-1] != 0.0:  # the axis starts at a number
        kept[-1] = 0.0
    return np.array(kept[::-1])
