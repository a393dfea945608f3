"""Reading audio files.

16-bit samples are read as int16 and divided by 32767, as the official ``example/data.py`` (line 45)
does: ``tf.cast(audio, tf.float32) / tf.int16.max``. Most readers divide by 32768. All other sample
formats, and compressed ones (MP3, Vorbis, Opus), are read by libsndfile as float32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]

from leaf_port._cli.completeness import check_complete
from leaf_port._cli.refusal import refusal

Float32 = npt.NDArray[np.float32]

INT16_MAX = 32767  # tf.int16.max
_CONTAINERS = ("WAV", "WAVEX", "RF64", "FLAC", "MP3", "OGG", "AIFF", "M4A")
_NAMES = "WAV, FLAC, MP3, Ogg, Opus or AIFF"
_BLOCK = 1 << 16
_UNKNOWN_FRAMES = 1 << 62  # at least so many has a FLAC file of unknown length, says libsndfile


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


@dataclass(frozen=True)
class Sound:
    """An open file.

    Attributes:
        path: of the file.
        sample_rate: in Hz, as the file says.
    """

    path: Path
    sample_rate: int
    _file: Any

    @property
    def samples(self) -> int:
        """How many samples each channel has, as the file says."""
        return int(self._file.frames)

    def blocks(self) -> Iterator[Float32]:
        """All samples from the beginning, a block ``(samples,)`` at a time.

        In blocks: a header may claim more samples than there is memory for. Of C channels the
        samples are their mean, ``(x_1 + ... + x_C) / C``, summed in float64 and rounded once to
        float32.

        Raises:
            LeafError: cut short, no samples, or NaN among them.
        """
        self._file.seek(0)  # as soundfile.read; of MP3 files, mpg123 rounds otherwise without it
        count = 0
        while len(block := _next_block(self._file)):
            if not np.isfinite(block).all():
                got = "NaN or infinity among them"
                raise refusal(self.path, "finite samples", got, "repair the recording")
            count += len(block)
            yield block if block.ndim == 1 else block.mean(axis=1, dtype=np.float64).astype("f4")
        if count < self.samples:
            got = f"{count} samples where the header says {self.samples}"
            raise refusal(self.path, "a complete file", got, "it is cut short: copy it again")
        if count == 0:
            raise refusal(self.path, "at least one sample", "none", "leave this clip out")


def read_clip(path: Path, mono: bool = False) -> Clip:
    """Reads a file of one channel; of several where ``mono`` asks for their mean.

    Raises:
        LeafError: not audio, cut short, more channels, no samples, or NaN among them.
    """
    with opened(path, mono) as sound:
        return Clip(path, np.concatenate(list(sound.blocks())), sound.sample_rate)


def check_clip(path: Path, mono: bool = False) -> None:
    """Refuses what :func:`read_clip` does, and keeps nothing."""
    with opened(path, mono) as sound:
        for _ in sound.blocks():
            pass


@contextlib.contextmanager
def opened(path: Path, mono: bool = False) -> Iterator[Sound]:
    """A file, to be read block by block; refuses what :func:`read_clip` does."""
    try:
        with path.open("rb") as stream:
            check_complete(path, stream)
            stream.seek(0)
            with soundfile.SoundFile(stream) as file:
                _check_kind(path, file, mono)
                yield Sound(path, int(file.samplerate), file)
    except soundfile.LibsndfileError as error:
        expected = f"a {_NAMES} file that libsndfile reads"
        got = error.error_string.rstrip(".") or f"its error {error.code}"
        raise refusal(path, expected, got, "check that it is audio and complete") from error
    except OSError as error:
        raise refusal(path, "a readable file", error.strerror, "check it") from error


def _check_kind(path: Path, file: Any, mono: bool) -> None:
    if file.format not in _CONTAINERS:
        raise refusal(path, _NAMES, file.format, "convert it to one of them")
    if file.channels != 1 and not mono:
        got = f"{file.channels} channels"
        fix = "take one channel, or their mean with --mono"
        raise refusal(path, "one channel", got, fix)
    if file.format == "FLAC" and file.frames >= _UNKNOWN_FRAMES:
        fix = "write it again to a file, not to a pipe: ffmpeg -i it.flac whole.flac"
        raise refusal(path, "a FLAC file that tells its length", "one of unknown length", fix)


def _next_block(file: Any) -> Float32:
    """The next samples, as float32: ``(samples,)``, or ``(samples, channels)`` of several."""
    dtype = "int16" if file.subtype == "PCM_16" else "float32"
    samples = file.read(_BLOCK, dtype=dtype)
    return samples.astype(np.float32) / np.float32(INT16_MAX) if dtype == "int16" else samples
