"""Reads and replaces what flows between the stages of a foreign Leaf while its own code runs.

A Leaf of whatever make convolves a waveform into pairs of channels, and later each energy with its
own window. Those two calls of torch's convolutions are the places where its stages can be told
apart without knowing its modules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from parity.commands.audit.probes import Probe
from parity.commands.audit.rules import FILTERS

_CONVOLUTIONS = {torch.conv1d, torch.conv2d, F.conv1d, F.conv2d}
_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
Call = Callable[..., Any]


def _unlike(taps: Tensor, right: Tensor) -> float:
    """How far filters are from the right ones in their envelopes, whatever phase and scale."""
    ours, theirs = (F.normalize(each.norm(dim=2), dim=1) for each in (taps, right))
    return float((ours - theirs).norm())


@dataclasses.dataclass
class Seen:
    """What passed by, in the layouts of :mod:`parity.commands.audit.rules`; None for what did not.

    Attributes:
        filters: ``(filters, taps, 2)``.
        convolution: ``(batch, time, filters, 2)``.
        modulus: ``(batch, time, filters)``.
        windows: ``(filters, taps)``.
        pooling: ``(batch, frames, filters)``.
        blocks: whether all real parts come first, then all imaginary ones.
    """

    filters: Tensor | None = None
    convolution: Tensor | None = None
    modulus: Tensor | None = None
    windows: Tensor | None = None
    pooling: Tensor | None = None
    blocks: bool = False


class Taps(TorchFunctionMode):
    """While it is entered, every stage of the foreign forward is seen and its successor fed right.

    Args:
        probe: gives what each stage is fed; the filters decide the order of the channels.
    """

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.seen = Seen()
        self._probe = probe
        self._parts: list[Tensor] = []  # of filters that come as two convolutions

    def __torch_function__(
        self, func: Call, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in _CONVOLUTIONS:
            return self._convolution(func, dict(zip(_ARGUMENTS, args, strict=False)) | kwargs)
        if func is F.pad and args:
            args = (self._energies(args[0]), *args[1:])
        return func(*args, **kwargs)

    def _convolution(self, func: Call, call: dict[str, Any]) -> Any:
        weight, groups = call["weight"], call.get("groups", 1)
        channels = weight.shape[0]
        if self.seen.convolution is None and groups == 1 and weight.shape[1] == 1:
            if weight.is_complex() and channels == FILTERS:
                return self._complex(func, call)
            if channels == 2 * FILTERS:
                return self._pairs(func, call)
            if channels == FILTERS:
                return self._part(func, call)
        elif groups == FILTERS and channels == FILTERS and self.seen.pooling is None:
            return self._pool(func, call)
        return func(**call)

    def _pairs(self, func: Call, call: dict[str, Any]) -> Tensor:
        """One convolution with twice as many channels as filters."""
        taps = call["weight"].detach().reshape(2 * FILTERS, -1)
        right = self._probe.filters
        alternate = taps.unflatten(0, (FILTERS, 2)).transpose(1, 2)
        blocks = taps.unflatten(0, (2, FILTERS)).permute(1, 2, 0)
        if taps.shape[1] == right.shape[1]:
            self.seen.blocks = _unlike(blocks, right) < _unlike(alternate, right)
            order = (2, 0, 1) if self.seen.blocks else (0, 2, 1)
            call["weight"] = right.permute(order).reshape(call["weight"].shape)
        self.seen.filters = blocks if self.seen.blocks else alternate
        made = func(**call)
        flat = made.detach().reshape(made.shape[0], 2 * FILTERS, -1)
        sizes = (2, FILTERS) if self.seen.blocks else (FILTERS, 2)
        split = flat.unflatten(1, sizes)
        axes = (0, 3, 2, 1) if self.seen.blocks else (0, 3, 1, 2)
        self.seen.convolution = split.permute(axes)
        axes = (0, 3, 2, 1) if self.seen.blocks else (0, 2, 3, 1)
        return self._like(self._probe.pairs.permute(axes), made)

    def _complex(self, func: Call, call: dict[str, Any]) -> Tensor:
        """One convolution with complex filters."""
        weight = call["weight"]
        self.seen.filters = torch.view_as_real(weight.detach().reshape(FILTERS, -1).resolve_conj())
        if self.seen.filters.shape == self._probe.filters.shape:
            right = torch.view_as_complex(self._probe.filters.contiguous())
            call["weight"] = right.reshape(weight.shape)
        made = func(**call)
        flat = made.detach().reshape(made.shape[0], FILTERS, -1)
        self.seen.convolution = torch.view_as_real(flat.transpose(1, 2).resolve_conj())
        right = torch.view_as_complex(self._probe.pairs.contiguous()).transpose(1, 2)
        return right.reshape(made.shape) if right.numel() == made.numel() else made

    def _part(self, func: Call, call: dict[str, Any]) -> Tensor:
        """The first or second of two convolutions: real parts, imaginary parts."""
        part = len(self._parts) // 2
        taps = call["weight"].detach().reshape(FILTERS, -1)
        if taps.shape == self._probe.filters.shape[:2]:
            call["weight"] = self._probe.filters[..., part].reshape(call["weight"].shape)
        made = func(**call)
        self._parts += [taps, made.detach().reshape(made.shape[0], FILTERS, -1).transpose(1, 2)]
        if part == 1:
            self.seen.filters = torch.stack(self._parts[0::2], dim=-1)
            self.seen.convolution = torch.stack(self._parts[1::2], dim=-1)
        return self._like(self._probe.pairs[..., part].transpose(1, 2), made)

    def _energies(self, tensor: Any) -> Any:
        """The tensor itself, or the right energies where it is where they enter the pooling."""
        if self.seen.convolution is None or self.seen.modulus is not None:
            return tensor
        right = self._probe.energies
        if not isinstance(tensor, Tensor) or tensor.numel() != right.numel():
            return tensor
        sizes = [size for size in tensor.shape[1:] if size != 1]
        if sizes == [FILTERS, right.shape[1]]:
            flat = tensor.detach().reshape(right.shape[0], FILTERS, -1)
            self.seen.modulus = flat.transpose(1, 2)
            return right.transpose(1, 2).reshape(tensor.shape)
        if sizes == [right.shape[1], FILTERS]:
            self.seen.modulus = tensor.detach().reshape(right.shape)
            return right.reshape(tensor.shape)
        return tensor

    def _pool(self, func: Call, call: dict[str, Any]) -> Tensor:
        call["input"] = self._energies(call["input"])
        weight = call["weight"]
        self.seen.windows = weight.detach().reshape(FILTERS, -1)
        if self.seen.windows.shape == self._probe.windows.shape:
            call["weight"] = self._probe.windows.reshape(weight.shape)
        made = func(**call)
        self.seen.pooling = made.detach().reshape(made.shape[0], FILTERS, -1).transpose(1, 2)
        right = self._probe.pooled.transpose(1, 2)
        sizes = (*made.shape[:-1], right.shape[2])
        return right.reshape(sizes)

    @staticmethod
    def _like(right: Tensor, made: Tensor) -> Tensor:
        """The right value in the shape of theirs; with its own length where theirs differs."""
        return right.reshape(*made.shape[:1], -1, *made.shape[2:-1], right.shape[-1])
