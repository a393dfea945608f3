"""The command: probes, prints a table and the verdict, writes JSON."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from leaf_port.errors import LeafError
from parity.commands.xla_complex import judge, verdict
from parity.commands.xla_complex.document import Document, table
from parity.commands.xla_complex.judge import Finding
from parity.commands.xla_complex.probes import COMPOSED, INPUTS, all_probes
from parity.commands.xla_complex.session import WHERE, Session, device_name
from parity.report import files

_STYLE = {judge.LOWERED: "green", judge.FALLS_BACK: "yellow"}


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command was given; see its help."""

    python: str = sys.executable
    device: str | None = None
    limit: float = 120.0
    json: Path | None = None
    force: bool = False


def probe(options: Options, progress: Console) -> Document:
    """Asks everything.

    Raises:
        LeafError: the device or its interpreter is not there.
    """
    probes = all_probes()
    with (
        Session(options.python, device_name(options.device), options.limit) as session,
        Progress(console=progress, transient=True) as bar,
    ):
        task = bar.add_task("probes", total=len(probes))
        findings = []
        for each in probes:
            bar.update(task, description=f"{each.operation}, {each.direction}")
            findings.append(session.ask(each))
            bar.advance(task)
    return Document.now(session.versions, findings, verdict.all_verdicts(findings))


def _side(finding: Finding) -> str:
    style = _STYLE.get(finding.verdict, "red")
    return f"[{style}]{finding.verdict}[/{style}]"


def shown(document: Document) -> Table:
    """Operation, forward, backward, details."""
    v = document.versions
    title = (
        f"Complex operations on {v['device']}: torch_xla {v['torch_xla']}, torch {v['torch']}, "
        f"Python {v['python']}, float32 products {v['matmul_precision']}"
    )
    made = Table(title=title, caption="of a bound: units of complex64 rounding, error of allowed")
    for head in ("operation", "forward", "backward", "detail"):
        made.add_column(head, no_wrap=head == "operation")
    found = {(each.operation, each.direction): each for each in document.findings}
    for operation in INPUTS:
        forward, backward = (found[operation, each] for each in ("forward", "backward"))
        if operation == COMPOSED[0]:
            made.add_section()
        details = f"{forward.detail} | {backward.detail}"
        made.add_row(operation, _side(forward), _side(backward), escape(details))
    return made


def run(options: Options, console: Console, progress: Console) -> None:
    """Probes and tells.

    Raises:
        LeafError: the device is not there, or the file cannot be written.
    """
    if options.json is not None:
        files.check("--json", options.json, options.force)
    document = probe(options, progress)
    console.print(shown(document))
    for each in document.verdicts:
        console.print(f"- {verdict.sentence(each)}", markup=False, highlight=False, soft_wrap=True)
    headline = verdict.headline(document.verdicts, document.versions)
    console.print(headline, markup=False, highlight=False, soft_wrap=True)
    if options.json is not None:
        files.write({options.json: document.text()}, options.force)


def merge(paths: list[Path]) -> str:
    """The files' findings as one table in Markdown.

    Raises:
        LeafError: none is given, or one is no findings.
    """
    if not paths:
        fix = "give the files that --json wrote: --table 2.8.json 2.9.json"
        raise LeafError(WHERE, "--table", "at least one file", "none", fix)
    return table([Document.read(path) for path in paths])
