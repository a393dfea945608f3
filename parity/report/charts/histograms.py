"""How far the elements of port and official answers are from the exact ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from parity.checks import histogram
from parity.checks.compare import PORT, REFERENCE
from parity.report.charts import svg
from parity.report.columns import OFFICIAL, Column, of_difference
from parity.report.rows import Row

Counts = tuple[int, ...]
_ANY = "port"  # whichever run of it
_TICKS = (-3, -2, -1, 0, 1, 2, 3)


def series(rows: Sequence[Row], gradient: bool) -> dict[Column, Counts]:
    """The histogram of each run of the port and of the official answers, over all their arrays."""
    found: dict[Column, list[Counts]] = {}
    for row in rows:
        for result in row.results:
            for each in result.differences:
                if each.check in (PORT, REFERENCE) and each.is_gradient == gradient:
                    column = of_difference(result, each)
                    found.setdefault(column, []).append(each.histogram)
    return {column: histogram.total(counts) for column, counts in found.items()}


def merged(rows: Sequence[Row], gradient: bool) -> dict[Column, Counts]:
    """The same with one run of the port for each layer: the first of its arithmetics."""
    port: list[Counts] = []
    official: list[Counts] = []
    for row in rows:
        mine = series([row], gradient)
        official += [counts for column, counts in mine.items() if column.backend == OFFICIAL]
        port += [counts for column, counts in mine.items() if column.backend != OFFICIAL][:1]
    both = {Column(_ANY): port, Column(OFFICIAL): official}
    return {column: histogram.total(counts) for column, counts in both.items() if counts}


def label(column: Column) -> str:
    """What a histogram is called."""
    if column.backend in (OFFICIAL, _ANY):
        return column.backend
    return f"port, {column.text}"


def _bars(axes: Axes, counts: Counts, colour: str, label: str, filled: bool) -> None:
    """Shares of the elements; what is below the first edge and above the last stands beside it."""
    step = 1.0 / histogram.PER_DECADE
    bounds = np.arange(histogram.LOWEST, histogram.HIGHEST + step / 2, step)
    bounds = np.concatenate([[bounds[0] - 2 * step], bounds, [bounds[-1] + 2 * step]])
    shares = 100.0 * np.array(counts) / max(sum(counts), 1)
    steps = axes.stairs(shares, bounds, color=colour, label=label, fill=filled)
    steps.set_linewidth(0.0 if filled else 1.4)
    steps.set_alpha(0.45 if filled else 1.0)


def _draw(axes: Axes, found: dict[Column, Counts], title: str) -> None:
    others = itertools.cycle(svg.OTHERS)
    for index, (column, counts) in enumerate(found.items()):
        colour = svg.PORT if index == 0 else next(others)
        colour = svg.OFFICIAL if column.backend == OFFICIAL else colour
        _bars(axes, counts, colour, label(column), filled=index == 0)
    axes.set_title(title, loc="left")
    axes.set_xlim(histogram.LOWEST - 0.45, histogram.HIGHEST + 0.45)
    axes.set_xticks(_TICKS, [_power(tick) for tick in _TICKS])
    axes.set_ylabel("% of elements")


def _power(tick: int) -> str:
    return {-3: "≤0.001", 3: "≥1000"}.get(tick, f"{10.0**tick:g}")


def draw(rows: Sequence[Row], name: str, one_run: bool = False) -> Markup:
    """Forward above gradient, port and official over each other.

    Args:
        rows: the layers.
        name: of the drawing.
        one_run: whether one run of the port stands for each layer.
    """
    find = merged if one_run else series
    kinds = {"outputs": find(rows, False), "gradients": find(rows, True)}
    shown = {kind: found for kind, found in kinds.items() if any(map(sum, found.values()))}
    with svg.style():
        figure = svg.figure(0.6 + 1.65 * max(len(shown), 1))
        axes = figure.subplots(max(len(shown), 1), 1, sharex=True, squeeze=False)[:, 0]
        for each, (kind, found) in zip(axes, shown.items(), strict=False):
            elements = max(map(sum, found.values()))
            _draw(each, found, f"{kind}: {elements:,} elements")
        axes[-1].set_xlabel("distance from float64, in units of rounding")
        handles, labels = axes[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 2))
        return svg.to_svg(figure, name, f"Histograms of the distances from float64: {name}")


def medians(found: dict[Column, Counts]) -> dict[str, float]:
    """Within how many units half of the elements are, by column; without those that have none."""
    halves = {label(column): histogram.median(counts) for column, counts in found.items()}
    return {text: half for text, half in halves.items() if not math.isnan(half)}
