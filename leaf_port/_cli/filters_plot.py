"""The picture of a frontend's filters: responses, their sum, centres, and PCEN if there is one."""

from __future__ import annotations

from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from leaf_port import plot
from leaf_port._cli.filter_models import Model
from leaf_port._cli.text import printable, shortened

_WIDTH, _ROW, _PCEN = 10.0, 3.1, 2.4  # inches
_DPI = 110
_TITLE_FONT = 12  # points
_TITLE_LENGTH = 40


def draw(model: Model, before: Model | None) -> Figure:
    """All panels; what was before is grey."""
    now = model.frontend
    then = None if before is None else before.frontend
    heights = [_ROW, _ROW, *([_PCEN] if plot.has_pcen(now) else [])]
    size = _WIDTH, sum(heights)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    rows: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    plot.frequency_responses(now, then, ax=rows[0].subplots())
    centers, cumulative = rows[1].subplots(1, 2)
    plot.center_frequencies(now, then, ax=centers)
    plot.cumulative_response(now, then, ax=cumulative)
    if len(rows) == 3:
        _draw_pcen(rows[2], model, before)
    title = figure.suptitle(_title(model, before), fontsize=_TITLE_FONT)
    title.set_parse_math(False)  # a folder's name may hold dollar signs
    return figure


def _draw_pcen(row: SubFigure, model: Model, before: Model | None) -> None:
    """The parameters, with those from before where that frontend had PCEN too."""
    had = before is not None and plot.has_pcen(before.frontend)
    then = before.frontend if before is not None and had else None
    plot.pcen(model.frontend, then, axes=list(row.subplots(1, 4)))


def _title(model: Model, before: Model | None) -> str:
    told = f"{model.title} at {model.rate} Hz"
    named = f"{_short(model.label)}  \N{MIDDLE DOT}  {told}"
    told = named if model.is_folder else f"{told}, initial weights"
    return told if before is None else f"{told}, before: {_short(before.label)}"


def _short(label: str) -> str:
    return shortened(printable(label), _TITLE_LENGTH)
