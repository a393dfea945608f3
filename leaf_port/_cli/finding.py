"""Finding the audio files that arguments stand for."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import soundfile  # type: ignore[import-untyped]

from leaf_port._cli.refusal import refusal

_FORMATS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".mp3": "MP3",
    ".ogg": "OGG",
    ".oga": "OGG",
    ".opus": "OGG",
    ".aiff": "AIFF",
    ".aif": "AIFF",
    ".m4a": "M4A",  # no libsndfile has it so far
}
"""The format, in the words of libsndfile, that files of a suffix have."""


@dataclass(frozen=True)
class Source:
    """A clip to read, and its name relative to what all clips have in common.

    Attributes:
        path: where it is, as it was given.
        name: what its outputs are called, without a suffix, below a common folder.
    """

    path: Path
    name: Path


@dataclass(frozen=True)
class Found:
    """What arguments stand for.

    Attributes:
        sources: the clips.
        passed_over: of each suffix how many other files the folders hold; hidden files not counted.
    """

    sources: list[Source]
    passed_over: Counter[str] = field(default_factory=Counter)


def suffixes() -> list[str]:
    """The suffixes of the files that the libsndfile of this machine reads."""
    known = soundfile.available_formats()
    return [suffix for suffix, form in _FORMATS.items() if form in known]


def find_clips(arguments: Sequence[Path]) -> Found:
    """The clips that files and folders stand for, in the order given; a folder's sorted by name.

    Folders are searched with all that is below them. A clip that is named twice is taken once.

    Raises:
        LeafError: a file that is missing or of another suffix, a folder without any clip.
    """
    found: dict[str, Path] = {}
    passed_over: Counter[str] = Counter()
    read = frozenset(suffixes())
    for argument in arguments:
        for path in _clips_of(argument, read, passed_over):
            found.setdefault(str(path.absolute()), path)
    common = os.path.commonpath(
        [str((a if a.is_dir() else a.parent).absolute()) for a in arguments]
    )
    named = _named({Path(os.path.relpath(key, common)): path for key, path in found.items()})
    return Found(named, passed_over)


def _clips_of(path: Path, read: frozenset[str], passed_over: Counter[str]) -> list[Path]:
    if path.is_dir():
        return _clips_in(path, read, passed_over)
    if not path.is_file():
        got = "something else" if path.exists() else "nothing of that name"
        raise refusal(path, "a file or a folder", got, "check the name")
    if path.suffix.lower() not in read:
        got = repr(path.suffix) if path.suffix else "no suffix"
        fix = "convert it first: ffmpeg -i IT it.flac"
        raise refusal(path, f"a file of {_listed(read)}", got, fix)
    return [path]


def _clips_in(folder: Path, read: frozenset[str], passed_over: Counter[str]) -> list[Path]:
    clips = []
    others: Counter[str] = Counter()
    for path in _files(folder):
        suffix = path.suffix.lower()
        if suffix in read:
            clips.append(path)
        else:
            others[suffix or "without suffix"] += 1
    if not clips:
        got = f"none; passed over: {told(others)}" if others else "none"
        fix = "name a folder that holds audio; other formats need converting first"
        raise refusal(folder, f"a folder with files of {_listed(read)}", got, fix)
    passed_over.update(others)
    return sorted(clips)


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder that are meant; in ``._x.wav`` macOS keeps its notes on x.wav."""
    return (p for p in folder.rglob("*") if not p.name.startswith(".") and p.is_file())


def told(passed_over: Mapping[str, int]) -> str:
    """In words, the most frequent first: ``3 .txt, 1 .mid``."""
    order = sorted(passed_over.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{count} {suffix}" for suffix, count in order)


def _listed(read: frozenset[str]) -> str:
    names = [suffix for suffix in _FORMATS if suffix in read]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _named(clips: Mapping[Path, Path]) -> list[Source]:
    """Drops the suffix from the relative names, except where two clips differ in nothing else."""
    count = Counter(name.with_suffix("") for name in clips)
    return [
        Source(path, name if count[name.with_suffix("")] > 1 else name.with_suffix(""))
        for name, path in clips.items()
    ]
