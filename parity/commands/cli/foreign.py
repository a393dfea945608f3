"""``audit`` and ``ports``: other ports of LEAF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leaf_port.errors import LeafError
from parity import report
from parity.commands.audit import adapters, verdict
from parity.commands.audit import report as audit_report
from parity.commands.audit.adapters import ADAPTERS
from parity.commands.audit.probes import probes
from parity.commands.audit.rules import WEIGHTS
from parity.commands.audit.stages import Reference


def _slots(weights: list[str] | None) -> dict[str, list[str]]:
    """``gabor=PATH`` or ``gabor=PATH,PATH`` of each ``--weight``."""
    slots = {}
    for each in weights or ():
        name, _, paths = each.partition("=")
        if name not in WEIGHTS or not paths:
            expected = f"NAME=PATH with one of {', '.join(WEIGHTS)}"
            raise LeafError("audit", "--weight", expected, each, "name a parameter of the target")
        slots[name] = paths.split(",")
    return slots


def audit(
    target: Annotated[
        str, typer.Argument(help="speechbrain, module:attribute, or a folder with a checkout.")
    ],
    adapter: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(ADAPTERS)}; found out by default.")
    ] = None,
    factory: Annotated[
        str | None,
        typer.Option(help="module:expression (with a named adapter: expression) for the Leaf."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH of a parameter; gabor=PATH,PATH for centres and deviations."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this file.")] = None,
) -> None:
    """Audit a foreign PyTorch LEAF: where it leaves the official one, how far, and why.

    It must be built like the official default: 40 filters, 16 kHz, 25 ms windows every 10 ms, PCEN.
    Exit code 0 if it agrees, 1 if it diverges, 2 if it cannot be audited.
    """
    console = Console()
    foreign = adapters.load(target, adapter, factory, _slots(weight))
    with Console(stderr=True).status(f"auditing {foreign.source}"):
        found = verdict.audit(foreign, Reference(probes()))
    audit_report.show(found, console)
    if json is not None:
        audit_report.write_json(found, json)
    raise typer.Exit(0 if found.agrees else 1)


def ports(
    target: Annotated[
        str | None,
        typer.Argument(help="speechbrain, or a checkout of leaf-pytorch; recorded answers if none"),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="Drawn beside the declared cases.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    case: Annotated[str | None, typer.Option(help="One case, as a failure prints it.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Keep its answers instead (for maintainers).")
    ] = False,
    tight: Annotated[
        bool,
        typer.Option("--tight", help="Refuse bounds of more than 3 times what recordings need."),
    ] = False,
) -> None:
    """Check models that `weight_conversion import` made against the port they come from.

    Exit code 0 if they compute the same, 1 if not, 2 if the port cannot be asked.
    """
    from parity.commands.ports import command

    if record:
        command.record(target, examples, seed, report.console())
        return
    ok = command.run(target, examples, seed, case, report.console(), tight)
    raise typer.Exit(0 if ok else 1)
