"""The command that looks at the filters of a frontend."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from leaf_port._cli import filter_models, filter_table, outputs
from leaf_port._cli.failures import filter_warnings
from leaf_port._cli.filter_models import WHERE, Model
from leaf_port._cli.filter_table import Row
from leaf_port._cli.frontends import Asked, Name
from leaf_port._cli.outputs import Staging
from leaf_port._cli.refusal import in_words_of
from leaf_port._cli.text import printable
from leaf_port._responses import responses, warn_of_poor_filters
from leaf_port.errors import LeafError

_PICTURES = (".png", ".svg", ".pdf")
_TABLES = (".csv", ".json")
_MODEL = (
    "a folder of config.json and model.safetensors, of a frontend or a classifier; a model that "
    "comes with the package, as fsdd-leaf"
)


def filters(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help=f"{_MODEL.capitalize()}; or the name of a frontend, with initial weights: "
            f"{', '.join(n.value for n in Name)}.",
        ),
    ],
    before: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="What it was before training: a folder or a name."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to draw the filters: .png, .svg or .pdf."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the table: .csv or .json.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")] = False,
    sample_rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="Of initial weights. Default: 16000.")
    ] = None,
    n_filters: Annotated[
        int | None, typer.Option(metavar="N", help="Of initial weights. Default: 40.")
    ] = None,
    window_len: Annotated[
        float | None, typer.Option(metavar="MS", help="Of initial weights. Default: 25.")
    ] = None,
) -> None:
    """Shows the filters of a frontend: centres, bandwidths, responses.

    Prints a table, tab-separated where the output is no terminal. With --before also how far each
    filter moved. A name there means initial weights for MODEL's sizes and sample rate.

    The picture has the frequency responses, the centres with their bandwidths, the sum of the
    squared responses, and the parameters of PCEN where there is one. What was before is grey.
    """
    try:
        with filter_warnings(), in_words_of(WHERE):
            for option, path, suffixes in (("--plot", plot, _PICTURES), ("--out", out, _TABLES)):
                if path is not None:
                    outputs.single(option, path, suffixes)
                    outputs.refuse_existing(option, [path], force)
            asked = Asked(None, n_filters, window_len, None)
            found = filter_models.read("MODEL", model, asked, sample_rate)
            earlier = None if before is None else filter_models.read_before(before, found)
            warn_of_poor_filters(WHERE, responses(WHERE, found.frontend, "MODEL"))
            rows = filter_table.rows(found, earlier)
            _write(found, earlier, rows, plot, out)
    except LeafError as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        raise typer.Exit(2) from error
    filter_table.show(rows, Console())


def _write(
    model: Model, before: Model | None, rows: list[Row], plot: Path | None, out: Path | None
) -> None:
    with Staging() as staging:
        if out is not None:
            is_csv = out.suffix.lower() == ".csv"
            text = (
                filter_table.as_csv(rows) if is_csv else filter_table.as_json(rows, model, before)
            )
            staging.add(out, lambda stream: stream.write(text))
        if plot is not None:
            from leaf_port._cli import filters_plot  # needs matplotlib
            from leaf_port._cli.plot import write_picture

            figure, kind = filters_plot.draw(model, before), plot.suffix.lower()[1:]
            staging.add(plot, partial(write_picture, figure, kind=kind))
