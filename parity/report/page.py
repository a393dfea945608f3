"""The report as one page: no file beside it, no network, readable without scripts."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

import jinja2
from markupsafe import Markup

from parity.report import closeness, edits, heat_map, table
from parity.report.charts import clip as clip_charts
from parity.report.charts import filters, histograms
from parity.report.clip import ClipAnswer
from parity.report.content import Report
from parity.report.heat_map import Cell
from parity.report.rows import Row

STEPS = 10  # of the colour scale
_CLASSES = {"off": "off", "not run": "notrun", "none": "none"}


def shade(cell: Cell) -> str:
    """The class of a cell: a step of the colour scale, or what else it is."""
    return _CLASSES.get(cell.state) or f"u{round(STEPS * min(cell.used, 1.0))}"


def value(cell: Cell) -> str:
    """What a column is sorted by."""
    return "" if math.isnan(cell.used) else str(min(cell.used, 1e300))


def _told(rows: Sequence[Row], one_run: bool) -> list[str]:
    """Within how many units half of the elements are."""
    find = histograms.merged if one_run else histograms.series
    lines = []
    for kind, gradient in (("outputs", False), ("gradients", True)):
        halves = histograms.medians(find(rows, gradient))
        told = ", ".join(f"{text} {half:.2g}" for text, half in halves.items())
        lines += [f"half of the {kind} are within (units): {told}"] if told else []
    return lines


def _histograms(rows: Sequence[Row]) -> list[tuple[str, list[str], Markup]]:
    """All layers together, then each frontend."""
    named = {row.spec.name: row for row in rows}
    title = f"all {len(rows)} layers" if len(rows) > 1 else rows[0].spec.name
    drawn = [(title, _told(rows, True), histograms.draw(rows, "all", one_run=True))]
    for name in closeness.FRONTENDS:
        if name in named and len(rows) > 1:
            one = [named[name]]
            drawn.append((name, _told(one, False), histograms.draw(one, name)))
    return drawn


def _panels(report: Report) -> list[tuple[ClipAnswer, Sequence[tuple[str, Markup]]]]:
    answers = report.clip.answers if report.clip else ()
    return [(answer, clip_charts.panels(answer)) for answer in answers]


def _official(report: Report) -> str:
    told = [
        f"TensorFlow {each['tensorflow']}, leaf_audio {each['leaf_audio']}"
        for each in report.official
    ]
    return "; ".join(told) or "no recording"


def html(report: Report) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("parity.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "shade": shade,
        "value": value,
        "figures": table.figures,
        "refusals": heat_map.refusals,
        "laws": heat_map.laws,
        "derivatives": heat_map.derivatives,
        "edit_cells": edits.cells,
    }
    heads, lines = heat_map.lines(report.rows)
    return environment.get_template("page.html").render(
        report=report,
        official=_official(report),
        summary=closeness.summary(report.closeness),
        heads=heads,
        lines=lines,
        notes=table.notes(report.rows),
        histograms=_histograms(report.rows),
        filters=filters.draw(),
        waveform=clip_charts.waveform(report.clip) if report.clip else "",
        panels=_panels(report),
        edit_heads=edits.HEADS,
        again=shlex.join(["python", "-m", "parity", "report", *report.arguments]),
    )
