"""Trains the cells that are left, and prints the table."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

import leaf_port
from leaf_port.errors import LeafError
from leaf_port.training.checking import checked
from leaf_port.training.corpus import TEST, Corpus
from leaf_port.training.layouts import read_corpus
from leaf_port.training.recipe import FILTERS
from parity.commands.accuracy import loop, table
from parity.commands.accuracy.cells import OFFICIAL, Cell, Settings
from parity.commands.accuracy.experiment import Experiment
from parity.commands.accuracy.loop import Job, Side, Tell
from parity.commands.accuracy.official import Official
from parity.commands.accuracy.port import Port

OWNER = "accuracy"


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command was given; see its help."""

    out: Path
    data: Path | None = None
    epochs: int = 25
    seq_len: int | None = None
    filters: tuple[int, ...] = FILTERS
    learning_rate: float = Settings.learning_rate
    validation: str = "auto"
    threads: int = 1
    minutes: float | None = None


def run(options: Options, cells: Sequence[Cell], tell: Tell) -> bool:
    """Trains the cells that are not finished; True if none is left.

    Raises:
        LeafError: bad data, another experiment's folder, or no official code where it is asked.
    """
    if options.data is None:
        raise LeafError(OWNER, "--data", "a folder of recordings", "none", "give it, or --table")
    torch.set_num_threads(options.threads)
    corpus, rate = checked(read_corpus(options.data, options.validation), False, tell)
    _check(corpus, options.data)
    length = rate if options.seq_len is None else options.seq_len
    settings = Settings(
        rate,
        length,
        options.epochs,
        learning_rate=options.learning_rate,
        filters=options.filters,
    )
    experiment = Experiment(options.out, OWNER)
    experiment.begin(settings.as_dict(corpus))
    end = None if options.minutes is None else time.monotonic() + 60.0 * options.minutes
    for number, cell in enumerate(cells, 1):
        opened = functools.partial(_side, cell, settings, corpus, options.threads)
        told = dataclasses.asdict(cell)
        job = Job(cell.name, told, opened, settings.epochs, options.threads)
        loop.finish(experiment, job, loop.headed(tell, f"[{number}/{len(cells)}] "), end)
    left = [cell.name for cell in cells if not experiment.finished(cell.name)]
    if left:
        tell(f"not finished: {', '.join(left)}; the same command goes on")
    return not left


def _check(corpus: Corpus, data: Path) -> None:
    """Refuses what has no accuracy, or no test."""
    if corpus.several:
        fix = "give recordings with one label each"
        raise LeafError(OWNER, str(data), "one label a clip", "several", fix)
    if not corpus.splits.get(TEST):
        fix = "add testing_list.txt"
        raise LeafError(OWNER, str(data), "clips for test", "none", fix)


@contextlib.contextmanager
def _side(
    cell: Cell, settings: Settings, corpus: Corpus, threads: int, tell: Tell
) -> Iterator[tuple[Side, dict[str, str]]]:
    """A new model of a cell, and what it is made by."""
    if cell.side == OFFICIAL:
        with Official(cell, settings, corpus, threads, tell) as official:
            yield official, official.versions
        return
    versions = {"leaf_port": leaf_port.__version__, "torch": str(torch.__version__)}
    yield Port(settings.recipe(cell), corpus, settings.recordings_rate, tell), versions


def show(out: Path) -> str:
    """The table of what is finished, as Markdown.

    Raises:
        LeafError: no experiment's folder, or nothing finished.
    """
    experiment = Experiment(out, OWNER)
    settings, results = experiment.settings(), experiment.results()
    if not results:
        fix = "train first: python -m parity accuracy --data FOLDER --out FOLDER"
        raise LeafError(OWNER, str(out), "finished trainings", "none", fix)
    return table.markdown(settings, results)
