"""How long clips are computed segment by segment, and which frames of a segment are right.

A frame depends on a bounded stretch of the waveform. A segment is computed as a clip of its own;
frames near its ends, which hear what lies beyond, are left out and computed with another segment.
"""

from __future__ import annotations

from dataclasses import dataclass

from leaf_port._ops.energies.blocks import Shape
from leaf_port.padding import SAME, VALID, same_padding


@dataclass(frozen=True)
class Segments:
    """Where segments may start and end, and what of them is right.

    Attributes:
        hop: between frames, in samples.
        grid: a segment starts at a multiple of so many frames.
        head: so many frames at its start hear what came before it.
        ends: samples beyond whole hops that it has, so that its frames lie as those of the whole
            clip; None where they always do.
        step: samples from one stretch to the next; each stretch that is known ends some frames.
        needed: samples until the first stretch is known.
        frames: that each stretch ends.
        fewer: frames that the first stretch ends less than the others.
    """

    hop: int
    grid: int
    head: int
    ends: int | None
    step: int
    needed: int
    frames: int
    fewer: int

    def known(self, samples: int) -> int:
        """How many first frames of a segment do not depend on what comes after it."""
        stretches = max((samples - self.needed) // self.step + 1, 0)
        return max(stretches * self.frames - self.fewer, 0)

    def end(self, samples: int) -> int:
        """The longest segment of at most so many samples."""
        return samples if self.ends is None else samples - (samples - self.ends) % self.hop


def layered(
    filter_taps: int, ahead: int, window: int, hop: int, padding: str, samples: int | None
) -> Segments:
    """Of a convolution that is pooled: each frame is a stretch.

    Args:
        filter_taps: of the convolution, with SAME padding.
        ahead: further samples that it hears, behind its last one.
        window: of the pooling, in samples.
        hop: of the pooling, in samples.
        padding: of the pooling.
        samples: of the whole clip; None where it is a whole number of hops.
    """
    left, ends = _before(window, hop, padding, samples)
    before = (filter_taps - 1) // 2
    return Segments(
        hop=hop,
        grid=1,
        head=-(-(left + before) // hop),
        ends=ends,
        step=hop,
        needed=window - left + filter_taps - 1 - before + ahead,
        frames=1,
        fewer=0,
    )


def blockwise(shape: Shape, ahead: int, padding: str, samples: int | None) -> Segments:
    """Of the fused operation: a block of samples is a stretch, so that blocks are the same ones."""
    left, ends = _before(shape.taps, shape.hop, padding, samples)
    step = shape.segments * shape.hop
    before = left + (shape.taps - 1) // 2  # samples that the first block starts before the clip
    return Segments(
        hop=shape.hop,
        grid=shape.segments,
        head=-(-before // step) * shape.segments,
        ends=ends,
        step=step,
        needed=shape.size - before + ahead,
        frames=shape.segments,
        fewer=shape.pieces - 1,
    )


def framed(window: int, hop: int) -> Segments:
    """Of windows that start at their frame."""
    return Segments(hop, 1, 0, None, hop, window, 1, 0)


def _before(window: int, hop: int, padding: str, samples: int | None) -> tuple[int, int | None]:
    """Samples of padding before the first window, and those beyond whole hops if they matter."""
    if padding == VALID:
        return 0, None
    if padding != SAME:
        return (window - 1) // 2, None
    ends = 0 if samples is None else samples % hop
    return same_padding(samples or hop, window, hop)[0], ends
