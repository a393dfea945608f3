"""The commands ``train`` and ``evaluate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from leaf_port._cli.text import printable
from leaf_port.errors import LeafError

_CONFIGS = "leaf, leaf_custom, mel, sincnet, sincnet_plus, tfbanks"


def train(
    data: Annotated[
        Path,
        typer.Option("--data", metavar="FOLDER", help="Recordings; see below for the layouts."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="The run's folder, a new one.")
    ],
    config: Annotated[
        str, typer.Option(metavar="NAME", help=f"The official configuration: {_CONFIGS}.")
    ] = "leaf",
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="convnet, pann, efficientnet_b0 or timm:NAME. Default: the configuration's.",
        ),
    ] = None,
    filters: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Channels of ConvNet's blocks. Default: 64,128,256,256,512,512.",
        ),
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(metavar="P", help="Of the encoder. Default: the official one.")
    ] = None,
    n_filters: Annotated[int, typer.Option(metavar="N", help="Of the frontend.")] = 40,
    seq_len: Annotated[
        int | None,
        typer.Option(metavar="SAMPLES", help="Length of an example. Default: one second."),
    ] = None,
    epochs: Annotated[int, typer.Option(metavar="N")] = 10,
    steps_per_epoch: Annotated[
        int | None, typer.Option(metavar="N", help="Steps of an epoch. Default: all clips.")
    ] = None,
    batch_size: Annotated[
        int, typer.Option(metavar="N", help="Clips of a step, over all processes.")
    ] = 64,
    learning_rate: Annotated[float, typer.Option(metavar="LR", help="Adam's.")] = 1e-4,
    seed: Annotated[int, typer.Option(metavar="N")] = 0,
    compression: Annotated[
        str | None, typer.Option(metavar="NAME", help="Leaf's: pcen, log, stable_pcen.")
    ] = None,
    spec_augment: Annotated[
        bool | None,
        typer.Option(help="Whether features are masked and warped. Default: the configuration's."),
    ] = None,
    augment: Annotated[
        bool,
        typer.Option("--augment", help="Gain, noise, shift, polarity: torch-audiomentations."),
    ] = False,
    loudness: Annotated[
        bool, typer.Option(help="Whether the clips' loudness is normalised, as officially.")
    ] = True,
    validation: Annotated[
        str,
        typer.Option(
            metavar="auto|test",
            help="auto: the layout's list, or a tenth of the clips for training. test: those of "
            "the test, as the official example does where there is no other.",
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda or xla.")] = "cpu",
    precision: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Of the encoder: float32, bfloat16, float16. Frontend: float32."
        ),
    ] = "float32",
    workers: Annotated[
        int, typer.Option(metavar="N", help="Processes that read clips. 0: they stay in memory.")
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run of --out, to the same numbers.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out, and count, files that cannot be used.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's files into the run's folder.")
    ] = False,
    about: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The data's name and licence, for the model's card."),
    ] = None,
) -> None:
    """Trains a classifier by the official recipe (example/train.py).

    Layouts of --data. Speech Commands: a folder a label, `validation_list.txt` and
    `testing_list.txt`. VoxCeleb1: `iden_split.txt`. AudioSet: `class_labels_indices.csv`,
    `balanced_train_segments.csv`, `eval_segments.csv`.

    Random crop or zeros to --seq-len, loudness normalisation, Adam. The model of the best
    validation score is in OUT/best, for `AudioClassifier.from_pretrained`, which returns it in
    evaluation mode. A run that was killed goes on with --resume. Several processes: torchrun.
    """
    from leaf_port._cli import training_run

    given = {
        "config": config,
        "encoder": encoder,
        "dropout": dropout,
        "n_filters": n_filters,
        "seq_len": seq_len,
        "epochs": epochs,
        "steps_per_epoch": steps_per_epoch,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "compression": compression,
        "spec_augment": spec_augment,
        "loudness": loudness,
        "precision": precision,
    }
    if filters is not None:
        given["filters"] = filters
    how = training_run.How(
        device, workers, resume, skip_bad, augment, tensorboard, validation, about
    )
    _reported(lambda: training_run.train(data, out, given, how))


def evaluate(
    model: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, or its best model's.")
    ],
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", help="Recordings.")],
    split: Annotated[str, typer.Option(metavar="NAME", help="train, validation or test.")] = "test",
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda or xla.")] = "cpu",
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Where to draw the confusion matrix.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")] = False,
) -> None:
    """Accuracy, its 95 % interval and the confusion matrix of a trained model."""
    from leaf_port._cli import training_run

    _reported(lambda: training_run.evaluate(model, data, split, device, plot, force))


def _reported(act: Any) -> None:
    try:
        act()
    except LeafError as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        raise typer.Exit(2) from error
