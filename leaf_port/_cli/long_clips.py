"""Long clips in constant memory: read, computed and written block by block."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from leaf_port._cli.audio import Float32, Sound, opened
from leaf_port._cli.extraction import Extractor, checked_frames
from leaf_port._cli.summary import Row
from leaf_port._cli.text import printable
from leaf_port.errors import LeafError
from leaf_port.frontend import Leaf, MelFilterbanks
from leaf_port.streaming import Stream

LONG = 1 << 22
"""Samples from which a clip is long: at 16 kHz 4 minutes. Its features take 4 MB."""
_SECONDS = 30.0  # between two lines about the progress


def is_long(path: Path, mono: bool = False) -> bool:
    """Whether a file has at least :data:`LONG` samples; one that cannot be opened has none."""
    try:
        with opened(path, mono) as sound:
            return sound.samples >= LONG
    except LeafError:
        return False


class LongClip:
    """A clip to be computed block by block.

    Args:
        extractor: that computes its features.
        path: of the file.

    Raises:
        LeafError: what :func:`~leaf_port._cli.audio.read_clip` refuses, or the extractor.
    """

    def __init__(self, extractor: Extractor, path: Path) -> None:
        with opened(path, extractor.mono) as sound:
            self._own_rate = sound.sample_rate
            self._samples = sum(len(block) for block in sound.blocks())
        self._extractor, self._path = extractor, path
        self._rate = extractor.rate(self._own_rate)
        self._module = extractor.module(path, self._rate)
        self._row: Row | None = None

    def can_stream(self) -> bool:
        """Whether the frontend needs no whole clip."""
        try:
            self._stream()
        except LeafError:
            return False
        return True

    def _stream(self) -> Stream:
        assert isinstance(self._module, Leaf | MelFilterbanks)  # noqa: S101
        return self._module.stream(self._samples)

    def _frames(self) -> int:
        if isinstance(self._module, Leaf):
            return int(self._module.frames(self._samples))
        assert isinstance(self._module, MelFilterbanks)  # noqa: S101
        return -(-self._samples // self._module.window_stride)

    def write(self, stream: BinaryIO | None) -> Row:
        """Writes the features as ``.npy``, if there is a stream, and returns what they are."""
        filters, count = 0, 0
        least, greatest, total = np.inf, -np.inf, 0.0
        for values in self._blocks():
            if count == 0 and stream is not None:
                _write_header(stream, (self._frames(), values.shape[1]))
            if stream is not None:
                stream.write(values.tobytes())
            filters, count = values.shape[1], count + len(values)
            total += float(values.sum(dtype="float64"))
            least, greatest = min(least, float(values.min())), max(greatest, float(values.max()))
        seconds = self._samples / self._rate
        about = printable(self._path), self._rate, self._own_rate, seconds, count, filters
        return Row(*about, least, total / (count * filters), greatest)

    def _blocks(self) -> Iterator[Float32]:
        """The features, ``(frames, filters)`` each; at least one frame in all."""
        features = self._stream()
        with opened(self._path, self._extractor.mono) as sound, torch.inference_mode():
            for block in _with_progress(sound, self._samples):
                values = features(torch.from_numpy(block)[None])[0].numpy()
                if len(values):
                    yield checked_frames(self._path, self._samples, values)
            values = features.finish()[0].numpy()
            if len(values) or not features.frames:
                yield checked_frames(self._path, self._samples, values)


def _write_header(stream: BinaryIO, shape: tuple[int, int]) -> None:
    described = np.lib.format.dtype_to_descr(np.dtype(np.float32))
    header = {"descr": described, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _with_progress(sound: Sound, samples: int) -> Iterator[Float32]:
    """The blocks of a file; a line on stderr now and then."""
    done, told = 0, time.monotonic()
    for block in sound.blocks():
        yield block
        done += len(block)
        if time.monotonic() - told > _SECONDS:
            told = time.monotonic()
            print(f"{printable(sound.path)}: {done / samples:.0%}", file=sys.stderr)
