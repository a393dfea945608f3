"""``live``, ``primitives`` and ``blame``: further questions than those that are recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaf_port.errors import LeafError
from parity import report
from parity.commands import live as live_runner
from parity.commands.blame import report as blame_report
from parity.commands.cli.options import Layers, chosen_layers
from parity.commands.primitives import _report as primitives_report
from parity.commands.primitives import all_primitives
from parity.oracles.official import Official


def live(
    layer: Layers = None,
    examples: Annotated[int, typer.Option(min=1, help="Drawn examples for each layer.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    case: Annotated[str | None, typer.Option(help="One case, as a failure prints it.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file too.")] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes, each with a TensorFlow of its own.")
    ] = 2,
) -> None:
    """Compare the port with the live official implementation on drawn examples.

    LEAF_REFERENCE_PYTHON and LEAF_AUDIO_PATH as for `record`; exit code 1 if anything is off.
    """
    layers = [spec.name for spec in chosen_layers(layer)]
    ok = live_runner.run(layers, examples, seed, case, report.console(), json, workers)
    raise typer.Exit(0 if ok else 1)


def primitives(
    primitive: Annotated[
        list[str] | None,
        typer.Option("--primitive", help="Only this one; may be given several times."),
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Drawn examples for each.")] = 100,
    case: Annotated[str | None, typer.Option(help="One case, as a failure prints it.")] = None,
    tight: Annotated[
        bool,
        typer.Option("--tight", help="Refuse bounds of more than 3 times what the examples need."),
    ] = False,
) -> None:
    """Compare pieces of the port with TensorFlow's own functions on drawn examples.

    Needs LEAF_REFERENCE_PYTHON and no checkout of leaf_audio; exit code 1 if anything is off.
    """
    table = all_primitives()
    for name in primitive or ():
        if name not in table:
            known = ", ".join(table)
            raise LeafError("parity", "--primitive", f"one of {known}", name, "give one of them")
    chosen = {name: each for name, each in table.items() if not primitive or name in primitive}
    if case is not None and len(chosen) != 1:
        raise LeafError("parity", "--case", "one --primitive beside it", len(chosen), "name it")
    with Official(with_leaf_audio=False) as official:
        ok = primitives_report.run(chosen, examples, case, report.console(), official, tight)
    raise typer.Exit(0 if ok else 1)


def blame(
    layer: Annotated[str, typer.Option(help="The layer.")],
    case: Annotated[str, typer.Option(help="A recorded case's name, or a case as live prints it.")],
    arithmetic: Annotated[
        str | None, typer.Option(help="complex or real, of Gabor filters.")
    ] = None,
    arrays: Annotated[int, typer.Option(min=1, help="How many arrays, the farthest first.")] = 3,
    official: Annotated[
        bool, typer.Option("--official", help="Explain the official answer's distance instead.")
    ] = False,
) -> None:
    """Find the operations whose rounding makes the port's distance from the exact answer.

    Each kind of operation is computed in float64, one at a time: what is left of the distance? Of
    the official answer: is the port as far off, and where it is, with float32 statistics alone?
    """
    (spec,) = chosen_layers([layer])
    if official:
        blame_report.run_official(spec, case, arrays, report.console())
        return
    blame_report.run(spec, case, arithmetic, arrays, report.console())
