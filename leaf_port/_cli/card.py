"""The command that writes a model card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from leaf_port._cli.text import printable
from leaf_port._model_folder import CARD
from leaf_port.errors import LeafError
from leaf_port.pretrained import write_card


def card(
    folder: Annotated[Path, typer.Argument(help="With config.json and model.safetensors.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a README.md that was edited.")
    ] = False,
) -> None:
    """Writes the model card README.md of a folder, with what verification.json measured."""
    try:
        write_card(folder, overwrite=force)
    except LeafError as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        raise typer.Exit(2) from error
    print(printable(folder / CARD))
