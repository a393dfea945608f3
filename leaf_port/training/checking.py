"""Reads every file of a data set once, so that nothing fails in the middle of a training."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator

from leaf_port.errors import LeafError
from leaf_port.training.clips import read_samples
from leaf_port.training.corpus import Corpus

Tell = Callable[[str], None]


def checked(corpus: Corpus, skip_bad: bool, tell: Tell = print) -> tuple[Corpus, int]:
    """The data set without files that cannot be used, and the sample rate of the others.

    The rate is that of most files.

    Args:
        corpus: as its lists say.
        skip_bad: whether such files are left out and counted; else the first one is raised.
        tell: is called with each line of progress.

    Raises:
        LeafError: a file that is no mono audio, silent, cut short, or of another rate.
    """
    files = sorted({item.file for items in corpus.splits.values() for item in items})
    rates: dict[str, int] = {}
    bad: dict[str, LeafError] = {}
    for file in _told(files, tell):
        try:
            rates[file] = _rate(corpus, file)
        except LeafError as error:
            bad[file] = error
    rate = Counter(rates.values()).most_common(1)[0][0] if rates else 0
    for file, found in rates.items():
        if found != rate:
            expected, fix = f"{rate} Hz, as most files", "resample it, or give --skip-bad"
            path = str(corpus.folder / file)
            bad[file] = LeafError("train", path, expected, f"{found} Hz", fix)
    if bad and not skip_bad:
        first = bad[min(bad)]
        more = f" (and {len(bad) - 1} more files like it)" if len(bad) > 1 else ""
        fix = f"{first.fix}{more}; --skip-bad leaves them out"
        raise LeafError("train", first.argument, first.expected, first.got, fix)
    for file in sorted(bad)[:10]:
        tell(f"left out: {bad[file]}")
    left = corpus.without(frozenset(bad))
    if bad:
        note = f"{len(bad)} of {len(files)} files cannot be used and were left out"
        left = dataclasses.replace(left, notes=(*left.notes, note))
    left.check()
    return left, rate


def _rate(corpus: Corpus, file: str) -> int:
    """Of a file that can be used."""
    from leaf_port._cli.audio import opened

    path = corpus.folder / file
    with opened(path) as sound:
        rate = sound.sample_rate
    read_samples(path, rate)
    return rate


def _told(files: list[str], tell: Tell) -> Iterator[str]:
    told = time.monotonic()
    for i, file in enumerate(files):
        if time.monotonic() - told > 10:
            tell(f"reading the recordings: {i} of {len(files)}")
            told = time.monotonic()
        yield file
