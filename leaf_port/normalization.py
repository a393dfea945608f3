"""Keras' and tensorflow-addons' normalisations, with their defaults and their moving averages.

Sources, of the stack that runs the reference (TensorFlow 2.13.1, tensorflow-addons 0.22.0):
keras/src/layers/normalization/batch_normalization.py and layer_normalization.py,
tensorflow_addons/layers/normalizations.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from leaf_port import _checks
from leaf_port._ops import synchronized
from leaf_port._ops.devices import lacks
from leaf_port._ops.precision import full_precision
from leaf_port.errors import LeafError

_RANKS = {2: "of two axes", 3: "of three axes", 4: "of four axes"}
_FUSED_AXES = (1, 2)  # of a map (batch, channels, frames, filters): axes 3 and 1 of Keras' layout


def _moments(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Biased variance and mean along an axis, which stays, of size 1."""
    if x.numel() == 0:  # no clips; torch.var_mean warns of it
        mean = x.mean(dim, keepdim=True)
        return mean, mean
    variance, mean = torch.var_mean(x, dim=dim, correction=0, keepdim=True)
    return variance, mean


class _Affine(nn.Module):
    """The scale ``gamma`` (ones) and the offset ``beta`` (zeros) that the normalisations share."""

    def __init__(self, argument: str, size: int, epsilon: float) -> None:
        nn.Module.__init__(self)  # not super(): torch's batch normalisation would make its own
        owner = type(self).__name__
        self.size = _checks.at_least(owner, argument, size)
        self.epsilon = _checks.positive(owner, "epsilon", epsilon)
        dtype = _checks.parameter_dtype()
        self.gamma = nn.Parameter(torch.ones(size, dtype=dtype))
        self.beta = nn.Parameter(torch.zeros(size, dtype=dtype))

    def extra_repr(self) -> str:
        """The arguments that differ between layers, for ``print(layer)``."""
        return f"{self.size}, epsilon={self.epsilon}"


class _NotTorchsError(LeafError, AttributeError):
    """An attribute of torch's batch normalisation that Keras' has no counterpart of."""


_TORCHS = frozenset(_BatchNorm.__constants__) - {"momentum", "num_features"} | {
    *("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
}


class BatchNormalization(_Affine, _BatchNorm):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, by batch or moving statistics.

    ``tf.keras.layers.BatchNormalization``. In training, mean and (biased) variance are those of the
    batch, over every axis but ``axis``, and move the buffers: ``moving = moving * momentum +
    batch * (1 - momentum)``. In evaluation the buffers take their place.

    Which variance moves the buffer: Keras runs TensorFlow's fused kernel where it can, and that
    kernel hands back the unbiased variance (``n / (n - 1)`` of the biased one; of one value, 0).
    It can for an input of four axes normalised over Keras' axis 3 (channels) or 1, in float32. Four
    axes here are ``(batch, channels, frames, filters)``, Keras' ``(batch, frames, filters,
    channels)``, so:

    * four axes, ``axis=1`` (channels) or ``axis=2`` (frames): the unbiased variance;
    * four axes, ``axis=3`` (filters, PANN's first layer): the biased variance;
    * two or three axes: the biased variance.

    In float64 Keras has no fused kernel and always keeps the biased variance; this layer computes
    the same function in either precision. Keras' ``trainable = False`` freezes a layer and puts it
    in evaluation mode; here that is ``eval()`` and ``requires_grad_(False)``.

    torch's tools see a batch normalisation: ``torch.optim.swa_utils.update_bn`` makes the moving
    averages the means over its batches (``reset_running_stats``, then a ``momentum`` of None).
    ``SyncBatchNorm.convert_sync_batchnorm`` is refused, and whatever else asks for ``weight`` or
    ``running_mean``: torch's layer is another function. :func:`synchronize` takes its place.

    Args:
        num_features: size of the axis that keeps its own statistics.
        axis: that axis, counted from 1.
        epsilon: added to the variance.
        momentum: share of the old moving average that stays (torch's ``momentum`` is 1 minus it).

    Shape:
        ``(batch, features)``, three or four axes, to the same.

    Under autocast a half-precision input is computed in float32, and so is the output.

    Precision: the statistics are torch.var_mean's, to float32 rounding in either memory format.
    (torch.batch_norm adds up channels-last maps in plain float32 on the CPU, and so does
    TensorFlow: over 256,000 values after a ReLU their variances are off by about 1e-3.)

    Raises:
        LeafError: bad argument, or an input of another rank, size or dtype, or empty in training.

    Source: batch_normalization.py, ``_raise_if_fused_cannot_be_used``, ``build``,
    ``_fused_batch_norm``, ``call``.
    """

    _version = 1  # of the state: torch's second one has a counter of batches
    __constants__ = []  # noqa: RUF012 - what scripting would take as such
    moving_mean: Tensor
    moving_variance: Tensor
    momentum: float | None

    def __init__(
        self, num_features: int, axis: int = 1, epsilon: float = 1e-3, momentum: float = 0.99
    ) -> None:
        super().__init__("num_features", num_features, epsilon)
        owner = "BatchNormalization"
        if isinstance(axis, bool) or axis not in range(1, max(_RANKS)):
            fix = "count from the batch axis, 0"
            raise LeafError(owner, "axis", "1, 2 or 3", repr(axis), fix)
        if not 0 <= _checks.finite(owner, "momentum", momentum) <= 1:
            fix = "Keras' default is 0.99; torch's momentum is 1 minus Keras'"
            raise LeafError(owner, "momentum", "a number from 0 to 1", momentum, fix)
        self.axis = axis
        self.momentum = momentum
        self.num_features = self.size
        self._batches = 0  # since the reset; counted where there is no momentum
        self.synchronized = False
        self.register_buffer("moving_mean", torch.zeros(self.size, dtype=self.beta.dtype))
        self.register_buffer("moving_variance", torch.ones(self.size, dtype=self.gamma.dtype))

    def __getattr__(self, name: str) -> Any:
        """What torch.nn.Module keeps; refuses what torch's tools take torch's layers apart by."""
        if name not in _TORCHS:
            return super().__getattr__(name)
        expected = "no tool that takes it for torch's own batch normalisation"
        fix = (
            "its epsilon, momentum and moving variance are Keras'; models take other layers: "
            "normalization_layer=torch.nn.BatchNorm2d"
        )
        raise _NotTorchsError("BatchNormalization", name, expected, "one", fix)

    def reset_running_stats(self) -> None:
        """Forgets the moving averages."""
        self.moving_mean.zero_()
        self.moving_variance.fill_(1)
        self._batches = 0

    def reset_parameters(self) -> None:
        """Forgets all that was learned."""
        self.reset_running_stats()
        nn.init.ones_(self.gamma)
        nn.init.zeros_(self.beta)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        nn.Module._load_from_state_dict(self, *arguments)  # torch's adds a counter to the state

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalises ``inputs``; in training, moves the moving averages too."""
        inputs = full_precision(inputs)
        self._check(inputs)
        mean, variance = self.moving_mean, self.moving_variance
        if self.training:
            others = [axis for axis in range(inputs.ndim) if axis != self.axis]
            if self.synchronized:
                variance, mean, count = synchronized.var_mean(inputs, others)
            else:
                variance, mean = torch.var_mean(inputs, others, correction=0)
                count = inputs.numel() // self.size
            self._move(mean, variance, inputs, count)
        shape = [1] * inputs.ndim
        shape[self.axis] = self.size
        scale = torch.rsqrt(variance + self.epsilon) * self.gamma
        return (inputs - mean.view(shape)) * scale.view(shape) + self.beta.view(shape)

    def extra_repr(self) -> str:
        """The arguments that differ between layers, for ``print(layer)``."""
        return f"{super().extra_repr()}, axis={self.axis}, momentum={self.momentum}"

    def _check(self, inputs: Tensor) -> None:
        owner = "BatchNormalization"
        _checks.floating(owner, inputs)
        if inputs.ndim not in _RANKS or inputs.ndim <= self.axis:
            expected = f"two, three or four axes, axis {self.axis} among them"
            fix = "add or drop an axis, or give another `axis`"
            raise LeafError(owner, "inputs", expected, str(tuple(inputs.shape)), fix)
        shape: list[int | None] = [None] * inputs.ndim
        shape[self.axis] = self.size
        _checks.shaped(owner, inputs, shape, _RANKS[inputs.ndim])
        _checks.same_dtype(owner, inputs, self.gamma)
        if self.training and inputs.shape[0] < 1:
            fix = "drop the empty batch: its NaN statistics would stay in the moving averages"
            got = str(tuple(inputs.shape))
            raise LeafError(owner, "inputs", "at least one clip in training", got, fix)

    @torch.no_grad()
    def _move(self, mean: Tensor, variance: Tensor, inputs: Tensor, n: int) -> None:
        """Moves both moving averages towards the mean and (biased) variance of ``n`` values."""
        if inputs.ndim == 4 and self.axis in _FUSED_AXES:
            variance = variance * n / max(n - 1, 1)
        share = self._share_of_the_new()
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.copy_(torch.lerp(moving, now, share))  # vmap has no rule for lerp_

    def _share_of_the_new(self) -> float:
        """What a batch counts in the moving averages; without a momentum all count the same."""
        if self.momentum is not None:
            return 1 - self.momentum
        self._batches += 1
        return 1 / self._batches


def synchronize(module: nn.Module) -> None:
    """Has every :class:`BatchNormalization` below compute its statistics over all processes.

    Those of ``torch.distributed``'s default group, all of which must then train together. In
    evaluation nothing changes.
    """
    for each in _batch_normalizations(module):
        each.synchronized = True


@contextmanager
def unsynchronized(module: nn.Module) -> Iterator[None]:
    """For a while, statistics are those of this process's batch alone."""
    found = [each for each in _batch_normalizations(module) if each.synchronized]
    for each in found:
        each.synchronized = False
    try:
        yield
    finally:
        for each in found:
            each.synchronized = True


def _batch_normalizations(module: nn.Module) -> list[BatchNormalization]:
    return [each for each in module.modules() if isinstance(each, BatchNormalization)]


class InstanceNormalization(_Affine):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, statistics over time, or of a map.

    Mean and biased variance are those of one channel of one clip. A channel that does not vary
    (one frame, say) gives ``beta``.
    ``tfa.layers.InstanceNormalization(axis=2, epsilon=1e-6, center=True, scale=True)``, which is
    ``Leaf``'s ``mean_var_norm`` (leaf_audio/frontend.py, lines 160-168).

    On a map it is ``tfa.layers.InstanceNormalization()``, whose epsilon is 1e-3: an encoder's
    ``normalization_layer`` is then ``functools.partial(InstanceNormalization, epsilon=1e-3)``.

    Args:
        num_channels: number of channels (filters).
        epsilon: added to the variance.

    Shape:
        ``(batch, time, channels)`` or ``(batch, channels, frames, filters)`` to the same.

    Raises:
        LeafError: bad argument, or an input of another rank, size or dtype.

    Source: tensorflow_addons/layers/normalizations.py, ``GroupNormalization``.
    """

    def __init__(self, num_channels: int, epsilon: float = 1e-6) -> None:
        super().__init__("num_channels", num_channels, epsilon)

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalises each channel of each clip over time, or over frames and filters."""
        if isinstance(inputs, Tensor) and inputs.ndim == 4:
            names = "(batch, channels, frames, filters)"
            self._check(inputs, (None, self.size, None, None), names)
            return self._normalised(inputs.flatten(2).mT).mT.reshape(inputs.shape)
        self._check(inputs, (None, None, self.size), "(batch, time, channels)")
        return self._normalised(inputs)

    def _check(self, inputs: Tensor, shape: tuple[int | None, ...], names: str) -> None:
        _checks.shaped("InstanceNormalization", inputs, shape, names)
        _checks.same_dtype("InstanceNormalization", inputs, self.gamma)

    def _normalised(self, inputs: Tensor) -> Tensor:
        """``(batch, values, channels)``, over the values."""
        variance, mean = _moments(inputs, 1)
        # The mean is subtracted first: x * scale - mean * scale, as TensorFlow does it, cancels.
        return (inputs - mean) * (torch.rsqrt(variance + self.epsilon) * self.gamma) + self.beta


class LayerNormalization(_Affine):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, statistics over the last axis.

    ``tf.keras.layers.LayerNormalization()``: biased variance, and an epsilon of 1e-3 where torch's
    ``LayerNorm`` has 1e-5.

    Args:
        num_channels: size of the last axis.
        epsilon: added to the variance.

    Shape:
        ``(..., channels)`` to the same.

    Raises:
        LeafError: bad argument, or an input of another size or dtype.

    Source: keras/src/layers/normalization/layer_normalization.py, ``call``.
    """

    def __init__(self, num_channels: int, epsilon: float = 1e-3) -> None:
        super().__init__("num_channels", num_channels, epsilon)

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalises the last axis."""
        owner = "LayerNormalization"
        _checks.floating(owner, inputs)
        if inputs.ndim < 2 or inputs.shape[-1] != self.size or 0 in inputs.shape[1:]:
            expected = f"shape (batch, ..., {self.size}), none empty"
            fix = "match the layer to its input"
            raise LeafError(owner, "inputs", expected, str(tuple(inputs.shape)), fix)
        _checks.same_dtype(owner, inputs, self.gamma)
        if lacks(inputs.device, "layer normalisation"):
            variance, mean = _moments(inputs, -1)
            deviation = torch.sqrt(variance + self.epsilon)
            return (inputs - mean) / deviation * self.gamma + self.beta
        return F.layer_norm(inputs, (self.size,), self.gamma, self.beta, self.epsilon)
