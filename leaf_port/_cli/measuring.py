"""The commands that say how fast a machine is, and why: ``info`` and ``benchmark``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from leaf_port._cli import benchmark as timing
from leaf_port._cli import benchmark_chart, benchmark_peers
from leaf_port._cli import info as told
from leaf_port._cli.text import printable
from leaf_port.errors import LeafError

SHAPES = ("8x16000", "32x16000", "1x160000")


def info() -> None:
    """Which way the frontends compute on this machine, and why."""
    for name, value in told.lines():
        print(f"{name}: {value}")


def benchmark(
    shape: Annotated[
        list[str] | None,
        typer.Option(metavar="BATCHxSAMPLES", help="Of the waveforms; may be repeated."),
    ] = None,
    frontend: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="May be repeated. Default: all.")
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar=benchmark_peers.FORM,
            help="Another frontend, as Python builds it; may be repeated. Its code is run.",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="The medians are of so many.")] = 7,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    memory: Annotated[bool, typer.Option(help="Measure memory, in fresh processes.")] = True,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all of it there.")
    ] = None,
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw a chart: .png or .svg.")
    ] = None,
) -> None:
    """Time and memory of the frontends, as ratios to a mel spectrogram of the same run.

    Frontends take turns, so whatever else the machine does meets all of them. Ratios are of the
    processor's time. With several threads set OMP_WAIT_POLICY=passive: spinning threads count as
    busy.
    """
    try:
        names = _names(frontend)
        names += [each for each in peer or () if timing.shown(each)]
        for path in (json_file, chart):
            _new(path)
        torch.set_num_threads(threads)
        shapes = list(shape or SHAPES)
        for each in shapes:
            timing.shape_of(each)
        found = [row for each in shapes for row in _told(each, names, rounds)]
    except LeafError as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        raise typer.Exit(2) from error
    console = Console()
    console.print(benchmark_chart.table(found))
    peaks = dict(_peaks(shapes, names)) if memory else {}
    for key, value in peaks.items():
        console.print(
            f"memory, {key}: " + ("not told" if value is None else f"{value / 2**20:.0f} MiB")
        )
    console.print(timing.processor(), highlight=False)
    if json_file is not None:
        json_file.write_text(timing.as_json(found, peaks), encoding="utf-8")
    if chart is not None:
        benchmark_chart.draw(found, chart)


def _names(asked: Sequence[str] | None) -> list[str]:
    known = [name for name in timing.FRONTENDS if name != timing.MEL]
    for name in asked or ():
        if name not in known:
            expected = "one of " + ", ".join(map(repr, known))
            raise LeafError("benchmark", "--frontend", expected, repr(name), "give one of them")
    return list(asked or known)


def _new(path: Path | None) -> None:
    if path is not None and (path.exists() or not path.absolute().parent.is_dir()):
        expected, fix = "a new file in a folder that exists", "give another name"
        raise LeafError("benchmark", "output", expected, str(path), fix)


def _told(shape: str, names: Sequence[str], rounds: int) -> list[timing.Timing]:
    print(f"timing {shape}", file=sys.stderr, flush=True)
    return list(timing.run(shape, names, rounds))


def _peaks(shapes: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    for shape in shapes:
        for name in names:
            for training in (False, True):
                way = "with gradient" if training else "forward"
                key = f"{timing.shown(name)}, {shape}, {way}"
                print(f"measuring memory: {key}", file=sys.stderr, flush=True)
                yield key, timing.memory(name, shape, training)
