"""``run``, ``cases``, ``machines`` and ``report``: against recorded answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parity import report
from parity.commands.cli.options import Layers, chosen_layers
from parity.port import backends


def run(
    layer: Layers = None,
    case: Annotated[
        str | None, typer.Option(help="Only the case of this name; `cases` lists them.")
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Where the port runs: {', '.join(backends.TABLE)}; may be given several times. "
            "By default all that run here but compiled, exported and onnx, which take long."
        ),
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=1, help="Only the first cases of each layer, so many.")
    ] = None,
    tight: Annotated[
        bool,
        typer.Option(
            "--tight",
            help="Refuse bounds of more than 3 times the worst of this run and of the machines "
            "whose runs were kept.",
        ),
    ] = False,
    worst: Annotated[
        Path | None, typer.Option(help="Write the worst distance of each bound to this new file.")
    ] = None,
) -> None:
    """Check the port against the recorded official answers; exit code 1 if anything is off."""
    from parity.commands.machines import outcome  # what no other run needs

    told = outcome.writer(worst)
    ok = report.run(chosen_layers(layer), case, report.console(), backend or (), tight, first, told)
    raise typer.Exit(0 if ok else 1)


def cases(
    layer: Layers = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, for other programs.")] = False,
) -> None:
    """List the cases that `run --case` takes: layer, case and few words, between tabs."""
    from parity.commands import cases as listing

    listing.show(chosen_layers(layer), json)


def machines(
    layer: Layers = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(help="Only this setting, by its name; may be given several times."),
    ] = None,
    rotate: Annotated[
        float | None,
        typer.Option(min=0, help="Only as many as fit into so many minutes, others each day."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Add the worst values to the record (for maintainers).")
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table to this new file too, for documentation.")
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Run nothing; print the settings and what is missing.")
    ] = False,
) -> None:
    """Run the recorded suite as other processors would: other vector instructions, other threads.

    Each setting that this machine can play is run in a process of its own: torch's and NumPy's
    levels, oneDNN's and MKL's, several threads. Exit code 1 if anything is off in any of them.
    """
    from parity.commands.machines import command

    chosen = command.chosen(setting)
    if list_:
        command.show(chosen, report.console())
        return
    names = [spec.name for spec in chosen_layers(layer)] if layer else []
    options = command.Options(names, rotate, keep, markdown)
    raise typer.Exit(0 if command.run(chosen, options, report.console()) else 1)


def report_(
    layer: Layers = None,
    html: Annotated[
        Path | None, typer.Option(help="The page; parity-report.html with neither of the two.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="All figures; parity-report.json with neither.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    audio: Annotated[
        Path | None,
        typer.Option(help="A WAV or FLAC for the page, if the live official code is at hand."),
    ] = None,
) -> None:
    """Check as `run` does, and write what was found as a page and as JSON.

    With LEAF_REFERENCE_PYTHON and LEAF_AUDIO_PATH set as for `record`, --audio goes through the
    live official code; else the page shows a recorded clip. Exit code 1 if anything is off.
    """
    from parity.report import command as report_command  # matplotlib: the other commands need none

    outputs = report_command.Outputs.chosen(html, json, force)
    ok = report_command.run(chosen_layers(layer), outputs, audio, report.console())
    raise typer.Exit(0 if ok else 1)
