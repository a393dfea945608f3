"""The picture: waveform above features, on one time axis.

Drawn with matplotlib's objects on an Agg canvas: no window, and no state shared with the caller's
pyplot.
"""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from leaf_port import _drawing
from leaf_port._cli.audio import Float32
from leaf_port._cli.extraction import Features
from leaf_port._cli.frontends import TITLES, Float64, Name
from leaf_port._cli.text import printable, shortened

_SIZE = (9.0, 5.6)  # inches
_DPI = 150
_FONT, _TITLE_FONT = 11, 12  # points
_LINE = "#33415c"
_COLUMNS = 3000  # of the waveform: more than there are pixels
_TITLE_LENGTH = 48


def draw(features: Features) -> Figure:
    """The picture of a clip's features.

    The rows are the filters by rising centre frequency (training may change their order: the axis
    says so where it did), with ticks at round frequencies; the columns are the frames, each drawn
    around its middle.
    """
    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    waveform, image = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    _draw_waveform(waveform, features)
    _draw_features(figure, image, features)
    for axes in (waveform, image):
        axes.tick_params(labelsize=_FONT - 1)
    waveform.tick_params(labelbottom=False)
    title = figure.suptitle(_title(features), fontsize=_TITLE_FONT)
    title.set_parse_math(False)  # a file name may hold dollar signs
    return figure


def write_picture(figure: Figure, stream: BinaryIO, kind: str = "png") -> None:
    """Writes ``figure`` as PNG, SVG or PDF."""
    with warnings.catch_warnings():
        # A file name in letters that the font lacks is drawn with boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format=kind)


def _title(features: Features) -> str:
    name = shortened(printable(features.clip.path.name), _TITLE_LENGTH)
    frontend = f"{TITLES[features.settings.name]} at {features.sample_rate} Hz"
    return f"{name}  \N{MIDDLE DOT}  {frontend}{_weights_note(features)}"


def _weights_note(features: Features) -> str:
    if features.weights is not None:
        return f", {shortened(printable(features.weights.name), _TITLE_LENGTH // 2)}"
    return "" if features.settings.name is Name.MEL else ", initial weights"


def _draw_waveform(axes: Axes, features: Features) -> None:
    times, values = _envelope(features.clip.samples, features.sample_rate)
    marker = "." if len(values) < 2 else ""
    axes.plot(times, values, color=_LINE, linewidth=0.8, marker=marker)
    limit = 1.05 * features.clip.peak or 1.0
    axes.set_ylim(-limit, limit)
    axes.set_ylabel("Amplitude", fontsize=_FONT)
    axes.grid(axis="x", alpha=0.3)


def _envelope(samples: Float32, sample_rate: int) -> tuple[Float64, Float32]:
    """Times and values of a line that looks like the waveform.

    Of a long clip the least and greatest sample of each of at most :data:`_COLUMNS` stretches.
    """
    step = -(-len(samples) // _COLUMNS)
    if step < 2:
        return np.arange(len(samples)) / sample_rate, samples
    stretches = np.pad(samples, (0, -len(samples) % step), mode="edge").reshape(-1, step)
    values = np.stack([stretches.min(axis=1), stretches.max(axis=1)], axis=1).reshape(-1)
    times = (np.arange(len(values)) / 2 + 0.25) * step / sample_rate
    return times, values


def _draw_features(figure: Figure, axes: Axes, features: Features) -> None:
    _, stride = features.settings.window(features.sample_rate)
    seconds, frequencies = stride / features.sample_rate, features.frequencies
    limits = float(features.values.min()), float(features.values.max())
    image = _drawing.image(axes, features.values, features.times, seconds, frequencies, limits)
    left, right, _, _ = image.get_extent()
    axes.set_xlim(min(0.0, left), max(features.seconds, right))
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(_FONT)
    _drawing.row_ticks(axes, frequencies)
    bar = figure.colorbar(image, ax=axes, pad=0.015, aspect=28)
    bar.set_label(features.quantity, fontsize=_FONT)
    bar.ax.tick_params(labelsize=_FONT - 1)
