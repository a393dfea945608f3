"""``record``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from leaf_port.errors import LeafError
from parity.commands import record as recorder
from parity.commands.cli.options import Layers, chosen_layers
from parity.oracles.official import Official
from parity.spec import Case


def _case(text: str) -> Case:
    """A case that was given as JSON."""
    try:
        return Case.from_json(text)
    except (TypeError, ValueError) as error:
        expected, fix = "a case as JSON", "copy what live or a failure prints"
        raise LeafError("parity", "--keep", expected, f"{text[:60]} ({error})", fix) from error


def _reseal(layers: list[str] | None, console: Console) -> bool:
    """Seals the recordings of layers; of all of them, those of the other ports too."""
    from parity.commands import reseal
    from parity.commands.ports import command, spec

    whole = reseal.reseal(chosen_layers(layers), console)
    for name, each in {} if layers else spec.RECORDED.items():
        whole &= reseal.reseal([each], console, command.FOLDER / name)
    return whole


def record(
    layer: Layers = None,
    check: Annotated[bool, typer.Option(help="Write nothing; tell what would change.")] = False,
    draw: Annotated[
        int | None,
        typer.Option(min=0, help="Draw this many cases a layer anew; else those kept are asked."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A case as live prints it: recorded too, as the witness of a bound."),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Ask only cases that are not recorded yet.")
    ] = False,
    reseal: Annotated[
        bool,
        typer.Option("--reseal", help="Ask nothing: seal whole recordings of an older format."),
    ] = False,
    describe: Annotated[
        bool,
        typer.Option("--describe", help="Ask signatures and weights alone, and no case."),
    ] = False,
) -> None:
    """Ask the live official implementation everything that is declared, and keep its answers.

    Beside the declared cases it asks the drawn ones that the recordings hold. With --keep only the
    layers of these cases are asked, unless --layer names others.

    LEAF_REFERENCE_PYTHON is an interpreter with TensorFlow, LEAF_AUDIO_PATH a checkout of
    google-research/leaf-audio.
    """
    console = Console(stderr=True)
    if reseal:
        if check or keep or new or describe or draw is not None:
            got = "--check, --draw, --keep, --new or --describe"
            raise LeafError("parity", "--reseal", "only --layer beside it", got, "leave it out")
        raise typer.Exit(0 if _reseal(layer, console) else 1)
    kept = [_case(text) for text in keep or ()]
    specs = chosen_layers(layer or sorted({case.layer for case in kept}))
    if describe:
        with Official() as official:
            changed = recorder.describe(specs, not check, console, official)
    else:
        changed = recorder.record(specs, not check, draw, console, kept, new)
    raise typer.Exit(1 if check and changed else 0)
