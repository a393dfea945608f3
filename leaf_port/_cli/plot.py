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

from leaf_port._cli.audio import Float32
from leaf_port._cli.extraction import Features
from leaf_port._cli.frontends import QUANTITIES, TITLES, Float64, Name
from leaf_port._cli.text import printable, shortened

_SIZE = (9.0, 5.6)  # inches
_DPI = 150
_FONT, _TITLE_FONT = 11, 12  # points
_COLOURS = "viridis"  # of even lightness steps, also to the colour-blind
_LINE = "#33415c"
_TICKS = 9
_COLUMNS = 3000  # of the waveform: more than there are pixels
_TITLE_LENGTH = 48
_FLAT = 1e-4  # relative spread of features below which they are drawn as constant


def draw(features: Features) -> Figure:
    """The picture of a clip's features.

    The rows are the filters by rising centre frequency (training may change their order: the axis
    says so where it did); the columns are the frames, each drawn around its middle.
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


def write_picture(figure: Figure, stream: BinaryIO) -> None:
    """Writes ``figure`` as PNG."""
    with warnings.catch_warnings():
        # A file name in letters that the font lacks is drawn with boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(stream, format="png")


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
    order = np.argsort(features.frequencies, kind="stable")
    n_filters = len(order)
    left, right = _time_span(features)
    image = axes.imshow(
        features.values[:, order].T,
        origin="lower",
        aspect="auto",
        cmap=_COLOURS,
        clim=_colour_range(features.values),
        extent=(left, right, -0.5, n_filters - 0.5),
    )
    axes.set_xlim(min(0.0, left), max(features.seconds, right))
    axes.set_xlabel("Time (s)", fontsize=_FONT)
    rows = np.unique(np.linspace(0, n_filters - 1, min(n_filters, _TICKS)).round().astype(int))
    labels = [f"{features.frequencies[order[row]]:.0f}" for row in rows]
    axes.set_yticks(rows, labels=labels)
    is_sorted = bool((order == np.arange(n_filters)).all())
    note = "" if is_sorted else ", filters sorted"
    axes.set_ylabel(f"Filter centre (Hz){note}", fontsize=_FONT)
    bar = figure.colorbar(image, ax=axes, pad=0.015, aspect=28)
    quantity = features.quantity or QUANTITIES[features.settings.name]
    bar.set_label(quantity, fontsize=_FONT)
    bar.ax.tick_params(labelsize=_FONT - 1)


def _colour_range(values: Float32) -> tuple[float, float]:
    """Least and greatest value; wider where they differ by rounding only, as in silence."""
    least, greatest = float(values.min()), float(values.max())
    if greatest - least < _FLAT * max(1.0, abs(least), abs(greatest)):
        return least - 0.5, greatest + 0.5
    return least, greatest


def _time_span(features: Features) -> tuple[float, float]:
    """Where the first frame begins and the last one ends, half a stride around their middles."""
    _, stride = features.settings.window(features.sample_rate)
    half = stride / 2 / features.sample_rate
    return float(features.times[0] - half), float(features.times[-1] + half)
