"""The benchmark as a table and as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from leaf_port._cli.benchmark import MEL, Timing


def table(timings: Sequence[Timing]) -> Table:
    """A line a frontend and shape."""
    made = Table(title="processor's time; mel: a mel spectrogram's forward pass")
    for head in ("waveforms", "frontend", "forward", "of mel", "with gradient", "of mel"):
        made.add_column(head, justify="left" if head in ("waveforms", "frontend") else "right")
    found = {(each.shape, each.frontend, each.training): each for each in timings}
    for (shape, name, training), forward in found.items():
        if training:
            continue
        both = found.get((shape, name, True))
        cells = ("-", "-") if both is None else (f"{both.cpu_ms:.1f} ms", f"{both.to_mel:.1f}")
        made.add_row(shape, name, f"{forward.cpu_ms:.1f} ms", f"{forward.to_mel:.1f}", *cells)
    return made


def draw(timings: Sequence[Timing], place: Path) -> None:
    """Bars by frontend, forward and with gradient, on a logarithmic axis."""
    from matplotlib.figure import Figure

    shapes = list(dict.fromkeys(each.shape for each in timings))
    names = [name for name in dict.fromkeys(each.frontend for each in timings) if name != MEL]
    figure = Figure(figsize=(4 * len(shapes) + 2, 1 + 0.6 * len(names)), layout="constrained")
    axes = figure.subplots(1, len(shapes), sharey=True, sharex=True, squeeze=False)[0]
    for ax, shape in zip(axes, shapes, strict=True):
        for offset, training in ((0.2, False), (-0.2, True)):
            found = {
                t.frontend: t.to_mel for t in timings if (t.shape, t.training) == (shape, training)
            }
            rows = [(len(names) - i + offset, found[name]) for i, name in enumerate(names)]
            label = "with gradient" if training else "forward"
            bars = ax.barh([y for y, _ in rows], [x for _, x in rows], 0.38, label=label)
            ax.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
        ax.set_title(shape)
        ax.set_xscale("log")
        ax.set_xlabel("mel spectrograms")
        ax.margins(x=0.2)
    axes[0].set_yticks([len(names) - i for i in range(len(names))], names)
    axes[-1].legend(fontsize=8)
    figure.savefig(place, dpi=150)
