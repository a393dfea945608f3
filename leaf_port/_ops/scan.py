"""First-order linear recurrences without a loop over time.

``m[t] = decay m[t - 1] + b[t]`` is the sum of ``decay^k b[t - k]``. Adding a copy shifted by 1,
then by 2, 4, 8 … with the decay squared each time gathers all terms in ``ceil(log2(time))``
steps. All terms have the sign of ``b``, so nothing cancels, and a rounding error is made
log2(time) times instead of ``time`` times.

Its gradient is the same recurrence backwards in time, computed the same way: to differentiate the
doubling step by step would keep all steps in memory, and make of them a program that takes XLA two
to three times as long to compile.

A graph that is exported or traced for any number of frames cannot repeat its steps as often as
those ask for. It has as many as the longest possible input takes, and where a shift is beyond the
frames nothing moves: the numbers are the same, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from leaf_port._ops.precision import autocast_off, is_traced, product

Apply = Callable[[Tensor, Tensor], Tensor]

# Of an export without a bound of the length: enough for 2^31 frames, eight months at 10 ms.
MOST_DOUBLINGS = 31


def _doubling(b: Tensor, decay: Tensor) -> Tensor:
    apply, power = _applying(decay), decay
    shift = 1
    while shift < b.shape[1]:
        later = b[:, shift:] + apply(b[:, :-shift], power)
        b = torch.cat([b[:, :shift], later], dim=1)
        shift *= 2
        if shift < b.shape[1]:
            power = apply(power, power)
    return b


def _doubling_of_any_length(b: Tensor, decay: Tensor) -> Tensor:
    """The same without asking how many frames there are, but where that is a constant."""
    apply, power = _applying(decay), decay
    frames = b.shape[1]
    at = torch.arange(frames, device=b.device)
    for step in range(MOST_DOUBLINGS):
        shift = 1 << step
        if _is_known_to_be_within(frames, shift):
            break
        earlier = b.index_select(1, (at - shift).clamp(min=0))
        b = torch.where((at >= shift).unsqueeze(1), b + apply(earlier, power), b)
        # Squared no more often than needed: a power that overflows would make NaN of gradients.
        power = torch.where(at[-1:] >= 2 * shift, apply(power, power), power)
    return b


def _is_known_to_be_within(frames: int, shift: int) -> bool:
    """Whether ``frames <= shift`` for every length that a graph may be given."""
    if is_traced():  # which declares no lengths
        return False
    # Not at the top: it takes a second to import, and only captured graphs need it.
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    return statically_known_true(frames <= shift)


def _applying(decay: Tensor) -> Apply:
    """How a power of the decay is applied: a matrix's, or of each channel its own."""
    if decay.ndim == 2:
        return product
    size = decay.abs()

    def decayed(earlier: Tensor, power: Tensor) -> Tensor:
        # A power that underflows would make NaN of an infinity, which the loop lets stay infinite.
        infinite = earlier * torch.where(power < 0.0, -size, size)
        return torch.where(torch.isinf(earlier), infinite, earlier * power)

    return decayed


class _Recurrence(torch.autograd.Function):
    """``m[t] = decay m[t - 1] + b[t]`` from ``m[-1] = 0``, with gradients of any order.

    With ``g[t] = dm[t] + decay g[t + 1]``: that of ``b`` is ``g``, that of the decay the sum of
    ``g[t] m[t - 1]``.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(b: Tensor, decay: Tensor) -> Tensor:
        return _doubling(b, decay)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], output)
        ctx.save_for_forward(inputs[1], output)

    @staticmethod
    def backward(ctx: Any, of_m: Tensor) -> tuple[Tensor, Tensor | None]:
        with autocast_off(of_m.device.type):  # backward() may be called inside it
            return _Recurrence._gradients(ctx, of_m)

    @staticmethod
    def _gradients(ctx: Any, of_m: Tensor) -> tuple[Tensor, Tensor | None]:
        decay, m = ctx.saved_tensors
        transposed = decay.mT if decay.ndim == 2 else decay
        g = recurrence(of_m.flip(1), transposed).flip(1)
        if not ctx.needs_input_grad[1]:
            return g, None
        earlier, later = m[:, :-1], g[:, 1:]
        if decay.ndim == 2:
            return g, product(earlier.mT, later).sum(0)
        return g, (earlier * later).sum_to_size(decay.shape)

    @staticmethod
    def jvp(ctx: Any, change_of_b: Tensor, change_of_decay: Tensor) -> Tensor:
        decay, m = ctx.saved_tensors
        earlier = F.pad(m[:, :-1], (0, 0, 1, 0))
        moved = earlier @ change_of_decay if decay.ndim == 2 else earlier * change_of_decay
        return recurrence(change_of_b + moved, decay)


def _is_of_any_length() -> bool:
    """Whether a graph is made that may be given other lengths than it is made with."""
    return torch.compiler.is_exporting() or is_traced()


def recurrence(b: Tensor, decay: Tensor) -> Tensor:
    """``m[t] = decay m[t - 1] + b[t]`` from ``m[-1] = 0``.

    Args:
        b: ``(batch, time, channels)``.
        decay: ``(channels,)`` or ``(1,)``, or a matrix ``(channels, channels)``, by which ``m`` is
            multiplied from the right.

    Returns:
        ``(batch, time, channels)``.
    """
    if _is_of_any_length():
        return _doubling_of_any_length(b, decay)
    # dynamo takes no Function that has a jvp; one frame has none before it.
    if torch.compiler.is_compiling() or b.shape[1] == 1:
        return _doubling(b, decay)
    # Where autocast made b of another dtype: it casts the decay forwards, but not backwards.
    return _Recurrence.apply(b, decay.to(b.dtype))


def _add_first(b: Tensor, first: Tensor) -> Tensor:
    if _is_of_any_length():  # a slice may be one frame long, or have no frame: no guard
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
    return recurrence(_add_first(b, decay * initial), decay)


def matrix_recurrence(b: Tensor, decay: Tensor, initial: Tensor) -> Tensor:
    """``m[t] = m[t - 1] @ decay + b[t]``; ``decay`` is ``(channels, channels)``."""
    return recurrence(_add_first(b, product(initial, decay)), decay)
