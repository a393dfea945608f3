"""What no gradient reaches: there it is exactly zero, as it is layer by layer.

A transform spreads rounding errors over its block. A sample that no frame hears would get a
gradient of 1e-17 instead of 0, and a tap that lies beyond the clip likewise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leaf_port._ops.energies.blocks import Clips, Shape


@dataclass(frozen=True)
class Reach:
    """Which samples and energies take part in a gradient.

    Attributes:
        loud: samples that are not zero, ``(batch, samples)``.
        active: energies that some frame with a gradient hears, and that hear a loud sample.
        shape: of the blocks.
    """

    loud: Tensor
    active: Tensor
    shape: Shape

    def samples(self) -> Tensor:
        """Samples that an active energy hears, ``(batch, samples)``."""
        left = (self.shape.taps - 1) // 2
        return _near(self.active, self.shape.taps - 1 - left, left)

    def taps(self) -> Tensor:
        """Taps that lie between an active energy and a loud sample of one clip, ``(taps,)``."""
        first_active, last_active = _ends(self.active)
        first_loud, last_loud = _ends(self.loud)
        left = (self.shape.taps - 1) // 2
        tap = torch.arange(self.shape.taps, device="cpu")
        least, most = first_loud - last_active + left, last_loud - first_active + left
        return ((tap >= least.unsqueeze(1)) & (tap <= most.unsqueeze(1))).any(0)


def is_everything(change: Tensor, rows: Tensor, clips: Clips, shape: Shape) -> bool:
    """Whether all samples and taps surely take part: nothing is zero, no clip below a window."""
    whole = shape.hop <= shape.taps <= int(clips.length.min()) == rows.shape[1]
    # Without padding the last frame may end so far before its clip that it hears not all of it.
    last = (clips.frames - 1) * shape.hop - clips.left + shape.taps - 1
    whole = whole and bool((last + shape.taps // 2 >= clips.length - 1).all())
    return whole and bool((rows != 0).all()) and bool((change != 0).all())


def reach(change: Tensor, rows: Tensor, clips: Clips, shape: Shape) -> Reach:
    """Of a gradient by the energies, ``(channels, frames of all clips)``, of rows of samples."""
    samples = rows.shape[1]
    length = torch.from_numpy(clips.length).unsqueeze(1)
    inside = torch.arange(samples, device="cpu") < length
    loud = (rows != 0) & inside
    left = (shape.taps - 1) // 2
    audible = _near(loud, left, shape.taps - 1 - left)
    return Reach(loud, _of_frames(change, clips, shape, samples) & audible & inside, shape)


def _of_frames(change: Tensor, clips: Clips, shape: Shape, samples: int) -> Tensor:
    """Energies that a frame with a gradient hears, ``(batch, samples)``."""
    batch = len(clips.length)
    wanted = (change != 0).any(0).view(batch, -1)
    frame = torch.arange(wanted.shape[1], device="cpu")
    wanted = (wanted & (frame < torch.from_numpy(clips.frames).unsqueeze(1))).int()
    start = frame * shape.hop - torch.from_numpy(clips.left).unsqueeze(1)
    steps = torch.zeros(batch, samples + 1, dtype=torch.int32, device="cpu")
    steps.scatter_add_(1, start.clamp(0, samples), wanted)
    steps.scatter_add_(1, (start + shape.taps).clamp(0, samples), -wanted)
    return steps.cumsum(1)[:, :-1] > 0


def _near(mask: Tensor, before: int, after: int) -> Tensor:
    """Of each place whether one from ``before`` places before it to ``after`` behind it is set."""
    size = mask.shape[1]
    count = torch.nn.functional.pad(mask.cumsum(1), (1, 0))
    place = torch.arange(size, device="cpu")
    above, below = (place + after + 1).clamp(max=size), (place - before).clamp(min=0)
    return count[:, above] > count[:, below]


def _ends(mask: Tensor) -> tuple[Tensor, Tensor]:
    """First and last place that is set, ``(batch,)``; where none is, nothing lies between."""
    size = mask.shape[1]
    some = mask.any(1)
    first = mask.int().argmax(1)
    last = size - 1 - mask.flip(1).int().argmax(1)
    far = 4 * (size + 1) * torch.ones_like(first)
    return torch.where(some, first, far), torch.where(some, last, -far)
