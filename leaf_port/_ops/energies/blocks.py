"""How clips are cut into overlapping blocks, and blocks into frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from leaf_port._ops.energies.library import LANE, LARGEST, MOST_FRAMES
from leaf_port.padding import SAME, VALID, same_padding

Ints = npt.NDArray[np.int64]

# A block holds so many windows: with fewer most of it overlaps the next, with more it leaves the
# cache.
WINDOWS_A_BLOCK = 4
SMALLEST = 256


@dataclass(frozen=True)
class Shape:
    """Sizes of a block, in samples unless said otherwise.

    Attributes:
        taps: length of the filters and of the pooling windows.
        hop: between frames.
        size: of the transform, a power of 2.
        pieces: of one hop each that a pooling window is cut into.
        segments: of one hop each, that a block gives the energies of.
    """

    taps: int
    hop: int
    size: int
    pieces: int
    segments: int

    @property
    def frames(self) -> int:
        """How many frames a block has a part in."""
        return self.segments + self.pieces - 1


def shape(taps: int, hop: int) -> Shape | None:
    """Sizes for a window and a hop, or None where blocks do not serve: windows of seconds."""
    size = SMALLEST
    while size < max(WINDOWS_A_BLOCK * taps, taps + 2 * hop):
        size *= 2
    pieces = -(-taps // hop)
    segments = min((size - taps + 1) // hop, MOST_FRAMES - pieces + 1)
    if size > LARGEST or segments < pieces:
        return None
    return Shape(taps, hop, size, pieces, segments)


@dataclass(frozen=True)
class Clips:
    """Where clips lie in memory, and which frames they have.

    Attributes:
        address: of the first sample of each clip, float32.
        length: of each clip, in samples.
        frames: of each clip.
        left: samples of padding that the first frame of each clip begins with.
        place: number of each clip's first frame among the outputs of a channel.
        total: outputs of a channel.
    """

    address: Ints
    length: Ints
    frames: Ints
    left: Ints
    place: Ints
    total: int


def lanes(
    clips: Clips, shape: Shape, count: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int8]]:
    """The blocks of all clips, ``count`` in a group; of each group whether some block is cut off.

    Those that are cut off by an end of their clip have groups of their own: they are computed at
    full rate, and no clip's numbers depend on those beside it.
    """
    step = shape.segments * shape.hop
    reach = np.minimum(clips.frames + shape.pieces - 1, _up(clips.left + clips.length, shape.hop))
    counts = np.where(clips.frames > 0, _up(reach, shape.segments), 0)
    clip = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(clip)) - np.repeat(np.cumsum(counts) - counts, counts)
    left, length = clips.left[clip], clips.length[clip]
    used = np.zeros(len(clip), LANE)
    before = number * step - left  # of the block's first energy in its clip
    frame = number * shape.segments - (shape.pieces - 1)
    used["clip"], used["length"] = clips.address[clip], length
    used["start"] = before - (shape.taps - 1) // 2
    used["first"] = np.clip(-before, 0, step)
    used["last"] = np.clip(length - before, 0, step)
    used["frame"] = clips.place[clip] + frame
    used["shown"] = np.maximum(-frame, 0)
    used["hidden"] = np.clip(clips.frames[clip] - frame, used["shown"], shape.frames)
    cut = (used["first"] > 0) | (used["last"] < step)
    groups = [_grouped(used[cut], count, step), _grouped(used[~cut], count, step)]
    masked = np.repeat(np.array([1, 0], np.int8), [len(each) // count for each in groups])
    return np.concatenate(groups), masked


def _grouped(used: npt.NDArray[np.void], count: int, step: int) -> npt.NDArray[np.void]:
    """Filled up with blocks of silence that no frame hears."""
    empty = np.zeros(-len(used) % count, LANE)
    empty["last"] = step
    return np.concatenate([used, empty])


def _up(a: Ints | int, b: int) -> Ints:
    """``ceil(a / b)``."""
    return -(-a // b)  # type: ignore[return-value]


def clips_of(rows: Tensor, shape: Shape, padding: str, lengths: Sequence[int]) -> Clips:
    """Of a batch ``(batch, samples)`` whose rows hold so many samples each."""
    taps, hop = shape.taps, shape.hop
    length = np.asarray(lengths, np.int64)
    if padding == VALID:
        frames = np.maximum((length - taps) // hop + 1, 0)
        left = np.zeros_like(length)
    elif padding == SAME:
        frames = -(-length // hop)
        pads = {each: same_padding(each, taps, hop)[0] for each in set(lengths)}
        left = np.array([pads[each] for each in lengths], np.int64)
    else:
        frames = np.where(length > 0, (length - 1) // hop + 1, 0)
        left = np.full_like(length, (taps - 1) // 2)
    row = int(frames.max(initial=0))
    address = rows.data_ptr() + 4 * rows.stride(0) * np.arange(len(length))
    place = row * np.arange(len(length))
    return Clips(address, length, frames, left, place, row * len(length))
