"""``python -m parity report``: runs the checks as ``run`` does, then writes what they found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from parity.layers import all_specs
from parity.port import backends
from parity.report import clip, closeness, content, document, files, page, rows, steps, table
from parity.report.content import Report
from parity.spec import LayerSpec

HTML, JSON = Path("parity-report.html"), Path("parity-report.json")


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Where the report goes.

    Attributes:
        html: the page; None for none.
        json: the document; None for none.
        force: whether files that exist are replaced.
    """

    html: Path | None
    json: Path | None
    force: bool = False

    @classmethod
    def chosen(cls, html: Path | None, json: Path | None, force: bool) -> Outputs:
        """The files that were named; both under their default names if none was.

        Raises:
            LeafError: one of them cannot be written.
        """
        if html is None and json is None:
            html, json = HTML, JSON
        for option, path in (("--html", html), ("--json", json)):
            if path is not None:
                files.check(option, path, force)
        return cls(html, json, force)

    def write(self, report: Report) -> list[Path]:
        """Writes them all; what was written."""
        makers: list[tuple[Path | None, Callable[[Report], str]]] = [
            (self.html, page.html),
            (self.json, document.text),
        ]
        texts = {path: make(report) for path, make in makers if path is not None}
        files.write(texts, self.force)
        return list(texts)


def _arguments(specs: Sequence[LayerSpec], audio: Path | None) -> list[str]:
    """What runs the report again; without folders, which the report is to keep to itself."""
    chosen = [spec.name for spec in specs]
    layers = [] if chosen == list(all_specs()) else chosen
    named = [part for name in layers for part in ("--layer", name)]
    return named + (["--audio", audio.name] if audio else [])


def run(specs: Sequence[LayerSpec], outputs: Outputs, audio: Path | None, console: Console) -> bool:
    """Runs the checks, prints the table, writes the report; True if nothing is off.

    Args:
        specs: the layers.
        outputs: where the report goes.
        audio: a recording for the clip; None for none.
        console: for progress, table and the names of the files.

    Raises:
        LeafError: the recording cannot be read, a file cannot be written.
    """
    waveform = clip.read(audio) if audio else None
    with steps.bars(console) as progress:
        here = [name for name, reason in backends.default().items() if not reason]
        checked = rows.gather(specs, None, progress, here)
        frontends = sum(spec.name in closeness.FRONTENDS for spec in specs)
        task = progress.add_task("one clip", total=frontends)
        shown = clip.make(specs, waveform, lambda: progress.advance(task))
    ok = table.show(checked, console)
    report = content.make(checked, shown, _arguments(specs, audio))
    for each in report.closeness:
        console.print(each.text, markup=False, highlight=False, soft_wrap=True)
    text = closeness.summary(report.closeness)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    with console.status("drawing"):
        written = outputs.write(report)
    for path in written:
        console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)
    return ok
