"""What all drawings share: size, colours, and the way from matplotlib into the page.

Text stays text. What is drawn in :data:`INK`, :data:`PORT` or :data:`OFFICIAL` takes the page's own
colours, which differ between light and dark.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

WIDTH = 4.7  # inches; a column of the page is about as wide, and a telephone
INK = "#010203"  # stands for the page's colour of text
PORT, OFFICIAL = "#0072b2", "#d55e00"  # told apart by the colour-blind too
OTHERS = ("#a08a00", "#009e73", "#cc79a7", "#56b4e9")  # further runs of the port
_PAGE_COLOURS = {INK: "currentColor", PORT: "var(--port)", OFFICIAL: "var(--official)"}
SEQUENTIAL, DIVERGING = "viridis", "PuOr"

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "path.simplify_threshold": 0.2,
    **{f"{part}.color": INK for part in ("text", "xtick", "ytick")},
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
}
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def style() -> Any:
    """A context in which figures are made and drawn."""
    return mpl.rc_context(_STYLE)  # type: ignore[arg-type]


def figure(height: float) -> Figure:
    """An empty figure of the page's width without background, ``height`` in inches."""
    made = Figure(figsize=(WIDTH, height), layout="constrained")
    made.patch.set_alpha(0.0)
    FigureCanvasSVG(made)
    return made


def to_svg(drawn: Figure, name: str, label: str) -> Markup:
    """The figure as an SVG element.

    Args:
        drawn: the figure.
        name: what tells its ids from those of the page's other drawings.
        label: what it shows, for those who do not see it.
    """
    for axes in drawn.axes:
        axes.patch.set_alpha(0.0)
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        drawn.savefig(stream, format="svg", metadata=_NO_METADATA)
    return _inline(stream.getvalue(), name, label)


def _inline(text: str, name: str, label: str) -> Markup:
    """A stand-alone SVG file as an element that shares its page with others."""
    root = re.search(r'<svg[^>]*viewBox="([^"]*)"[^>]*>', text)
    if root is None:
        raise ValueError("matplotlib's SVG has no view box")
    body = re.sub(r"<style.*?</style>", "", text[root.end() :], flags=re.DOTALL)
    body = body.replace("xlink:href", "href").replace('href="#', f'href="#{name}-')
    body = re.sub(r'\bid="', f'id="{name}-', body).replace("url(#", f"url(#{name}-")
    body = re.sub(r"font-family: [^;\"]*", "font-family: inherit", body)
    body = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 inherit", body)
    head = Markup('<svg role="img" aria-label="{}" viewBox="{}">').format(label, root[1])
    for colour, ours in _PAGE_COLOURS.items():
        body = body.replace(colour, ours)
    return head + Markup(body)  # noqa: S704 - drawn here
