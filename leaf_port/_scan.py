"""First-order linear recurrences without a loop over time.

``m[t] = decay m[t - 1] + b[t]`` is the sum of ``decay^k b[t - k]``. Adding a copy shifted by 1,
then by 2, 4, 8 … with the decay squared each time gathers all terms in ``ceil(log2(time))``
steps. All terms have the sign of ``b``, so nothing cancels, and a rounding error is made
log2(time) times instead of ``time`` times.

A graph that is exported for any number of frames cannot repeat its steps as often as those ask
for. It has as many as the longest possible input takes, and where a shift is beyond the frames
nothing moves: the numbers are the same, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Apply = Callable[[Tensor, Tensor], Tensor]

# Of an export without a bound of the length: enough for 2^31 frames, eight months at 10 ms.
MOST_DOUBLINGS = 31


def _doubling(b: Tensor, power: Tensor, apply: Apply) -> Tensor:
    if torch.compiler.is_exporting():
        return _doubling_of_any_length(b, power, apply)
    shift = 1
    while shift < b.shape[1]:
        later = b[:, shift:] + apply(b[:, :-shift], power)
        b = torch.cat([b[:, :shift], later], dim=1)
        shift *= 2
        if shift < b.shape[1]:
            power = apply(power, power)
    return b


def _doubling_of_any_length(b: Tensor, power: Tensor, apply: Apply) -> Tensor:
    """The same without asking how many frames there are, but where that is a constant."""
    # Not at the top: it takes a second to import, and only captured graphs need it.
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    frames = b.shape[1]
    at = torch.arange(frames, device=b.device)
    for step in range(MOST_DOUBLINGS):
        shift = 1 << step
        if statically_known_true(frames <= shift):
            break
        earlier = b.index_select(1, (at - shift).clamp(min=0))
        b = torch.where((at >= shift).unsqueeze(1), b + apply(earlier, power), b)
        # Squared no more often than needed: a power that overflows would make NaN of gradients.
        power = torch.where(at[-1:] >= 2 * shift, apply(power, power), power)
    return b


def _add_first(b: Tensor, first: Tensor) -> Tensor:
    if torch.compiler.is_exporting():  # a slice may be one frame long, or have no frame: no guard
        at = torch.arange(b.shape[1], device=b.device).unsqueeze(1)
        return torch.where(at == 0, b + first.unsqueeze(1), b)
    return torch.cat([(b[:, 0] + first).unsqueeze(1), b[:, 1:]], dim=1)


def diagonal_recurrence(b: Tensor, decay: Tensor, initial: Tensor) -> Tensor:
    """``m[t] = decay * m[t - 1] + b[t]``, ``m[-1] = initial``.

    Args:
        b: ``(batch, time, channels)``.
        decay: ``(channels,)`` or ``(1,)``.
        initial: ``(batch, channels)``.

    Returns:
        ``(batch, time, channels)``.
    """
    size = decay.abs()

    def decayed(earlier: Tensor, power: Tensor) -> Tensor:
        # A power that underflows would make NaN of an infinity, which the loop lets stay infinite.
        infinite = earlier * torch.where(power < 0.0, -size, size)
        return torch.where(torch.isinf(earlier), infinite, earlier * power)

    return _doubling(_add_first(b, decay * initial), decay, decayed)


def matrix_recurrence(b: Tensor, decay: Tensor, initial: Tensor) -> Tensor:
    """``m[t] = m[t - 1] @ decay + b[t]``; ``decay`` is ``(channels, channels)``."""
    return _doubling(_add_first(b, initial @ decay), decay, torch.matmul)
