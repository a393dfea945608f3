"""Compression and augmentation of the pooled energies (leaf_audio/postprocessing.py).

All take and give ``(batch, frames, channels)``.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port import _checks, _registry
from leaf_port._ops import scan
from leaf_port._ops import spec_augment as _sa
from leaf_port._ops.clip import clip_by_value, maximum, minimum
from leaf_port._ops.precision import product, without_autocast
from leaf_port._ops.spec_augment import SpecAugmentDraws as SpecAugmentDraws
from leaf_port.errors import LeafError
from leaf_port.initializers import Constant, Identity, parameter


def log_compression(inputs: Tensor, log_offset: float = 1e-5) -> Tensor:
    """``ln(x + log_offset)``, element by element. Source: leaf_audio/frontend.py, lines 43-47."""
    return torch.log(inputs + log_offset)


# As an argument it is a function, not a value: it is built with its offset bound.
_registry.KINDS["log_compression"] = functools.partial(functools.partial, log_compression)


class ExponentialMovingAverage(nn.Module):
    """``m[t] = w x[t] + (1 - w) m[t - 1]`` with ``w = clip(smooth, 0, 1)``.

    Source: postprocessing.py, lines 27-65. Parameter ``smooth``: ``(num_channels,)`` or ``(1,)``.

    Args:
        num_channels: number of channels.
        coeff_init: initial ``w``.
        per_channel: whether each channel has its own.
        trainable: whether it is trained.

    Raises:
        LeafError: no channels, a coefficient that is not finite, an input or a state of another
            shape or dtype.
    """

    def __init__(
        self,
        num_channels: int,
        coeff_init: float,
        per_channel: bool = False,
        trainable: bool = False,
    ) -> None:
        super().__init__()
        self.num_channels = _checks.at_least(
            "ExponentialMovingAverage", "num_channels", num_channels
        )
        _checks.finite("ExponentialMovingAverage", "coeff_init", coeff_init)
        shape = (num_channels if per_channel else 1,)
        self.smooth = parameter(
            "ExponentialMovingAverage", Constant(coeff_init), shape, trainable, "coeff_init"
        )

    def forward(self, inputs: Tensor, initial_state: Tensor) -> Tensor:
        """Smoothed ``inputs`` (batch, time, channels) from ``initial_state`` (batch, channels)."""
        _check_smoothed(self, inputs, initial_state, self.num_channels, self.smooth)
        w = clip_by_value(self.smooth, 0.0, 1.0)
        return scan.diagonal_recurrence(w * inputs, 1.0 - w, initial_state)


class FixedSmoother(nn.Module):
    """``m[t] = x[t] @ kernel + m[t - 1] @ recurrent_kernel``, not trained.

    The ``SimpleRNN`` that the official PCEN smooths with unless the coefficient is learned:
    ``kernel = s I`` and ``recurrent_kernel = (1 - s) I`` at first, both ``(channels, channels)``.
    Whole matrices, since checkpoints hold them. Source: postprocessing.py, lines 141-152.

    Args:
        num_channels: number of channels.
        smooth_coef: ``s``.

    Raises:
        LeafError: no channels, too many for the memory, a coefficient that is not finite, an input
            or a state of another shape or dtype.
    """

    def __init__(self, num_channels: int, smooth_coef: float) -> None:
        super().__init__()
        owner = "FixedSmoother"
        num_channels = _checks.at_least(owner, "num_channels", num_channels)
        shape = (num_channels, num_channels)
        _checks.fits_memory(owner, "num_channels", num_channels, num_channels**2)
        _checks.finite(owner, "smooth_coef", smooth_coef)
        self.kernel = parameter(owner, Identity(smooth_coef), shape, False)
        self.recurrent_kernel = parameter(owner, Identity(1.0 - smooth_coef), shape, False)

    def forward(self, inputs: Tensor, initial_state: Tensor) -> Tensor:
        """Smoothed ``inputs`` (batch, time, channels) from ``initial_state`` (batch, channels)."""
        _check_smoothed(self, inputs, initial_state, self.kernel.shape[0], self.kernel)
        weighed = product(inputs, self.kernel)
        return scan.matrix_recurrence(weighed, self.recurrent_kernel, initial_state)


@_registry.kind
class PCEN(nn.Module):
    """Per-channel energy normalisation (the official ``PCENLayer``).

    ``y = (x / (floor + m)^min(alpha, 1) + delta)^(1 / r) - delta^(1 / r)`` with
    ``r = max(root, 1)`` and ``m`` the smoothed ``x`` whose initial state is the first frame.
    https://arxiv.org/abs/1607.05666, equation 1; postprocessing.py, lines 68-164. As in the
    official code delta is not kept from going negative, and a negative one gives NaN.

    Parameters: ``alpha``, ``delta``, ``root`` ``(num_channels,)``; ``ema.smooth`` with
    ``learn_smooth_coef``, else ``ema.kernel`` and ``ema.recurrent_kernel``.

    Args:
        num_channels: number of channels (Keras finds it out, torch is told).
        alpha: exponent of the smoother.
        smooth_coef: smoothing coefficient.
        delta: bias added before the root.
        root: one over the exponent of the compression (``r`` in the paper).
        floor: added to the smoother.
        trainable: whether anything is trained. Without it the smoother is not either, whatever
            ``learn_smooth_coef`` says: Keras takes no weight of an untrainable layer.
        learn_smooth_coef: whether the smoothing coefficient is learned.
        per_channel_smooth_coef: whether each channel has its own.

    Raises:
        LeafError: no channels, an argument that is not finite, an input of another shape or dtype.

    Example:
        >>> import torch
        >>> pcen = PCEN(40, trainable=True, learn_smooth_coef=True)
        >>> pcen(torch.rand(2, 100, 40)).shape  # (batch, frames, channels)
        torch.Size([2, 100, 40])
        >>> sorted(name for name, _ in pcen.named_parameters())
        ['alpha', 'delta', 'ema.smooth', 'root']
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
        super().__init__()
        self.num_channels = _checks.at_least("PCEN", "num_channels", num_channels)
        values = {"alpha": alpha, "delta": delta, "root": root}
        for name, value in values.items():
            _checks.finite("PCEN", name, value)
        _checks.finite("PCEN", "smooth_coef", smooth_coef)
        self.floor = _checks.finite("PCEN", "floor", floor)
        self.alpha = parameter("PCEN", Constant(alpha), (num_channels,), trainable)
        self.delta = parameter("PCEN", Constant(delta), (num_channels,), trainable)
        self.root = parameter("PCEN", Constant(root), (num_channels,), trainable)
        self._trainable = trainable
        self.ema: nn.Module
        if learn_smooth_coef:
            self.ema = ExponentialMovingAverage(
                num_channels, smooth_coef, per_channel_smooth_coef, trainable
            )
        else:
            self.ema = FixedSmoother(num_channels, smooth_coef)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, frames, channels)`` to the same shape."""
        _check_channels(self, inputs, self.num_channels)
        _checks.same_dtype("PCEN", inputs, self.alpha)
        smoother = self.ema(inputs, inputs[:, 0])
        return self.normalized(inputs, smoother)

    def normalized(self, inputs: Tensor, smoother: Tensor) -> Tensor:
        """The function of energies and what they were smoothed to, of the same shape."""
        alpha = minimum(self.alpha, 1.0)
        one_over_root = 1.0 / maximum(self.root, 1.0)
        gained = inputs / (self.floor + smoother) ** alpha
        return (gained + self.delta) ** one_over_root - self.delta**one_over_root

    def _arguments(self) -> dict[str, Any]:
        """What ``save_pretrained`` writes; the initial values are in the weights."""
        smoother = self.ema
        learned = isinstance(smoother, ExponentialMovingAverage)
        shared = not isinstance(smoother, ExponentialMovingAverage) or len(smoother.smooth) == 1
        return {
            "num_channels": self.num_channels,
            "floor": self.floor,
            "trainable": self._trainable,
            "learn_smooth_coef": learned,
            "per_channel_smooth_coef": not shared,
        }

    def extra_repr(self) -> str:
        """What ``print`` shows of it."""
        return f"num_channels={self.num_channels}, floor={self.floor}"


@_registry.kind
class SpecAugment(nn.Module):
    """Warps time and masks runs of frames and channels with zeros, at random.

    https://arxiv.org/abs/1904.08779; postprocessing.py, lines 167-226, over lingvo's
    SpectrumAugmenter. In this order: time warp, time masks, frequency masks. Augments whenever it
    is called; a frontend calls it in training only.

    Args:
        freq_mask_max_bins: longest run of masked channels (exclusive).
        freq_mask_count: number of such runs.
        time_mask_max_frames: longest run of masked frames (exclusive).
        time_mask_count: number of such runs.
        time_mask_max_ratio: longest run of frames as a part of the clip.
        time_warp_max_frames: greatest shift, in frames.
        time_warp_max_ratio: greatest shift as a part of the clip.

    Raises:
        LeafError: a negative argument, an input of another rank, one frame to warp (of which the
            official code makes NaN), or a trace by torch.jit or the older ONNX exporter.

    Example:
        >>> import torch
        >>> augment = SpecAugment(time_mask_count=1)
        >>> augment(torch.ones(2, 100, 40)).shape  # (batch, frames, channels)
        torch.Size([2, 100, 40])
    """

    def __init__(
        self,
        freq_mask_max_bins: int = 10,
        freq_mask_count: int = 2,
        time_mask_max_frames: int = 10,
        time_mask_count: int = 2,
        time_mask_max_ratio: float = 1.0,
        time_warp_max_frames: int = 8,
        time_warp_max_ratio: float = 1.0,
    ) -> None:
        super().__init__()
        name = "SpecAugment"
        self.freq_mask_max_bins = _checks.at_least(
            name, "freq_mask_max_bins", freq_mask_max_bins, 0
        )
        self.freq_mask_count = _checks.at_least(name, "freq_mask_count", freq_mask_count, 0)
        self.time_mask_max_frames = _checks.at_least(
            name, "time_mask_max_frames", time_mask_max_frames, 0
        )
        self.time_mask_count = _checks.at_least(name, "time_mask_count", time_mask_count, 0)
        self.time_warp_max_frames = _checks.at_least(
            name, "time_warp_max_frames", time_warp_max_frames, 0
        )
        self.time_mask_max_ratio = _checks.finite(name, "time_mask_max_ratio", time_mask_max_ratio)
        self.time_warp_max_ratio = _checks.finite(name, "time_warp_max_ratio", time_warp_max_ratio)

    def _arguments(self) -> dict[str, Any]:
        """What ``save_pretrained`` writes."""
        names = inspect.signature(SpecAugment).parameters
        return {name: getattr(self, name) for name in names}

    def draw(
        self, batch: int, like: Tensor, generator: torch.Generator | None = None
    ) -> SpecAugmentDraws:
        """The random numbers of one call, uniform as the official ones.

        Args:
            batch: number of clips.
            like: gives dtype and device.
            generator: source of randomness; torch's global one by default.
        """
        # Only when there is one: a generator of None cannot be traced with a symbolic batch.
        source: dict[str, Any] = {} if generator is None else {"generator": generator}

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, dtype=like.dtype, device=like.device, **source)

        most = self.time_warp_max_frames
        shift = torch.randint(-most, most + 1, (batch,), device=like.device, **source)
        return SpecAugmentDraws(
            warp_shift=shift.to(like.dtype),
            warp_origin=uniform(batch),
            time_lengths=uniform(batch, self.time_mask_count),
            time_starts=uniform(batch, self.time_mask_count),
            freq_lengths=uniform(batch, self.freq_mask_count),
            freq_starts=uniform(batch, self.freq_mask_count),
        )

    @without_autocast
    def forward(self, inputs: Tensor, draws: SpecAugmentDraws | None = None) -> Tensor:
        """``(batch, frames, channels)`` to the same shape.

        Args:
            inputs: features.
            draws: the random numbers to use instead of fresh ones.
        """
        self._check(inputs)
        batch, frames, channels = inputs.shape
        draws = self.draw(batch, inputs) if draws is None else draws
        outputs = inputs
        if self._warps():
            ratio = self.time_warp_max_ratio
            warp = _sa.warp_matrix(draws.warp_shift, draws.warp_origin, frames, ratio)
            outputs = product(warp, outputs)
        if self.time_mask_max_frames and self.time_mask_count and self.time_mask_max_ratio > 0:
            longest, ratio = self.time_mask_max_frames, self.time_mask_max_ratio
            kept = _sa.mask(draws.time_lengths, draws.time_starts, frames, longest, ratio)
            outputs = outputs * kept[:, :, None]
        if self.freq_mask_max_bins and self.freq_mask_count:
            kept = _sa.mask(
                draws.freq_lengths, draws.freq_starts, channels, self.freq_mask_max_bins
            )
            outputs = outputs * kept[:, None, :]
        return outputs

    def _warps(self) -> bool:
        return self.time_warp_max_frames > 0 and self.time_warp_max_ratio > 0

    def _check(self, inputs: Tensor) -> None:
        owner = "SpecAugment"
        _checks.shaped(owner, inputs, (None, None, None), "(batch, frames, channels)")
        _checks.not_traced(owner, "masks and shifts are parts of the length: trace in eval()")
        if self._warps() and inputs.shape[1] == 1:
            expected, fix = "at least 2 frames to warp", "give longer clips, or a warp of 0 frames"
            raise LeafError(owner, "inputs", expected, str(tuple(inputs.shape)), fix)


def _check_channels(layer: nn.Module, inputs: Tensor, channels: int) -> None:
    owner = type(layer).__name__
    _checks.shaped(owner, inputs, (None, None, channels), "(batch, frames, channels)")


def _check_smoothed(
    layer: nn.Module, inputs: Tensor, initial_state: Tensor, channels: int, weight: Tensor
) -> None:
    """One state a clip: one for all would be spread over them, which the official code refuses."""
    _check_channels(layer, inputs, channels)
    owner, shape = type(layer).__name__, (inputs.shape[0], channels)
    _checks.shaped(owner, initial_state, shape, "(batch, channels)", "initial_state")
    _checks.same_dtype(owner, inputs, weight)
    _checks.same_dtype(owner, initial_state, weight, "initial_state")


__all__ = [
    "PCEN",
    "ExponentialMovingAverage",
    "FixedSmoother",
    "SpecAugment",
    "SpecAugmentDraws",
    "log_compression",
]
