"""``training``, ``accuracy`` and ``study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from parity import report

Save = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Train nothing; add what is finished to one file."),
]
Load = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Train nothing; fill OUT from such a file.")
]


def training(
    model: Annotated[
        list[str] | None, typer.Option(help="Only this model; may be given several times.")
    ] = None,
    step: Annotated[int | None, typer.Option(help="Only this recorded step.")] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="Where the port runs: cpu (default), cuda or xla.")
    ] = None,
    drift: Annotated[
        bool, typer.Option(help="Train the port by itself too, and show how far it drifts.")
    ] = True,
    record: Annotated[
        bool,
        typer.Option("--record", help="Have the official code train instead (for maintainers)."),
    ] = False,
) -> None:
    """Check that one step of training is the official one, from the same weights on the same batch.

    Exit code 0 if it is, 1 if not. With --record it needs LEAF_REFERENCE_PYTHON and
    LEAF_AUDIO_PATH, as `record` does.
    """
    from parity.commands.training import command, models  # what no other command needs

    chosen = [models.named(name) for name in model or models.MODELS]
    if record:
        command.record(chosen, Console(stderr=True))
        return
    ok = command.run(chosen, step, backend or (), drift, report.console())
    raise typer.Exit(0 if ok else 1)


def accuracy(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The experiment's folder.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help="Recordings, as `leaf_port train` takes them."
        ),
    ] = None,
    side: Annotated[
        list[str] | None, typer.Option(help="official or port; both by default.")
    ] = None,
    frontend: Annotated[
        list[str] | None,
        typer.Option(
            help="leaf, mel, sincnet_plus or tfbanks; may be given several times. Default: all."
        ),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="May be given several times. Default: 0, 1 and 2.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 25,
    seq_len: Annotated[
        int | None,
        typer.Option(min=1, metavar="SAMPLES", help="Of an example. Default: one second."),
    ] = None,
    filters: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…", help="Channels of ConvNet's blocks. Default: 64,128,256,256,512,512."
        ),
    ] = None,
    learning_rate: Annotated[float, typer.Option(min=0, help="Adam's.")] = 1e-4,
    validation: Annotated[
        str,
        typer.Option(
            metavar="auto|test", help="As in `leaf_port train`: auto holds a tenth out for it."
        ),
    ] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Of either side.")] = 1,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Begin no epoch after so many; the same command goes on."),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Train nothing; print what is finished, as Markdown.")
    ] = False,
    save: Save = None,
    load: Load = None,
) -> None:
    """Train official code and port on the same recordings, and compare their accuracies.

    Both take the official recipe, the same clips in the same order, filters made for 16 kHz. Each
    side, frontend and seed is one training, whose result is a file in OUT/results. A run that was
    killed goes on after its last epoch. The official side needs LEAF_REFERENCE_PYTHON and
    LEAF_AUDIO_PATH. Exit code 1 if something is left to train.
    """
    from leaf_port import _publish
    from parity.commands.accuracy import cells, command, loop  # what no other command needs

    _in_one_file(command.OWNER, out, save, load)
    if table:
        typer.echo(command.show(out), nl=False)
    if table or save or load:
        return
    chosen = list(cells.chosen(side or (), frontend or (), seed or ()))
    options = command.Options(
        out,
        data,
        epochs,
        seq_len,
        cells.channels(filters),
        learning_rate,
        validation=validation,
        threads=threads,
        minutes=minutes,
    )
    with _publish.ended_cleanly():
        whole = command.run(options, chosen, loop.say)
    raise typer.Exit(0 if whole else 1)


def study(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The study's folder.")],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Recordings, as `leaf_port train` takes them; may be given several times.",
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(help="keywords, or the name of one of these folders. Default: all."),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            help="exact, frozen, faster_filters, speechbrain, autrainer or mel_filterbanks; may be "
            "given several times. Default: all but faster_filters."
        ),
    ] = None,
    initial: Annotated[
        list[str] | None, typer.Option(help="mel, bark, linear or constant. Default: all.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="May be given several times. Default: 0, 1 and 2.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 6,
    batch_size: Annotated[int, typer.Option(min=1)] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Adam's.")] = 1e-3,
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 1,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Begin no epoch after so many; the same command goes on."),
    ] = None,
    report_only: Annotated[
        bool,
        typer.Option("--report", help="Train nothing; write OUT/report of what is finished."),
    ] = False,
    save: Save = None,
    load: Load = None,
) -> None:
    """Does LEAF learn its filters? Train it, and it with public ports' faults, and measure.

    On recordings, and on keywords made here whose information lies in a known band: from filters on
    several scales, accuracy and how far the filters move. Each training's result is a file in
    OUT/results. A run that was killed goes on after its last epoch. Exit code 1 if something is
    left to train.
    """
    from leaf_port import _publish
    from parity.commands.accuracy import loop
    from parity.commands.study import cells, command  # what no other command needs

    _in_one_file(command.OWNER, out, save, load)
    if report_only:
        for path in command.write_report(out):
            typer.echo(path)
    if report_only or save or load:
        return
    names = command.names(data or (), on or ())
    chosen = list(cells.chosen(names, variant or (), initial or (), seed or ()))
    options = command.Options(
        out,
        data or (),
        epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        minutes=minutes,
        threads=threads,
    )
    with _publish.ended_cleanly():
        whole = command.run(options, chosen, loop.say)
    raise typer.Exit(0 if whole else 1)


def _in_one_file(owner: str, out: Path, save: Path | None, load: Path | None) -> None:
    """Fills an experiment's folder from a file, then adds what it has to a file; where asked."""
    from parity.commands.accuracy import one_file
    from parity.commands.accuracy.experiment import Experiment

    experiment = Experiment(out, owner)
    if load is not None:
        typer.echo(f"{load}: {one_file.load(load, experiment, owner)} trainings added to {out}")
    if save is not None:
        typer.echo(f"{save}: {one_file.save(experiment, save, owner)} trainings")
