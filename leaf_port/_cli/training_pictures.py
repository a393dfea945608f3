"""Pictures of a training: losses and scores, the filters' movement, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leaf_port import _publish
from leaf_port._installation import hint
from leaf_port.errors import LeafError
from leaf_port.training.measures import Measures

LOSSES, FILTERS = "training.png", "filters.png"


def draw(epochs: Sequence[dict[str, Any]], folder: Path) -> None:
    """Writes the pictures of a run into its folder."""
    _save(_training(epochs), folder / LOSSES)
    if epochs and "center_frequencies" in epochs[0].get("filters", {}):
        _save(_filters(epochs), folder / FILTERS)


def _training(epochs: Sequence[dict[str, Any]]) -> Figure:
    figure = Figure((8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    at = [each["epoch"] for each in epochs]
    left.plot(at, [each["train"]["loss"] for each in epochs], label="training")
    left.plot(at, [each["validation"]["loss"] for each in epochs], label="validation")
    left.set(xlabel="epoch", ylabel="loss", title="Loss")
    left.set_ylim(bottom=0)
    left.legend()
    name = "accuracy" if "accuracy" in epochs[0]["validation"] else "mean_average_precision"
    scores = [100 * each["validation"][name] for each in epochs]
    right.plot(at, scores, color="C1", label="validation")
    if "interval_95" in epochs[0]["validation"]:
        bounds = [each["validation"]["interval_95"] for each in epochs]
        low, high = (100 * np.array(each) for each in zip(*bounds, strict=True))
        right.fill_between(at, low, high, color="C1", alpha=0.2, label="95 % interval")
    right.set(xlabel="epoch", ylabel="%", title=name.replace("_", " ").capitalize(), ylim=(0, 100))
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    return figure


def _filters(epochs: Sequence[dict[str, Any]]) -> Figure:
    """Each filter's centre over the epochs, its bandwidth as the width of a band."""
    figure = Figure((8, 4.5), layout="constrained")
    axes = figure.subplots()
    at = [each["epoch"] for each in epochs]
    centers = np.array([each["filters"]["center_frequencies"] for each in epochs])
    widths = np.array([each["filters"]["bandwidths"] for each in epochs])
    for i in range(centers.shape[1]):
        low, high = centers[:, i] - widths[:, i] / 2, centers[:, i] + widths[:, i] / 2
        axes.fill_between(at, low, high, color="C0", alpha=0.12, linewidth=0)
        axes.plot(at, centers[:, i], color="C0", linewidth=0.8)
    axes.set(xlabel="epoch", ylabel="Hz", title="Centres of the filters, and their bandwidths")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    return figure


def draw_confusion(found: Measures, labels: Sequence[str], path: Path) -> None:
    """Draws how often each label is taken for each.

    Raises:
        LeafError: clips have several labels, or the system refuses.
    """
    if found.confusion is None:
        fix = "leave --plot out"
        raise LeafError("evaluate", "--plot", "one label a clip", "several", fix)
    shares = found.confusion.double() / found.confusion.sum(1, keepdim=True)
    size = min(14.0, 3.0 + 0.35 * len(labels))
    figure = Figure((size, size), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares.nan_to_num().numpy(), cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels, rotation=90)
    axes.set_yticks(ticks, labels)
    axes.set(xlabel="predicted", ylabel="true")
    if len(labels) <= 40:
        for i in ticks:
            for j in ticks:
                count = int(found.confusion[i, j])
                color = "white" if shares[i, j] > 0.6 else "black"
                if count:
                    axes.text(j, i, str(count), ha="center", va="center", color=color, fontsize=8)
    _save(figure, path)


def write_tensorboard(epochs: Sequence[dict[str, Any]], folder: Path) -> None:
    """Writes losses and scores for TensorBoard.

    Raises:
        LeafError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        fix = hint("tensorboard")
        raise LeafError("train", "--tensorboard", "TensorBoard, installed", "none", fix) from error
    with SummaryWriter(str(folder)) as writer:
        for each in epochs:
            for part in ("train", "validation"):
                for name, value in each[part].items():
                    if isinstance(value, float):
                        writer.add_scalar(f"{name}/{part}", value, each["epoch"])


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    try:
        with _publish.new_file(path) as made:
            figure.savefig(made, format=path.suffix.removeprefix(".") or "png", dpi=110)
    except (OSError, ValueError) as error:
        fix = "check the name's suffix and the folder"
        raise LeafError("train", str(path), "a picture to write", error, fix) from error
