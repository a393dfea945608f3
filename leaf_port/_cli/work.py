"""What is done for one clip, in this process or in another one."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from leaf_port._cli import summary
from leaf_port._cli.audio import Float32, check_clip, opened, read_clip
from leaf_port._cli.extraction import Extractor, Features
from leaf_port._cli.frontends import Asked
from leaf_port._cli.long_clips import LongClip, is_long
from leaf_port._cli.outputs import write_file
from leaf_port.errors import LeafError


@dataclass(frozen=True)
class Recipe:
    """What an extractor is made from, in every process the same.

    Attributes:
        asked: the options of the frontend.
        sample_rate: to use instead of the clips' own, in Hz.
        weights: of the frontend; None for the initial ones.
        mono: whether clips of several channels are taken.
        weights_rate: that weights which tell none are taken for: the first clip's, in Hz.
    """

    asked: Asked
    sample_rate: int | None = None
    weights: Path | None = None
    mono: bool = False
    weights_rate: int | None = None

    def extractor(self) -> Extractor:
        """A new one.

        Raises:
            LeafError: what :class:`~leaf_port._cli.extraction.Extractor` refuses.
        """
        made = Extractor.of_options(self.asked, self.sample_rate, self.weights, self.mono)
        made.weights_rate = self.weights_rate
        return made


@dataclass(frozen=True)
class Output:
    """A file to write: under which name, and what it is to be called in the end."""

    temporary: Path
    final: Path


@dataclass(frozen=True)
class Task:
    """A clip, the files to write for it, and whether its features are to be given back."""

    clip: Path
    array: Output | None = None
    picture: Output | None = None
    keep: bool = False

    def __str__(self) -> str:
        return str(self.clip)


@dataclass(frozen=True)
class Done:
    """A clip's line of the summary, and its features ``(frames, filters)`` if they were to stay."""

    row: summary.Row
    values: Float32 | None = None


def compute(extractor: Extractor, task: Task) -> Done:
    """Computes and writes one clip; a long one block by block, where no picture needs it whole.

    Raises:
        LeafError: a clip that cannot be read or computed, a file that cannot be written.
    """
    if task.picture is None and is_long(task.clip, extractor.mono):
        clip = LongClip(extractor, task.clip)
        if clip.can_stream():
            return _long(clip, task)
    features = extractor(read_clip(task.clip, extractor.mono))
    _write(task, features)
    return Done(summary.row(features), features.values if task.keep else None)


def check(mono: bool, task: Task) -> bool:
    """Refuses a clip that cannot be read."""
    check_clip(task.clip, mono)
    return True


def first_rate(clips: Iterable[Path], mono: bool) -> int | None:
    """The sample rate of the first clip that can be opened, in Hz."""
    for clip in clips:
        try:
            with opened(clip, mono) as sound:
                return sound.sample_rate
        except LeafError:
            continue
    return None


def _long(clip: LongClip, task: Task) -> Done:
    if task.keep:
        kept = io.BytesIO()
        row = clip.write(kept)
        kept.seek(0)
        return Done(row, np.load(kept, allow_pickle=False))
    if task.array is None:
        return Done(clip.write(None))
    rows: list[summary.Row] = []
    write: Callable[[BinaryIO], object] = lambda stream: rows.append(clip.write(stream))  # noqa: E731
    write_file(task.array.temporary, task.array.final, write)
    return Done(rows[0])


def _write(task: Task, features: Features) -> None:
    if task.array is not None:
        save = partial(_save, features.values)
        write_file(task.array.temporary, task.array.final, save)
    if task.picture is not None:
        from leaf_port._cli import plot  # needs matplotlib

        draw = partial(plot.write_picture, plot.draw(features))
        write_file(task.picture.temporary, task.picture.final, draw)


def _save(values: Float32, stream: BinaryIO) -> None:
    np.save(stream, values, allow_pickle=False)
