"""The commands of ``python -m weight_conversion``."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from leaf_port._cli import tables
from leaf_port._cli.text import printable
from leaf_port.errors import LeafError
from weight_conversion.cli import written
from weight_conversion.cli.import_command import import_
from weight_conversion.cli.inspect_command import inspect
from weight_conversion.official.asked import NotGivenError, in_full

if TYPE_CHECKING:
    from weight_conversion.official.convert import Converted
    from weight_conversion.verification.verify import Verification

    Verifying = tuple[Callable[[Path], None] | None, Sequence[Verification]]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Official TensorFlow checkpoints, without TensorFlow.",
)

app.command()(inspect)
app.command("import")(import_)

NOT_JUDGED = 3
"""Exit code: what could be compared agrees, and the packages that judge it are missing."""

_SOURCE = typer.Argument(help="A checkpoint, SavedModel folder, .h5 or .keras file.")
Given = Annotated[float | None, typer.Option(show_default=False)]
Count = Annotated[int | None, typer.Option(show_default=False)]


@app.callback()
def _commands() -> None:
    """Official TensorFlow checkpoints, without TensorFlow."""


def _plain(text: str) -> str:
    """Square brackets are not markup."""
    return text.replace("[", r"\[")


@app.command()
def convert(
    source: Annotated[Path, _SOURCE],
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    gin: Annotated[Path | None, typer.Option(help="The .gin file of the training.")] = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="The official default for what is not given.")
    ] = False,
    frontend: Annotated[
        str | None, typer.Option(help="leaf, tfbanks, sincnet, sincnet_plus, mel or none.")
    ] = None,
    sample_rate: Count = None,
    window_len: Given = None,
    window_stride: Given = None,
    n_filters: Count = None,
    n_fft: Count = None,
    min_freq: Given = None,
    max_freq: Given = None,
    compression: Annotated[str | None, typer.Option(help="log or none, without PCEN.")] = None,
    log_offset: Given = None,
    pcen_floor: Given = None,
    conv1d_cls: Annotated[str | None, typer.Option(help="Conv1d or NormalizedConv1d.")] = None,
    activation: Annotated[str | None, typer.Option(help="Of ConvNet, by Keras' name.")] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(
            metavar="FRAMES,FILTERS",
            help="That EfficientNetB0 was built for, or any: frames were None.",
        ),
    ] = None,
    dropout: Given = None,
    learn_filters: bool | None = None,
    learn_pooling: bool | None = None,
    spec_augment: bool | None = None,
    optimizer: Annotated[
        str | None, typer.Option(help="adam or adamw, where the checkpoint does not tell.")
    ] = None,
    no_optimizer: Annotated[
        bool, typer.Option("--no-optimizer", help="Leave the optimiser's state out.")
    ] = False,
    object_: Annotated[
        str | None,
        typer.Option("--object", help="The part to convert, by its name in the file: model."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an earlier conversion of this name.")
    ] = False,
    verify: Annotated[
        bool, typer.Option(help="Verify it as the command verify does, before it appears.")
    ] = True,
) -> None:
    """Convert a checkpoint to a folder of safetensors that leaf_port's from_pretrained loads.

    What a checkpoint does not tell is asked for by name: times in ms, frequencies in Hz.
    A conversion whose verification fails leaves no folder: exit code 1. Exit code 0 if it is
    verified, 2 if it is refused, 3 if it stands but there are no bounds to verify it by.
    """
    from weight_conversion.official import convert as converter
    from weight_conversion.official.settings import ARGUMENTS, Settings

    given = locals()
    settings = Settings({name: given[name] for name in ARGUMENTS}, gin, defaults)
    with _verified(source, verify) as (check, found):
        kind = False if no_optimizer else optimizer or True
        options: dict[str, Any] = {"force": force, "optimizer": kind, "wanted": object_}
        made = converter.convert(source, folder, settings, check=check, **options)
        _show_weights(made, Console())
        for line in _told(made):
            Console().print(line, markup=False, highlight=False, soft_wrap=True)
    for line in written.lines(folder, made.tree):
        print(printable(line))
    if not all(each.judged for each in found):
        raise typer.Exit(NOT_JUDGED)


@contextmanager
def _told_while(doing: str) -> Iterator[None]:
    """Says what is done, on stderr; off a terminal as a line."""
    console, told = Console(stderr=True), printable(doing)
    if not console.is_terminal:
        print(told, file=sys.stderr, flush=True)
    with console.status(_plain(told)):
        yield


@contextmanager
def _verified(source: Path, wanted: bool) -> Iterator[Verifying]:
    """What checks a conversion, and what it found; shown once the conversion stands, or falls."""
    from weight_conversion.cli import verify_table
    from weight_conversion.verification import verified_folder

    kept: list[Verification] = []

    def check(made: Path) -> None:
        with _told_while("verifying the conversion on each backend"):
            kept.append(verified_folder.check(made, source))

    try:
        yield (check if wanted else None), kept
    except verified_folder.NotVerifiedError as error:
        verify_table.show(error.found, Console())
        told = "nothing was written; --no-verify writes it, to look into"
        print(f"error: convert: the converted model is off; {told}", file=sys.stderr)
        raise typer.Exit(1) from None
    for found in kept:
        verify_table.show(found, Console())


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A folder that convert made.")],
    source: Annotated[
        Path | None, typer.Option(help="The checkpoint that it was converted from.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="A mono wav or flac at the model's rate: its first 3 s.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the clips.")] = 2026,
    json: Annotated[bool, typer.Option(help="As JSON, for other programs.")] = False,
) -> None:
    """Compare a converted model's answers: backends, exact oracle, live official code.

    Writes verification.json into the folder, in the place of an earlier one. Exit code 0 if all are
    within the declared bounds, 1 if anything is off, 2 for bad input, 3 without bounds.
    """
    from weight_conversion.cli import verify_table
    from weight_conversion.verification import verified_folder

    with _told_while(f"verifying {folder}"):
        found = verified_folder.verify_folder(folder, source, audio, seed)
    if json:
        print(json_format.dumps(found.as_dict(), indent=1, allow_nan=False))
    else:
        verify_table.show(found, Console())
    if not found.ok:
        raise typer.Exit(1)
    if not found.judged:
        raise typer.Exit(NOT_JUDGED)


def _show_weights(made: Converted, console: Console) -> None:
    """The table of the weights that were converted, and how many they are."""
    header = ("official", "PyTorch", "axes", "official shape")
    rows = [
        (row.path, row.key, "" if row.axes is None else str(row.axes), str(row.shape))
        for row in made.rows
    ]
    tables.show(header, rows, tables.folding(header, rows), console)
    moments = f"{made.moments} with {made.optimizer or 'Adam'}'s moments"
    print(f"{made.kind}: {len(made.rows)} weights, {moments}")


def _told(made: Converted) -> list[str]:
    """Which part of the file was converted, and what was not."""
    part = [] if made.object == "." else [made.object]
    lines = [f"converted: {', '.join([*made.notes, *part])}"] if made.notes or part else []
    lines += [f"not converted: {each}" for each in made.left_out]
    return [line if line.isprintable() else ascii(line) for line in lines]


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A folder that convert made.")],
    prefix: Annotated[Path, typer.Argument(help="Of the checkpoint's files.")],
) -> None:
    """Write a TensorFlow checkpoint that the official code's load_weights takes.

    Needs the official code: LEAF_REFERENCE_PYTHON is an interpreter with TensorFlow,
    LEAF_AUDIO_PATH a checkout of google-research/leaf-audio. Both load it to prove it.
    """
    from weight_conversion.reference.export import export as exporter

    count = exporter(folder, prefix)
    line = f"{prefix}: {count} weights, loaded by the official code, the same bits"
    Console().print(line, markup=False, soft_wrap=True)


@app.command(hidden=True)
def record(
    name: Annotated[list[str] | None, typer.Argument(help="Recipes; all by default.")] = None,
) -> None:
    """Have the official code make the recorded checkpoints again (for maintainers).

    LEAF_REFERENCE_PYTHON is an interpreter with TensorFlow, LEAF_AUDIO_PATH a checkout of
    google-research/leaf-audio.
    """
    from weight_conversion.reference import record as recorder

    recorder.record(name or [], recorder.RECORDINGS, Console(stderr=True))


def run(program: str) -> None:
    """Runs the command; an error of ours is one line and exit code 2."""
    try:
        app(prog_name=program)
    except NotGivenError as error:
        print(in_full(error, [program, *sys.argv[1:]]), file=sys.stderr)
        raise SystemExit(2) from None
    except LeafError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
