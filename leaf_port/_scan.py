"""First-order linear recurrences without a loop over time.

``m[t] = decay m[t - 1] + b[t]`` is the sum of ``decay^k b[t - k]``. Adding a copy shifted by 1,
then by 2, 4, 8 … with the decay squared each time gathers all terms in ``ceil(log2(time))``
steps. All terms have the sign of ``b``, so nothing cancels, and a rounding error is made
log2(time) times instead of ``time`` times.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def _doubling(b: Tensor, power: Tensor, apply: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    shift = 1
    while shift < b.shape[1]:
        later = b[:, shift:] + apply(b[:, :-shift], power)
        b = torch.cat([b[:, :shift], later], dim=1)
        shift *= 2
        if shift < b.shape[1]:
            power = apply(power, power)
    return b


def _add_first(b: Tensor, first: Tensor) -> Tensor:
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
        infinite = earlier * torch.copysign(size, power)
        return torch.where(torch.isinf(earlier), infinite, earlier * power)

    return _doubling(_add_first(b, decay * initial), decay, decayed)


def matrix_recurrence(b: Tensor, decay: Tensor, initial: Tensor) -> Tensor:
    """``m[t] = m[t - 1] @ decay + b[t]``; ``decay`` is ``(channels, channels)``."""
    return _doubling(_add_first(b, initial @ decay), decay, torch.matmul)
