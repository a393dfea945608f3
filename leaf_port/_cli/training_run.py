"""What ``train`` and ``evaluate`` do, apart from their options."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from leaf_port._cli.text import printable
from leaf_port.errors import LeafError
from leaf_port.training.checking import checked
from leaf_port.training.clips import Clips
from leaf_port.training.corpus import SPLITS, TRAIN, Corpus
from leaf_port.training.layouts import read_corpus
from leaf_port.training.loop import Augment, Trainer
from leaf_port.training.measures import Measures
from leaf_port.training.processes import Processes, joined
from leaf_port.training.recipe import Recipe
from leaf_port.training.run import Options
from leaf_port.training.run import train as run_training
from leaf_port.training.run_folder import RUN, RunFolder, read_json


@dataclass(frozen=True)
class How:
    """Options of ``train`` that are no part of the recipe."""

    device: str
    workers: int
    resume: bool
    skip_bad: bool
    augment: bool
    tensorboard: bool
    validation: str
    about: str | None


def train(data: Path, out: Path, given: Mapping[str, Any], how: How) -> None:
    """Trains, and prints how good the best model is."""
    given = {**given, **({"filters": _numbers(given["filters"])} if "filters" in given else {})}
    device = device_of(how.device)
    with joined(device.type, int(given["batch_size"])) as processes:
        say = _say if processes.first else _nothing
        corpus = read_corpus(data, _validation(how.validation))
        corpus, rate = checked(corpus, how.skip_bad, say)
        recipe = Recipe(sample_rate=rate, **given)
        _describe(corpus, recipe, say)
        options = Options(how.workers, cache=how.workers == 0, tell=say, about=how.about)
        augment, name = _augment(how.augment)
        found = run_training(
            recipe,
            corpus,
            out,
            device=device,
            resume=how.resume,
            processes=processes,
            augment=augment,
            augment_name=name,
            options=options,
        )
        if processes.first:
            _finish(out, corpus, found, how.tensorboard)


def _finish(out: Path, corpus: Corpus, found: Mapping[str, Measures], tensorboard: bool) -> None:
    from leaf_port._cli import training_pictures

    folder = RunFolder(out)
    results = {split: measures.as_dict() for split, measures in found.items()}
    folder.write_json("results.json", results)
    epochs = folder.metrics()
    training_pictures.draw(epochs, out)
    if tensorboard:
        training_pictures.write_tensorboard(epochs, out / "tensorboard")
    for split, measures in found.items():
        print(f"{split}: {told(measures)}")
    print(f"best model: {out / 'best'}")
    print(f'load it: AudioClassifier.from_pretrained("{out / "best"}")  # in evaluation mode')


def evaluate(
    model: Path, data: Path, split: str, device: str, plot: Path | None, force: bool
) -> None:
    """Prints how good a run's best model is on a split."""
    if split not in SPLITS:
        raise _refusal("--split", f"one of {', '.join(SPLITS)}", split, "check the name")
    if plot is not None and plot.exists() and not force:
        raise _refusal(f"--plot {plot}", "a file that does not exist yet", "one", "give --force")
    folder = RunFolder(model if (model / RUN).exists() else model.parent)
    told_by = read_json(folder.path / RUN)
    known = {**told_by["recipe"], "filters": tuple(told_by["recipe"]["filters"])}
    recipe = Recipe(**known)
    corpus = read_corpus(data)
    if list(corpus.labels) != told_by["labels"]:
        expected = f"the run's {len(told_by['labels'])} labels"
        got = f"{len(corpus.labels)}: {', '.join(corpus.labels)[:100]}"
        raise _refusal(f"--data {data}", expected, got, "give the data set of the training")
    if not corpus.splits.get(split):
        raise _refusal(f"--data {data}", f"clips for {split}", "none", "give another --split")
    found = _evaluated(folder, recipe, corpus, split, device_of(device))
    print(f"{split}: {told(found)}")
    _print_labels(corpus, found)
    if plot is not None:
        from leaf_port._cli import training_pictures

        training_pictures.draw_confusion(found, corpus.labels, plot)
        print(plot)


def _evaluated(
    folder: RunFolder, recipe: Recipe, corpus: Corpus, split: str, device: torch.device
) -> Measures:
    from leaf_port.models import AudioClassifier

    model = AudioClassifier.from_pretrained(folder.best).to(device)
    clips = Clips(
        corpus, split, recipe.sample_rate, recipe.length, seed=recipe.seed, loudness=recipe.loudness
    )
    return Trainer(recipe, model, device, Processes()).evaluate(clips)


def told(found: Measures) -> str:
    """Measures in words."""
    if found.interval is None:
        return f"mean average precision {found.score:.3f}, {found.count} clips"
    low, high = found.interval
    return f"accuracy {found.score:.2%} (95 %: {low:.2%} to {high:.2%}), {found.count} clips"


def _print_labels(corpus: Corpus, found: Measures) -> None:
    """A line a label: recall or average precision, and what it is most often taken for."""
    for i, label in enumerate(corpus.labels):
        value = float(found.by_label[i])
        if math.isnan(value):
            continue
        more = ""
        if found.confusion is not None:
            row = found.confusion[i].clone()
            row[i] = 0
            if row.any():
                other = int(row.argmax())
                more = f"  most often taken for {corpus.labels[other]} ({int(row[other])})"
        print(f"  {printable(label)}: {value:.1%}{more}")


def device_of(name: str) -> torch.device:
    """The device of an option.

    Raises:
        LeafError: none of that name, or not on this machine.
    """
    if name == "xla":
        try:
            import torch_xla
        except ImportError as error:
            fix = "python -m pip install torch_xla==2.9.0"
            raise _refusal("--device", "torch_xla, installed", "none", fix) from error
        found: torch.device = torch_xla.device()
        return found
    if name not in ("cpu", "cuda"):
        raise _refusal("--device", "cpu, cuda or xla", name, "check the name")
    if name == "cuda" and not torch.cuda.is_available():
        raise _refusal("--device", "a CUDA device", "none that torch finds", "train on cpu")
    return torch.device(name)


def _describe(corpus: Corpus, recipe: Recipe, say: Any) -> None:
    counts = ", ".join(f"{len(items)} {name}" for name, items in corpus.splits.items())
    say(f"{len(corpus.labels)} labels, {recipe.sample_rate} Hz, clips: {counts}")
    for note in corpus.notes:
        say(f"note: {note}")
    least = min(
        sum(label in item.labels for item in corpus.splits[TRAIN])
        for label in range(len(corpus.labels))
    )
    if least == 1:
        say("note: a label has one clip to train on")


def _augment(wanted: bool) -> tuple[Augment | None, str | None]:
    if not wanted:
        return None, None
    from leaf_port.training.augmentation import NAME, augmentation

    return augmentation(), NAME


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise _refusal("--filters", "integers, such as 64,128", text, "mend it") from error


def _validation(given: str) -> str:
    if given not in ("auto", "test"):
        raise _refusal("--validation", "auto or test", given, "check the name")
    return given


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _nothing(line: str) -> None:
    pass


def _refusal(argument: str, expected: str, got: object, fix: str) -> LeafError:
    return LeafError("train", argument, expected, got, fix)
