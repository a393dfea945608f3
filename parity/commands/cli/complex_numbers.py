"""``xla-complex``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leaf_port.errors import LeafError
from parity import report


def xla_complex(
    findings: Annotated[
        list[Path] | None, typer.Argument(help="With --table: files that --json wrote.")
    ] = None,
    python: Annotated[
        str, typer.Option(help="An interpreter with torch and torch_xla, of any version from 2.1.")
    ] = sys.executable,
    device: Annotated[
        str | None, typer.Option(help="CPU, TPU, …: as PJRT_DEVICE, which is the default.")
    ] = None,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that a probe may take.")] = 120.0,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    table: Annotated[
        bool, typer.Option("--table", help="Probe nothing; print files as one Markdown table.")
    ] = False,
) -> None:
    """Tell which complex operations an XLA device computes rightly, and what follows for the port.

    Each operation is run forward and backward in another process, against float64 on the CPU.
    Exit code 0 once all were tried, whatever they gave; 2 if they cannot be.
    """
    from parity.commands.xla_complex import command  # what no other command needs

    if table and json is not None:
        raise LeafError("xla-complex", "--json", "no --table beside it", json, "leave one out")
    if table:
        typer.echo(command.merge(findings or []), nl=False)
        return
    if findings:
        expected = "--table before files"
        raise LeafError("xla-complex", "FINDINGS", expected, findings[0], "add --table")
    options = command.Options(python, device, limit, json, force)
    command.run(options, report.console(), Console(stderr=True))
