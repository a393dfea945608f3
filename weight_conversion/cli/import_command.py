"""The command ``python -m weight_conversion import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from leaf_port._cli import tables
from leaf_port._cli.text import printable
from weight_conversion.cli import written

if TYPE_CHECKING:
    from weight_conversion.foreign.import_port import Imported

Given = Annotated[float | None, typer.Option(show_default=False)]


def import_(
    source: Annotated[Path, typer.Argument(help="A file of torch.save or safetensors.")],
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    sample_rate: Annotated[int | None, typer.Option(show_default=False)] = None,
    window_len: Given = None,
    window_stride: Given = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Their default for what is not given.")
    ] = False,
    state_dict: Annotated[
        str | None, typer.Option(help="Its name in the file, where there are several.")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(help="Of the frontend's keys, where there are several.")
    ] = None,
    learn_filters: bool | None = None,
    learn_pooling: bool | None = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier conversion of this name.")
    ] = False,
) -> None:
    """Import a frontend of leaf-pytorch or SpeechBrain: a folder for Leaf.from_pretrained.

    It computes what that port computes, which is not the official function. What a state dict does
    not tell is asked for by name: times in ms, frequencies in Hz. No code of the file is run.
    """
    from weight_conversion.foreign.import_port import import_port
    from weight_conversion.foreign.ports import PortSettings

    given = {
        "sample_rate": sample_rate,
        "window_len": window_len,
        "window_stride": window_stride,
        "learn_filters": learn_filters,
        "learn_pooling": learn_pooling,
    }
    settings = PortSettings(given, defaults=defaults)
    made = import_port(source, folder, settings, state_dict=state_dict, prefix=prefix, force=force)
    console = Console()
    _show_weights(made, console)
    for line in lines(made):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in written.lines(folder, made.tree):
        print(printable(line))


def _show_weights(made: Imported, console: Console) -> None:
    """The table of the weights that were imported, and how many they are."""
    header = (made.found.port.name, "PyTorch", "shape")
    rows = [(theirs, ours, str(shape)) for theirs, ours, shape in made.rows]
    tables.show(header, rows, tables.folding(header, rows), console)
    print(f"Leaf: {len(made.rows)} weights")


def lines(made: Imported) -> list[str]:
    """What was chosen, what was left, and what the model is not."""
    from weight_conversion.foreign.ports import DIFFERENCES

    found, arguments = made.found, made.tree["arguments"]
    at = f"state dict {found.state_dict!r}, " if found.state_dict else ""
    told = [f"imported: Leaf of {found.port.name}, {at}prefix {found.prefix!r}"]
    if made.left:
        counted = ", ".join(f"{name}.* ({count})" for name, count in made.left.items())
        told.append(f"not imported, of other models: {counted}")
    if made.beside:
        told.append(f"not imported, beside the state dict: {', '.join(made.beside)}")
    if made.defaulted:
        asked = ", ".join(
            f"--{name.replace('_', '-')} {arguments[name]:g}" for name in made.defaulted
        )
        told.append(f"not in the file, by --defaults: {asked}")
    told.append("This model is not the official LEAF function; it differs in:")
    told += [f"  {name}={arguments[name]!r}: {text}" for name, text in DIFFERENCES.items()]
    told.append(f"There {found.port.layout}; here (batch, samples) to (batch, frames, filters).")
    return told
