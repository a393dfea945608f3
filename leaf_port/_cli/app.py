"""The commands and their options."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from leaf_port._cli import measuring, outputs, summary
from leaf_port._cli.audio import Source, check_clip, find_clips, read_clip
from leaf_port._cli.export import export
from leaf_port._cli.extraction import Extractor, Features
from leaf_port._cli.failures import Failures, filter_warnings
from leaf_port._cli.frontends import Asked, Name
from leaf_port._cli.long_clips import LongClip, is_long
from leaf_port._cli.outputs import Staging
from leaf_port._cli.text import printable
from leaf_port.errors import LeafError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def commands() -> None:
    """LEAF and its baselines: the official TensorFlow frontends in PyTorch."""


app.command()(measuring.info)
app.command()(measuring.benchmark)
app.command()(export)


@dataclass(frozen=True)
class _Job:
    """A clip and where its outputs go; None for an output that is not asked for."""

    source: Source
    array: Path | None
    picture: Path | None


@app.command()
def features(
    clips: Annotated[
        list[Path],
        typer.Argument(metavar="CLIP", help="WAV or FLAC files, mono, or folders of them."),
    ],
    frontend: Annotated[
        Name | None,
        typer.Option(
            metavar="NAME", help=f"One of: {', '.join(n.value for n in Name)}. Default: leaf."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A folder of config.json and model.safetensors, of a frontend or a classifier; or "
            "the frontend's bare state dict, safetensors. Else its initial weights.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="Where to write the array (frames, filters). Several clips: a folder.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Where to draw waveform and features. Several clips: a folder.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")] = False,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Name clips that fail, and write the others; exit code 1."),
    ] = False,
    sample_rate: Annotated[
        int | None,
        typer.Option(
            metavar="HZ", help="Overrides the files' own rates. The samples are not resampled."
        ),
    ] = None,
    n_filters: Annotated[
        int | None, typer.Option(metavar="N", help="Number of filters. Default: 40.")
    ] = None,
    window_len: Annotated[
        float | None, typer.Option(metavar="MS", help="Window, milliseconds. Default: 25.")
    ] = None,
    window_stride: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Hop between frames, milliseconds. Default: 10."),
    ] = None,
) -> None:
    """Computes the features of audio clips.

    Without --out and --plot: prints a summary, tab-separated where the output is no terminal.
    With them: prints the names of the files it wrote. Nothing is written unless all clips succeed,
    or --skip-bad is given.

    16-bit samples are read as int16 and divided by 32767, as in the official example/data.py; other
    formats as libsndfile's float32.

    Filters span 60 to 7800 Hz, or up to 97.5 % of a Nyquist frequency below 8000 Hz. SincNet's and
    SincNet+'s filters never learn of the sample rate, as in the official code: they scale with it.
    A folder of weights tells frontend, sizes and sample rate; clips of other rates are refused.
    """
    asked = Asked(frontend, n_filters, window_len, window_stride)
    try:
        with filter_warnings():
            extractor = Extractor.of_options(asked, sample_rate, weights)
            jobs = _plan(clips, out, plot, force)
            bad = _run(extractor, jobs, skip_bad)
    except LeafError as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        raise typer.Exit(2) from error
    if bad:
        raise typer.Exit(1)


def _plan(clips: Sequence[Path], out: Path | None, plot: Path | None, force: bool) -> list[_Job]:
    """What to read and write; refuses what could not be written."""
    sources = find_clips(clips)
    many = len(clips) > 1 or clips[0].is_dir()
    planned: list[Sequence[Path | None]] = []
    for option, given, suffix in (("--out", out, ".npy"), ("--plot", plot, ".png")):
        if given is None:
            planned.append([None] * len(sources))
            continue
        paths = outputs.targets(option, given, suffix, sources, many)
        outputs.refuse_existing(option, paths, force)
        planned.append(paths)
    return [_Job(*job) for job in zip(sources, *planned, strict=True)]


def _run(extractor: Extractor, jobs: Sequence[_Job], skip_bad: bool) -> Failures:
    """Computes and writes; prints once everything is done. Gives the clips that failed."""
    bad = Failures(skip_bad)
    if len(jobs) > 1 and not skip_bad:  # so that a bad clip is known before hours of computing
        for job in jobs:
            check_clip(job.source.path)
    rows: list[summary.Row] = []
    done: list[_Job] = []
    with Staging() as staging:
        for job in _with_progress(jobs):
            with bad.caught(job.source.path):
                rows.append(_computed(extractor, job, staging))
                done.append(job)
    _report(done, rows)
    _note_rates(extractor, rows)
    bad.show(len(jobs))
    return bad


def _computed(extractor: Extractor, job: _Job, staging: Staging) -> summary.Row:
    """Computes and stages one clip; a long one block by block, where no picture needs it whole."""
    if job.picture is None and is_long(job.source.path):
        clip = LongClip(extractor, job.source.path)
        if clip.can_stream():
            return _stage_long(staging, job, clip)
    result = extractor(read_clip(job.source.path))
    _stage(staging, job, result)
    return summary.row(result)


def _stage_long(staging: Staging, job: _Job, clip: LongClip) -> summary.Row:
    if job.array is None:
        return clip.write(None)
    rows: list[summary.Row] = []
    staging.add(job.array, lambda stream: rows.append(clip.write(stream)))
    return rows[0]


def _with_progress(jobs: Sequence[_Job]) -> Iterable[_Job]:
    """``jobs``, with a bar on stderr if there are several and it is a terminal."""
    console = Console(stderr=True)
    if len(jobs) < 2 or not console.is_terminal:
        yield from jobs
        return
    with Progress(console=console, transient=True) as progress:
        yield from progress.track(jobs, description="features")


def _stage(staging: Staging, job: _Job, result: Features) -> None:
    if job.array is not None:
        staging.add(job.array, lambda stream: np.save(stream, result.values, allow_pickle=False))
    if job.picture is not None:
        from leaf_port._cli import plot  # needs matplotlib

        staging.add(job.picture, partial(plot.write_picture, plot.draw(result)))


def _report(jobs: Sequence[_Job], rows: Sequence[summary.Row]) -> None:
    """Prints the names of the outputs, or the summary if there are none."""
    written = [path for job in jobs for path in (job.array, job.picture) if path is not None]
    if not written:
        summary.show(rows, Console())
    for path in written:
        print(printable(path))


def _note_rates(extractor: Extractor, rows: Sequence[summary.Row]) -> None:
    """Tells which sample rates were taken for others, or for those of the weights."""
    if rows and not extractor.sample_rate_is_told:
        told = f"{printable(extractor.weights)} tells no sample rate"
        taken = f"the clips' {rows[0].rate} Hz was taken for its own; --sample-rate says it"
        print(f"note: {told}: {taken}", file=sys.stderr)
    overridden = [row for row in rows if row.rate != row.own_rate]
    if overridden:
        first, more = overridden[0], len(overridden) - 1
        others = f", and {more} more likewise" if more else ""
        told = f"{first.file} says {first.own_rate} Hz and was taken as {first.rate} Hz{others}"
        print(f"note: {told}; nothing was resampled", file=sys.stderr)
