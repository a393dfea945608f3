"""The commands and their options."""

from __future__ import annotations

import enum
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from leaf_port._cli import card, measuring, runs, training
from leaf_port._cli.export import export
from leaf_port._cli.failures import filter_warnings
from leaf_port._cli.filters import filters
from leaf_port._cli.frontends import Asked, Name
from leaf_port._cli.sharding import shard_of
from leaf_port._cli.text import printable
from leaf_port._cli.work import Recipe
from leaf_port.errors import LeafError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

_FRONTEND, _CLIPS, _OUTPUT, _CORPORA = "Frontend", "Clips", "Output", "Corpora"


class Format(enum.Enum):
    """How arrays are written."""

    NPY = runs.NPY
    SAFETENSORS = runs.SAFETENSORS


@app.callback()
def commands() -> None:
    """LEAF and its baselines: the official TensorFlow frontends in PyTorch."""


app.command()(filters)
app.command()(measuring.info)
app.command()(measuring.benchmark)
app.command()(training.train)
app.command()(training.evaluate)
app.command()(card.card)
app.command()(export)


@app.command()
def features(
    clips: Annotated[
        list[Path],
        typer.Argument(
            metavar="CLIP", help="WAV, FLAC, MP3, Ogg, Opus or AIFF files, or folders of them."
        ),
    ],
    # The frontend
    frontend: Annotated[
        Name | None,
        typer.Option(
            metavar="NAME",
            help=f"One of: {', '.join(n.value for n in Name)}. Default: leaf.",
            rich_help_panel=_FRONTEND,
        ),
    ] = None,
    weights: Annotated[
        str | None,  # a path that begins with ./ is no name on the Hub
        typer.Option(
            metavar="FOLDER",
            help="A folder of config.json and model.safetensors, of a frontend or a classifier; "
            "such a model on the Hugging Face Hub, owner/name; or "
            "the frontend's bare state dict, safetensors. Else its initial weights.",
            rich_help_panel=_FRONTEND,
        ),
    ] = None,
    n_filters: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Number of filters. Default: 40.", rich_help_panel=_FRONTEND
        ),
    ] = None,
    window_len: Annotated[
        float | None,
        typer.Option(
            metavar="MS", help="Window, milliseconds. Default: 25.", rich_help_panel=_FRONTEND
        ),
    ] = None,
    window_stride: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            help="Hop between frames, milliseconds. Default: 10.",
            rich_help_panel=_FRONTEND,
        ),
    ] = None,
    min_freq: Annotated[
        float | None,
        typer.Option(
            metavar="HZ",
            help="Where the lowest filter starts: of leaf, tfbanks and mel, without --weights.",
            rich_help_panel=_FRONTEND,
        ),
    ] = None,
    max_freq: Annotated[
        float | None,
        typer.Option(
            metavar="HZ",
            help="Where the highest filter ends; likewise.",
            rich_help_panel=_FRONTEND,
        ),
    ] = None,
    # The clips
    sample_rate: Annotated[
        int | None,
        typer.Option(
            metavar="HZ",
            help="Overrides the files' own rates. The samples are not resampled.",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    mono: Annotated[
        bool,
        typer.Option(
            "--mono",
            help="Take clips of several channels, as the channels' mean.",
            rich_help_panel=_CLIPS,
        ),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Name clips that fail, and write the others; exit code 1.",
            rich_help_panel=_CLIPS,
        ),
    ] = False,
    # The output
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="Where to write the array (frames, filters). Several clips: a folder.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="npy: a file a clip. safetensors: --out is a folder of files of many clips each, "
            "which leaf_port.data.load_features reads.",
            rich_help_panel=_OUTPUT,
        ),
    ] = Format.NPY,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Where to draw waveform and features. Several clips: a folder.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace outputs that exist.", rich_help_panel=_OUTPUT),
    ] = False,
    # Corpora
    workers: Annotated[
        int,
        typer.Option(metavar="N", help="Processes, of one thread each.", rich_help_panel=_CORPORA),
    ] = 1,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Part I of N, from 0, of the clips. Default: RANK and WORLD_SIZE, if set.",
            rich_help_panel=_CORPORA,
        ),
    ] = None,
    shard_size: Annotated[
        int | None,
        typer.Option(
            metavar="CLIPS",
            help="Clips in one file of --format safetensors. Default: 256.",
            rich_help_panel=_CORPORA,
        ),
    ] = None,
) -> None:
    """Computes the features of audio clips.

    Without --out and --plot: prints a summary, tab-separated where the output is no terminal.
    With them: prints the names of the files it wrote. Nothing is written unless all clips succeed,
    or --skip-bad is given; with --format safetensors each file appears when its clips are done, and
    the same command again goes on where it stopped.

    16-bit samples are read as int16 and divided by 32767, as in the official example/data.py; other
    formats, MP3 and Ogg among them, as libsndfile's float32. Clips have one channel, but for
    --mono.

    Filters span 60 to 7800 Hz, or up to 97.5 % of a Nyquist frequency below 8000 Hz. SincNet's and
    SincNet+'s filters never learn of the sample rate, as in the official code: they scale with it.
    A folder of weights tells frontend, sizes and sample rate; clips of other rates are refused.
    """
    asked = Asked(frontend, n_filters, window_len, window_stride, min_freq, max_freq)
    try:
        recipe = Recipe(asked, sample_rate, _located(weights), mono)
        with filter_warnings():
            part = shard_of(shard, os.environ)
            outputs = (out, plot, form.value, shard_size, force)
            bad = runs.run(runs.Request(clips, recipe, *outputs, skip_bad, workers, part))
    except LeafError as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        raise typer.Exit(2) from error
    if bad:
        raise typer.Exit(1)


def _located(weights: str | None) -> Path | None:
    """Once, so that all processes have the same version of a model on the Hub."""
    if weights is None:
        return None
    from leaf_port._cli.weights import located  # needs safetensors

    return located(weights)
