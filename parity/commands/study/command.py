"""Trains the cells that are left, and writes the report."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import leaf_port
from leaf_port import _publish
from leaf_port.errors import LeafError
from leaf_port.training.checking import checked
from leaf_port.training.corpus import TEST, Corpus
from leaf_port.training.layouts import read_corpus
from leaf_port.training.recipe import Recipe
from parity.commands.accuracy import loop
from parity.commands.accuracy.experiment import Experiment
from parity.commands.accuracy.loop import Job, Side, Tell
from parity.commands.study import keywords, pictures, report, variants
from parity.commands.study.cells import KEYWORDS, Cell
from parity.commands.study.side import Watched

OWNER = "study"
COUNTS = (300, 30, 60)
"""Of each keyword's clips, for training, validation and test."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command was given; see its help."""

    out: Path
    data: Sequence[Path] = ()
    epochs: int = 6
    seconds: float = 0.5
    counts: tuple[int, int, int] = COUNTS
    batch_size: int = 8
    learning_rate: float = 1e-3
    minutes: float | None = None
    threads: int = 1


def names(data: Sequence[Path], on: Sequence[str] = ()) -> list[str]:
    """Of the data sets, which are the folders' and that of the keywords; or those of ``on``.

    Raises:
        LeafError: two of one name, or one of ``on`` that there is not.
    """
    found = [*(_name(path) for path in data), KEYWORDS]
    for name in found:
        if found.count(name) > 1:
            expected, fix = "folders of different names, none called keywords", "rename one"
            raise LeafError(OWNER, "--data", expected, name, fix)
    for name in on:
        if name not in found:
            fix = "give its folder by --data"
            raise LeafError(OWNER, "--on", f"one of {', '.join(found)}", name, fix)
    return list(on) or found


def _name(folder: Path) -> str:
    return folder.resolve().name


def run(options: Options, cells: Sequence[Cell], tell: Tell) -> bool:
    """Trains the cells that are not finished; True if none is left.

    Raises:
        LeafError: bad data, or another experiment's folder.
    """
    torch.set_num_threads(options.threads)
    experiment = Experiment(options.out, OWNER)
    experiment.begin(_settings(options))
    corpora = dict(_corpora(options, {cell.data for cell in cells}, tell))
    end = None if options.minutes is None else time.monotonic() + 60.0 * options.minutes
    for number, cell in enumerate(cells, 1):
        corpus, rate = corpora[cell.data]
        opened = functools.partial(_side, cell, _recipe(options, cell, rate), corpus)
        told = {**dataclasses.asdict(cell), "data_digest": corpus.digest(), "sample_rate": rate}
        job = Job(cell.name, told, opened, options.epochs, options.threads, may_diverge=True)
        loop.finish(experiment, job, loop.headed(tell, f"[{number}/{len(cells)}] "), end)
    left = [cell.name for cell in cells if not experiment.finished(cell.name)]
    if left:
        tell(f"not finished: {len(left)} of {len(cells)}; the same command goes on")
    return not left


def _settings(options: Options) -> dict[str, Any]:
    return {
        "epochs": options.epochs,
        "seconds": options.seconds,
        "keywords": list(options.counts),
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "encoder": list(variants.ENCODER),
    }


def _corpora(
    options: Options, wanted: set[str], tell: Tell
) -> Iterator[tuple[str, tuple[Corpus, int]]]:
    """The data sets with their sample rates; the keywords are made where they are not there."""
    if KEYWORDS in wanted:
        folder = options.out / KEYWORDS
        if not folder.exists():
            tell(f"makes the keywords: {folder}")
        keywords.write(folder, round(options.seconds * keywords.RATE), options.counts)
        yield KEYWORDS, checked(read_corpus(folder), False, tell)
    for path in options.data:
        if _name(path) in wanted:
            corpus, rate = checked(read_corpus(path), False, tell)
            if corpus.several or not corpus.splits.get(TEST):
                expected, got = "one label a clip, and testing_list.txt", "another data set"
                raise LeafError(OWNER, str(path), expected, got, "give one like fsdd")
            yield _name(path), (corpus, rate)


def _recipe(options: Options, cell: Cell, rate: int) -> Recipe:
    return Recipe(
        filters=variants.ENCODER,
        sample_rate=rate,
        seq_len=round(options.seconds * rate),
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=cell.seed,
    )


@contextlib.contextmanager
def _side(
    cell: Cell, recipe: Recipe, corpus: Corpus, tell: Tell
) -> Iterator[tuple[Side, Mapping[str, str]]]:
    versions = {"leaf_port": leaf_port.__version__, "torch": str(torch.__version__)}
    yield Watched(cell, recipe, corpus, tell), versions


def write_report(out: Path) -> list[Path]:
    """Writes what is finished as Markdown and pictures, in place of an earlier report's.

    Raises:
        LeafError: no experiment's folder, or nothing finished.
    """
    experiment = Experiment(out, OWNER)
    settings, results = experiment.settings(), experiment.results()
    if not results:
        fix = "train first: python -m parity study --data FOLDER --out FOLDER"
        raise LeafError(OWNER, str(out), "finished trainings", "none", fix)
    folder = out / "report"
    folder.mkdir(exist_ok=True)
    written = pictures.draw(results, folder)
    text = report.markdown(settings, results, [path.name for path in written])
    with _publish.new_file(folder / "study.md") as made:
        made.write_text(text, encoding="utf-8")
    return [folder / "study.md", *written]
