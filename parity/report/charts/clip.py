"""A clip: its waveform, and what both sides make of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from parity.report.charts import svg
from parity.report.clip import Clip, ClipAnswer
from parity.spec import Array

_COLUMNS = 600  # of the waveform: about as many as there are pixels


def _envelope(samples: Array) -> tuple[Array, Array]:
    """Least and greatest sample of each of at most :data:`_COLUMNS` stretches."""
    step = max(1, -(-len(samples) // _COLUMNS))
    stretches = np.pad(samples, (0, -len(samples) % step), mode="edge").reshape(-1, step)
    return stretches.min(axis=1), stretches.max(axis=1)


def waveform(clip: Clip) -> Markup:
    """The samples over time."""
    least, greatest = _envelope(clip.waveform)
    times = np.linspace(0.0, len(clip.waveform) / clip.rate, len(least))
    with svg.style():
        figure = svg.figure(1.3)
        axes = figure.subplots()
        axes.fill_between(times, least, greatest, color=svg.PORT, linewidth=0.3)
        axes.set_xlim(0.0, float(times[-1]))
        axes.set_xlabel("s")
        axes.set_ylabel("amplitude")
        return svg.to_svg(figure, "waveform", f"Waveform of the clip: {clip.name}")


def _image(
    figure: Figure, axes: Axes, values: Array, limits: tuple[float, float], colours: str
) -> None:
    image = axes.imshow(
        values.T,
        origin="lower",
        aspect="auto",
        interpolation="none",
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
    )
    axes.set_xlabel("frame")
    axes.set_ylabel("filter")
    figure.colorbar(image, ax=axes, pad=0.02, aspect=18)


def _panel(
    values: Array, limits: tuple[float, float], colours: str, name: str, label: str
) -> Markup:
    with svg.style():
        figure = svg.figure(2.3)
        _image(figure, figure.subplots(), values, limits, colours)
        return svg.to_svg(figure, name, label)


def panels(answer: ClipAnswer) -> Sequence[tuple[str, Markup]]:
    """Official, port and their difference, with the first two on one scale."""
    both = np.concatenate([answer.official.ravel(), answer.port.ravel()])
    limits = float(both.min()), float(both.max())
    greatest = max(answer.worst_units, 1e-3)
    name = answer.frontend
    sides = {"official": answer.official, "port": answer.port}
    drawn = [
        (side, _panel(values, limits, svg.SEQUENTIAL, f"{name}-{side}", f"{name}: {side}"))
        for side, values in sides.items()
    ]
    label = f"{name}: difference of port and official, in units of rounding"
    apart = _panel(answer.apart, (-greatest, greatest), svg.DIVERGING, f"{name}-apart", label)
    return [*drawn, ("port − official, in units of rounding", apart)]
