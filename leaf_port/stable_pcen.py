"""PCEN that gives no NaN and has finite gradients. It is another function than the official one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from leaf_port import _checks, _registry
from leaf_port._ops.clip import clip_by_value, maximum
from leaf_port._ops.precision import is_traced
from leaf_port.errors import LeafError
from leaf_port.postprocessing import PCEN

SMALLEST_FLOOR = 1e-12
SMALLEST_DELTA, GREATEST_DELTA = 2.0**-20, 2.0**60
GREATEST_ENERGY = 2.0**100
GREATEST_GAINED = 2.0**60
_GREATEST_GRADIENT = 2.0**60


@_registry.kind
class StablePCEN(PCEN):
    """PCEN without NaN: :class:`~leaf_port.postprocessing.PCEN` of parameters kept in their ranges.

    Not an official layer. The official PCEN gives NaN once training makes ``delta`` negative, and
    its gradient by ``delta`` is infinite at 0. With energies ``x >= 0`` and the smoothed ``m``:

    ``g = x (floor + m)^-a``, ``y = (g + d)^p (1 - exp(-p ln(1 + g / d)))``, where
    ``a = clip(alpha, 0, 1)``, ``d = clip(delta, 2^-20, 2^60)``, ``p = 1 / max(root, 1)``.

    As ``y = (g + d)^p - d^p``, this is the official function, to rounding, for ``alpha`` in
    ``[0, 1]``, ``delta`` in ``[2^-20, 2^60]``, ``x`` of at most 2^100 and ``g`` of at most 2^60.
    Beyond them the nearest value in the range counts: a negative energy is 0. (In this form nothing
    cancels where ``g`` is far below ``d``, as in librosa's ``pcen``.)

    Outputs are finite for all finite parameters that are trained and all energies but NaN, which
    stays NaN. So are the gradients, for which the derivative by a smoothed energy is kept within
    ``2^60 / x_max``, of the greatest energy in its clip and channel. (A captured graph has no such
    bound; it matters for energies some 1e30 times as loud as others.) A parameter beyond its range
    has no gradient, as the official ``alpha``.

    Parameters and arguments are those of :class:`~leaf_port.postprocessing.PCEN`, so an official
    state dict can be loaded.

    Args:
        num_channels: number of channels.
        alpha: exponent of the smoother.
        smooth_coef: smoothing coefficient, from 0 to 1.
        delta: bias added before the root.
        root: one over the exponent of the compression.
        floor: added to the smoother; at least 1e-12.
        trainable: whether anything is trained.
        learn_smooth_coef: whether the smoothing coefficient is learned.
        per_channel_smooth_coef: whether each channel has its own.

    Raises:
        LeafError: as PCEN; also a smaller floor, or a smoothing coefficient beyond 0 and 1.

    Example:
        >>> import torch
        >>> from leaf_port import PCEN
        >>> pcen, stable = PCEN(1, delta=-0.5), StablePCEN(1, delta=-0.5)
        >>> energies = torch.full((1, 3, 1), 0.1)
        >>> bool(pcen(energies).isnan().all()), bool(stable(energies).isfinite().all())
        (True, True)
    """

    def __init__(
        self,
        num_channels: int,
        alpha: float = 0.96,
        smooth_coef: float = 0.04,
        delta: float = 2.0,
        root: float = 2.0,
        floor: float = 1e-6,
        trainable: bool = False,
        learn_smooth_coef: bool = False,
        per_channel_smooth_coef: bool = False,
    ) -> None:
        _check_ranges(smooth_coef, floor)
        arguments = num_channels, alpha, smooth_coef, delta, root, floor
        learned = learn_smooth_coef, per_channel_smooth_coef
        super().__init__(*arguments, trainable, *learned)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, frames, channels)`` to the same shape."""
        return super().forward(within(inputs))

    def normalized(self, inputs: Tensor, smoother: Tensor) -> Tensor:
        """The function of energies and what they were smoothed to, of the same shape."""
        smoother = self._bounded(within(smoother), inputs)
        alpha = clip_by_value(self.alpha, 0.0, 1.0)
        delta = clip_by_value(self.delta, SMALLEST_DELTA, GREATEST_DELTA)
        power = 1.0 / maximum(self.root, 1.0)
        # A product, not a quotient: where it overflows its gradient is 0 times a finite gain.
        gained = inputs * (self.floor + smoother) ** -alpha
        gained = clip_by_value(gained, 0.0, GREATEST_GAINED)
        share = -_expm1(-power * torch.log1p(gained / delta))
        return (gained + delta) ** power * share

    def _bounded(self, smoother: Tensor, inputs: Tensor) -> Tensor:
        """The smoothed energies, their gradient kept from overflowing where it is summed up.

        The derivative by the smoothing coefficient is a sum of gradients times energies.
        """
        if torch.compiler.is_compiling() or is_traced():  # dynamo takes no Function with a jvp
            return smoother
        greatest = maximum(inputs.detach().amax(dim=1, keepdim=True), self.floor)
        return _Bounded.apply(smoother, _GREATEST_GRADIENT / greatest)


def _expm1(x: Tensor) -> Tensor:
    """``exp(x) - 1`` whose derivative is ``exp(x)``: torch's is the rounded result plus 1."""
    power = torch.exp(x)
    return torch.expm1(x.detach()) + (power - power.detach())


def within(energies: Tensor) -> Tensor:
    """Energies from 0 to 2^100; NaN stays NaN."""
    return clip_by_value(energies, 0.0, GREATEST_ENERGY)


class _Bounded(torch.autograd.Function):
    """A tensor whose gradient is kept within a limit; NaN stays NaN."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, limit: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, change: Tensor) -> tuple[Tensor, None]:
        (limit,) = ctx.saved_tensors
        return torch.clamp(change, -limit, limit), None

    @staticmethod
    def jvp(ctx: Any, change: Tensor, _: None) -> Tensor:
        return change.clone()


def _check_ranges(smooth_coef: float, floor: float) -> None:
    owner = "StablePCEN"
    if not 0 <= _checks.finite(owner, "smooth_coef", smooth_coef) <= 1:
        fix = "give the share of the new frame"
        raise LeafError(owner, "smooth_coef", "a number from 0 to 1", repr(smooth_coef), fix)
    if _checks.finite(owner, "floor", floor) < SMALLEST_FLOOR:
        fix = "give a greater floor, such as LEAF's 1e-12"
        raise LeafError(owner, "floor", f"at least {SMALLEST_FLOOR}", repr(floor), fix)
