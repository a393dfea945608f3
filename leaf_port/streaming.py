"""Features of a waveform that comes in pieces, in constant memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leaf_port import _checks
from leaf_port._ops.segments import Segments
from leaf_port.errors import LeafError
from leaf_port.normalization import LayerNormalization
from leaf_port.postprocessing import PCEN, log_compression
from leaf_port.stable_pcen import StablePCEN, within

# So many samples, all rows together, are computed at once: 80 filters of them take 40 MB.
MOST = 1 << 17


@dataclass(frozen=True)
class Parts:
    """A frontend as a stream needs it.

    Attributes:
        owner: the frontend's class.
        energies: a segment ``(batch, samples, 1)`` to ``(batch, frames, channels)``.
        segments: which of these frames are right, of a clip of so many samples; None: unknown.
        compression: what follows; see :func:`check_compression`.
        channels: of the features.
    """

    owner: str
    energies: Callable[[Tensor], Tensor]
    segments: Callable[[int | None], Segments]
    compression: object
    channels: int


class Stream:
    """Features of a waveform, from chunks of any size; made by ``frontend.stream()``.

    A call takes the next chunk and returns the frames that it completes; :meth:`finish` returns
    the others. Together they are the features of the whole waveform, to a few float32 roundings;
    energies that are computed at once (``Leaf(energies="auto")``) are so bit for bit. There, a
    frame is returned with the block of samples that it lies in: 4 to 8 windows long.

    The padding of SAME pooling depends on the length of the clip, modulo the hop. Where ``samples``
    is not given, the clip ends with the last whole hop: up to ``hop - 1`` samples at the end
    (:attr:`dropped`) make no frame.

    No gradients are computed. The weights and the mode of the frontend must stay as they are.

    Args:
        parts: of the frontend.
        samples: of the whole waveform, if known.

    Raises:
        LeafError: more samples than ``samples`` or fewer, chunks of another batch, dtype or
            device, a chunk after :meth:`finish`, a frontend with a step that needs the whole clip.

    Example:
        >>> import torch
        >>> from leaf_port import Leaf
        >>> stream = Leaf(n_filters=8).stream()
        >>> frames = [stream(torch.zeros(1, 1000)) for _ in range(16)] + [stream.finish()]
        >>> torch.cat(frames, dim=1).shape
        torch.Size([1, 100, 8])
    """

    def __init__(self, parts: Parts, samples: int | None = None) -> None:
        if samples is not None:
            _checks.at_least(f"{parts.owner}.stream", "samples", samples)
        check_compression(parts.owner, parts.compression)
        self.samples = samples
        self.taken = 0
        self.frames = 0
        self.finished = False
        self._parts = parts
        self._segments = parts.segments(samples)
        self._held: Tensor | None = None
        self._start = 0  # of what is held
        self._smoothed: Tensor | None = None

    @property
    def dropped(self) -> int:
        """Samples at the end that make no frame; 0 before :meth:`finish`."""
        return self.taken - self._whole() if self.finished else 0

    @torch.no_grad()
    def __call__(self, chunk: Tensor) -> Tensor:
        """Takes ``(batch, samples[, 1])``, returns ``(batch, frames, filters)``, maybe no frame."""
        chunk = self._checked(chunk)
        most = max(MOST // max(len(chunk), 1), self._segments.hop)
        made = [self._take(piece) for piece in chunk.split(most, dim=1)]
        return torch.cat(made, dim=1) if len(made) > 1 else made[0]

    @torch.no_grad()
    def finish(self) -> Tensor:
        """The frames that are left; the stream takes no more samples."""
        self._refuse_after_end("finish")
        if self.samples is not None and self.taken < self.samples:
            got = f"{self.taken}"
            fix = "give the rest, or leave samples out of stream()"
            raise self._refusal("samples", f"{self.samples} samples", got, fix)
        if self._held is None:
            fix = "give a chunk first"
            raise self._refusal("finish", "at least one chunk before it", "none", fix)
        self.finished = True
        held, self._held = self._held[:, : self._whole() - self._start], None
        if held.shape[1] == 0:
            return self._nothing(held)
        made = self._parts.energies(held)[:, self.frames - self._start // self._segments.hop :]
        return self._compressed(made)

    def _whole(self) -> int:
        """Samples of the clip, once it has ended."""
        return self._segments.end(self.taken)

    def _take(self, piece: Tensor) -> Tensor:
        self._held = piece if self._held is None else torch.cat([self._held, piece], dim=1)
        self.taken += piece.shape[1]
        segments, first = self._segments, self._start // self._segments.hop
        end = segments.end(self._held.shape[1])
        known = segments.known(end)
        if known <= self.frames - first:
            return self._nothing(piece)
        made = self._parts.energies(self._held[:, :end])[:, self.frames - first : known]
        start = max(first + known - segments.head, 0) // segments.grid * segments.grid
        self._held = self._held[:, start * segments.hop - self._start :].clone()
        self._start = start * segments.hop
        return self._compressed(made)

    def _compressed(self, energies: Tensor) -> Tensor:
        self.frames += energies.shape[1]
        compression = self._parts.compression
        if energies.shape[1] == 0:
            return self._nothing(energies)
        if isinstance(compression, PCEN):
            energies = within(energies) if isinstance(compression, StablePCEN) else energies
            state = energies[:, 0] if self._smoothed is None else self._smoothed
            smoothed = compression.ema(energies, state)
            self._smoothed = smoothed[:, -1].clone()
            return compression.normalized(energies, smoothed)
        return energies if compression is None else compression(energies)  # type: ignore[operator]

    def _nothing(self, like: Tensor) -> Tensor:
        return like.new_zeros(like.shape[0], 0, self._parts.channels)

    def _checked(self, chunk: Tensor) -> Tensor:
        self._refuse_after_end("chunk")
        owner = f"{self._parts.owner}.stream"
        chunk = _checks.waveform(owner, chunk, least=0)
        held = self._held
        if held is not None:
            pairs: dict[str, tuple[object, object]] = {
                "rows": (len(held), len(chunk)),
                "dtype": (held.dtype, chunk.dtype),
                "device": (held.device, chunk.device),
            }
            for what, (before, now) in pairs.items():
                if before != now:
                    fix = "make a stream for each batch"
                    raise self._refusal("chunk", f"{what}: {before}, as before", now, fix)
        if self.samples is not None and self.taken + chunk.shape[1] > self.samples:
            expected = f"at most {self.samples} samples, as stream() was told"
            got = f"{self.taken + chunk.shape[1]}"
            raise self._refusal("chunk", expected, got, "give stream() the right number")
        return chunk

    def _refuse_after_end(self, argument: str) -> None:
        if self.finished:
            fix = "make another one for another waveform"
            raise self._refusal(argument, "a stream that goes on", "one that has finished", fix)

    def _refusal(self, argument: str, expected: str, got: object, fix: str) -> LeafError:
        return LeafError(f"{self._parts.owner}.stream", argument, expected, got, fix)


def is_causal(compression: object) -> bool:
    """Whether a compression is known to hear no later frame; of the earlier, only PCENs do."""
    if isinstance(compression, functools.partial):
        return compression.func is log_compression
    # Not isinstance: a class derived from them may compute something else.
    known = type(compression) in (PCEN, StablePCEN, LayerNormalization)
    return known or compression is None or compression is log_compression


def check_compression(owner: str, compression: object) -> None:
    """Refuses what may hear other frames than the one that it compresses; PCEN has a state."""
    if is_causal(compression):
        return
    expected = "PCEN, StablePCEN, log_compression, LayerNormalization or None"
    got = type(compression).__name__ if isinstance(compression, nn.Module) else repr(compression)
    fix = "build the frontend with compression_fn=None, and apply yours to the frames"
    raise LeafError(f"{owner}.stream", "compression_fn", expected, got, fix)
