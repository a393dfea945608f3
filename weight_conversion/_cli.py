"""The commands of ``python -m weight_conversion``."""

from __future__ import annotations

import json as json_format
import math
import sys
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.table import Table

from leaf_port.errors import LeafError
from weight_conversion.tensor_bundle import Checkpoint

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Official TensorFlow checkpoints, without TensorFlow.",
)


class Source(Protocol):
    """What checkpoints of every kind tell."""

    def keys(self) -> list[str]:
        """The names of all tensors."""

    def shape(self, key: str) -> tuple[int, ...]:
        """A tensor's axes."""

    def dtype(self, key: str) -> str:
        """A tensor's type."""

    def tensor(self, key: str) -> Any:
        """A tensor."""


def open_source(path: Path) -> Source:
    """A checkpoint, SavedModel or Keras ``.h5``, by what the path says."""
    if path.suffix in (".h5", ".hdf5"):
        from weight_conversion.keras_h5 import KerasWeights

        return KerasWeights(path)
    return Checkpoint(path)


@app.callback()
def _commands() -> None:
    """Official TensorFlow checkpoints, without TensorFlow."""


@app.command()
def inspect(
    source: Annotated[Path, typer.Argument(help="A checkpoint, SavedModel folder or .h5 file.")],
    json: Annotated[bool, typer.Option(help="As JSON, for other programs.")] = False,
) -> None:
    """List the tensors of a checkpoint, each read and its checksum verified."""
    found = open_source(source)
    rows = [(key, found.dtype(key), found.shape(key)) for key in found.keys()]  # noqa: SIM118
    for key, _, _ in rows:
        found.tensor(key)
    if json:
        listed = {key: {"dtype": dtype, "shape": shape} for key, dtype, shape in rows}
        print(json_format.dumps(listed, indent=1))
        return
    Console().print(_table(rows))


def _table(rows: list[tuple[str, str, tuple[int, ...]]]) -> Table:
    counts = [math.prod(shape) for _, _, shape in rows]
    table = Table("tensor", "type", "shape", "numbers", show_footer=True)
    table.columns[0].overflow = "fold"
    table.columns[0].footer = f"{len(rows)} tensors"
    table.columns[3].justify = "right"
    table.columns[3].footer = str(sum(counts))
    for (key, dtype, shape), count in zip(rows, counts, strict=True):
        printable = key if key.isprintable() else ascii(key)
        table.add_row(_plain(printable), dtype, str(shape), str(count))
    return table


def _plain(text: str) -> str:
    """Square brackets are not markup."""
    return text.replace("[", r"\[")


@app.command(hidden=True)
def record(
    name: Annotated[list[str] | None, typer.Argument(help="Recipes; all by default.")] = None,
) -> None:
    """Have the official code make the recorded checkpoints again (for maintainers).

    LEAF_REFERENCE_PYTHON is an interpreter with TensorFlow, LEAF_AUDIO_PATH a checkout of
    google-research/leaf-audio.
    """
    from weight_conversion import record as recorder

    recorder.record(name or [], recorder.RECORDINGS, Console(stderr=True))


def run() -> None:
    """Runs the command; an error of ours is one line and exit code 2."""
    try:
        app(prog_name="python -m weight_conversion")
    except LeafError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
