"""What the study found, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaf_port import _publish
from parity.commands.study import centers as where
from parity.commands.study import keywords, report
from parity.commands.study.cells import EXACT, FROZEN, INITIAL, KEYWORDS, VARIANTS

Result = Mapping[str, Any]


def draw(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draws accuracies and filters of each data set; the files."""
    written = []
    for data, of in report.by_data(report.trained(results)).items():
        written.append(_save(_accuracies(of, data), folder / f"accuracy-{data}.png"))
        moved = [each for each in of if "parameters" in each["best"]]
        if moved:
            written.append(_save(_filters(moved, data), folder / f"filters-{data}.png"))
    return written


def _figure(rows: int, width: float, height: float) -> tuple[Any, Any]:
    """A picture with a column for each initial scale; its axes by row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, len(INITIAL), squeeze=False, sharey="row")


def _save(figure: Any, path: Path) -> Path:
    with _publish.new_file(path) as made:
        figure.savefig(made, format="png", dpi=120)
    return path


def _accuracies(results: Sequence[Result], data: str) -> Any:
    """A point a seed, beside each other by variant, for each initial scale."""
    figure, (axes,) = _figure(1, 11.0, 3.4)
    names = [name for name in VARIANTS if any(each["variant"] == name for each in results)]
    for axis, initial in zip(axes, INITIAL, strict=True):
        for i, variant in enumerate(names):
            found = [
                100.0 * each["best"]["test"]["accuracy"]
                for each in results
                if each["variant"] == variant and each["initial"] == initial
            ]
            if found:
                axis.plot([i] * len(found), found, "o", color=f"C{i}", alpha=0.7)
                axis.plot([i - 0.3, i + 0.3], [np.mean(found)] * 2, color=f"C{i}")
        axis.set_title(f"from {initial}")
        axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axis.grid(axis="y", alpha=0.3)
    axes[0].set_ylabel(f"test accuracy on {data}, %")
    return figure


def _filters(results: Sequence[Result], data: str) -> Any:
    """Centres after training, and below how far each has moved, of the first seed."""
    seed = min(each["seed"] for each in results)
    shown = [each for each in results if each["seed"] == seed and each["variant"] != FROZEN]
    shown.sort(key=lambda each: list(VARIANTS).index(each["variant"]))
    figure, rows = _figure(2, 11.0, 5.6)
    for initial, centers, moves in zip(INITIAL, *rows, strict=True):
        if data == KEYWORDS:
            centers.axhspan(*keywords.BAND, color="0.9", label="band of the information")
        for each in shown:
            if each["initial"] == initial:
                _points(centers, moves, each)
        centers.set_title(f"from {initial}")
        moves.axhline(0.0, color="0.6", linewidth=0.8)
        moves.set_xlabel("filter")
    rows[0][0].set_ylabel(f"centre on {data}, Hz (seed {seed})")
    rows[1][0].set_ylabel("moved by, Hz")
    _legend(figure, rows[0])
    return figure


def _points(centers: Any, moves: Any, result: Result) -> None:
    variant = result["variant"]
    before, after = where.before(result), where.after(result)
    look = {"color": f"C{list(VARIANTS).index(variant)}", "markersize": 4}
    if variant == EXACT:
        centers.plot(before, ".", color="0.6", markersize=4, label="before")
    centers.plot(after, ".", label=variant, **look)
    moves.plot(after - before, ".", **look)


def _legend(figure: Any, axes: Sequence[Any]) -> None:
    """Below the picture, a name once."""
    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=7, fontsize=8)
