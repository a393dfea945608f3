"""Finding and reading audio files.

16-bit samples are read as int16 and divided by 32767, as the official ``example/data.py`` (line 45)
does: ``tf.cast(audio, tf.float32) / tf.int16.max``. Most readers divide by 32768. All other sample
formats are read by libsndfile as float32.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]

from leaf_port._cli.refusal import refusal

Float32 = npt.NDArray[np.float32]

SUFFIXES = (".wav", ".flac")
INT16_MAX = 32767  # tf.int16.max
_CONTAINERS = ("WAV", "WAVEX", "RF64", "FLAC")
_BLOCK = 1 << 16
# What writers to a pipe put for a length that they do not know: ffmpeg, sox.
_UNKNOWN_LENGTHS = (0xFFFFFFFF, 0x7FFFF000)
_UNKNOWN_FRAMES = 1 << 62  # at least so many has a FLAC file of unknown length, says libsndfile


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
class Clip:
    """The samples of a mono clip.

    Attributes:
        path: the file it was read from.
        samples: ``(samples,)``, full scale is 1.
        sample_rate: in Hz, as the file says.
    """

    path: Path
    samples: Float32
    sample_rate: int

    @property
    def peak(self) -> float:
        """The largest magnitude of a sample."""
        return float(np.abs(self.samples).max())


def find_clips(arguments: Sequence[Path]) -> list[Source]:
    """The clips that files and folders stand for, in the order given; a folder's sorted by name.

    Folders are searched with all that is below them. A clip that is named twice is taken once.

    Raises:
        LeafError: a file that is missing or no .wav or .flac, a folder without any.
    """
    found: dict[str, Path] = {}
    for argument in arguments:
        for path in _clips_of(argument):
            found.setdefault(str(path.absolute()), path)
    common = os.path.commonpath(
        [str((a if a.is_dir() else a.parent).absolute()) for a in arguments]
    )
    return _named({Path(os.path.relpath(key, common)): path for key, path in found.items()})


def _clips_of(path: Path) -> list[Path]:
    if path.is_dir():
        clips = sorted(p for p in path.rglob("*") if _is_clip(p))
        if not clips:
            fix = "name a folder that holds audio; other formats need converting first"
            raise refusal(path, "a folder with .wav or .flac files", "none", fix)
        return clips
    if not path.is_file():
        got = "something else" if path.exists() else "nothing of that name"
        raise refusal(path, "a file or a folder", got, "check the name")
    if path.suffix.lower() not in SUFFIXES:
        got = repr(path.suffix) if path.suffix else "no suffix"
        raise refusal(path, "a .wav or .flac file", got, "convert it to one of the two")
    return [path]


def _is_clip(path: Path) -> bool:
    """Whether a file in a folder is meant; macOS keeps its own notes on x.wav in ``._x.wav``."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _named(clips: Mapping[Path, Path]) -> list[Source]:
    """Drops the suffix from the relative names, except where two clips differ in nothing else."""
    count = Counter(name.with_suffix("") for name in clips)
    return [
        Source(path, name if count[name.with_suffix("")] > 1 else name.with_suffix(""))
        for name, path in clips.items()
    ]


@dataclass(frozen=True)
class Sound:
    """An open mono file.

    Attributes:
        path: of the file.
        sample_rate: in Hz, as the file says.
    """

    path: Path
    sample_rate: int
    _file: Any

    def blocks(self) -> Iterator[Float32]:
        """All samples from the beginning, a block at a time.

        In blocks: a header may claim more samples than there is memory for.

        Raises:
            LeafError: cut short, no samples, or NaN among them.
        """
        self._file.seek(0)
        count = 0
        while len(block := _next_block(self._file)):
            if not np.isfinite(block).all():
                got = "NaN or infinity among them"
                raise refusal(self.path, "finite samples", got, "repair the recording")
            count += len(block)
            yield block
        if count < self._file.frames:
            got = f"{count} samples where the header says {self._file.frames}"
            raise refusal(self.path, "a complete file", got, "it is cut short: copy it again")
        if count == 0:
            raise refusal(self.path, "at least one sample", "none", "leave this clip out")


def read_clip(path: Path) -> Clip:
    """Reads a mono WAV or FLAC file.

    Raises:
        LeafError: not audio, cut short, more than one channel, no samples, or NaN among them.
    """
    with opened(path) as sound:
        return Clip(path, np.concatenate(list(sound.blocks())), sound.sample_rate)


def check_clip(path: Path) -> None:
    """Refuses what :func:`read_clip` does, and keeps nothing."""
    with opened(path) as sound:
        for _ in sound.blocks():
            pass


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Sound]:
    """A file, to be read block by block; refuses what :func:`read_clip` does."""
    try:
        with path.open("rb") as stream:
            _refuse_truncated_wav(path, stream)
            stream.seek(0)
            with soundfile.SoundFile(stream) as file:
                _check_kind(path, file)
                yield Sound(path, int(file.samplerate), file)
    except soundfile.LibsndfileError as error:
        expected = "a WAV or FLAC file that libsndfile reads"
        fix = "check that it is audio and complete"
        raise refusal(path, expected, error.error_string.rstrip("."), fix) from error
    except OSError as error:
        raise refusal(path, "a readable file", error.strerror, "check it") from error


def _check_kind(path: Path, file: Any) -> None:
    if file.format not in _CONTAINERS:
        raise refusal(path, "WAV or FLAC", file.format, "convert it to one of the two")
    if file.channels != 1:
        got = f"{file.channels} channels"
        raise refusal(path, "one channel", got, "mix it to mono or take one channel")
    if file.format == "FLAC" and file.frames >= _UNKNOWN_FRAMES:
        fix = "write it again to a file, not to a pipe: ffmpeg -i it.flac whole.flac"
        raise refusal(path, "a FLAC file that tells its length", "one of unknown length", fix)


def _next_block(file: Any) -> Float32:
    """The next samples, as float32."""
    dtype = "int16" if file.subtype == "PCM_16" else "float32"
    samples = file.read(_BLOCK, dtype=dtype)
    return samples.astype(np.float32) / np.float32(INT16_MAX) if dtype == "int16" else samples


def _refuse_truncated_wav(path: Path, stream: BinaryIO) -> None:
    """Compares the data chunk's size with the file's; libsndfile silently reads what is there."""
    size = os.fstat(stream.fileno()).st_size
    for start, length in _data_chunks(stream):
        if start + length > size:
            got = f"{max(size - start, 0)} bytes of samples where the header says {length}"
            raise refusal(path, "a complete file", got, "it is cut short: copy it again")


def _data_chunks(stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """Start and length in bytes of a WAV file's ``data`` chunk.

    Nothing for another format, or where the length is unknown: such a file goes on to its end.
    """
    head = stream.read(12)
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64") or head[8:12] != b"WAVE":
        return
    order = ">" if head[:4] == b"RIFX" else "<"
    long_size = math.nan
    while len(chunk := stream.read(8)) == 8:
        name, length = struct.unpack(f"{order}4sI", chunk)
        start = stream.tell()
        if name == b"ds64":  # RF64 keeps the sizes that do not fit 32 bits here
            sizes = stream.read(16)
            long_size = struct.unpack("<8xQ", sizes)[0] if len(sizes) == 16 else math.nan
        if name == b"data":
            use_long = length == 0xFFFFFFFF and not math.isnan(long_size)
            if use_long or length not in _UNKNOWN_LENGTHS or head[:4] == b"RF64":
                yield start, int(long_size) if use_long else length
            return
        stream.seek(start + length + length % 2)
