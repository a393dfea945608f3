"""What the study found, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaf_port import _publish
from parity.commands.study import keywords, report
from parity.commands.study.cells import FROZEN, INITIAL, KEYWORDS, VARIANTS

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


def _figure(columns: int, width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, squeeze=False, sharey=True)[0]


def _save(figure: Any, path: Path) -> Path:
    with _publish.new_file(path) as made:
        figure.savefig(made, format="png", dpi=120)
    return path


def _accuracies(results: Sequence[Result], data: str) -> Any:
    """A point a seed, beside each other by variant, for each initial scale."""
    figure, axes = _figure(len(INITIAL), 11.0, 3.4)
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
    """Centres and bandwidths after training against the initial ones, of the first seed."""
    seed = min(each["seed"] for each in results)
    shown = {
        (each["variant"], each["initial"]): each["best"]["parameters"]
        for each in results
        if each["seed"] == seed
    }
    names = [name for name in VARIANTS if name != FROZEN and any(v == name for v, _ in shown)]
    figure, axes = _figure(len(INITIAL), 11.0, 3.4)
    for axis, initial in zip(axes, INITIAL, strict=True):
        if data == KEYWORDS:
            axis.axhspan(*keywords.BAND, color="0.9", label="band of the information")
        if (FROZEN, initial) in shown:
            _points(axis, shown[FROZEN, initial], "0.6", "before")
        for variant in names:
            if (variant, initial) in shown:
                color = f"C{list(VARIANTS).index(variant)}"
                _points(axis, shown[variant, initial], color, variant)
        axis.set_title(f"from {initial}")
        axis.set_xlabel("filter")
    axes[0].set_ylabel(f"centre on {data}, Hz (seed {seed})")
    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=7, fontsize=8)
    return figure


def _points(axis: Any, parameters: Mapping[str, Any], color: str, label: str) -> None:
    centers = parameters["center_frequencies"]
    axis.plot(range(len(centers)), centers, ".", color=color, label=label, markersize=4)
