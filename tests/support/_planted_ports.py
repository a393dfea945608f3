"""Synthetic foreign ports: a healthy Leaf of our own modules, and the same with planted faults.

The faults are written against the modules, not with ``parity.commands.audit.rules``, so that a
cause is confirmed by another computation than the one that planted it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leaf_port import PCEN, Constant, GaborConv1d, GaborInit, GaussianLowpass, Leaf
from leaf_port.impulse_responses import gabor_impulse_response
from leaf_port.melfilters import Gabor


def _leaf(**parts: Any) -> Leaf:
    return Leaf(**parts)


def _filters(change: Callable[[Tensor], Tensor]) -> Leaf:
    """A Leaf whose filters ``(filters, taps, 2)`` are changed."""

    class Changed(GaborConv1d):
        def impulse_responses(self) -> Tensor:
            return change(super().impulse_responses())

    return _leaf(conv1d_cls=Changed)


def _late_filters() -> Leaf:
    class Late(GaborConv1d):
        def impulse_responses(self) -> Tensor:
            kernel = self.constraints["kernel"](self.kernel)
            time = torch.arange(-201.0, 200.0, dtype=kernel.dtype)
            return torch.view_as_real(gabor_impulse_response(time, *kernel.unbind(1)))

    return _leaf(conv1d_cls=Late)


def _unbounded_filters() -> Leaf:
    class Unbounded(GaborConv1d):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.constraints["kernel"] = lambda kernel: kernel

    return _leaf(conv1d_cls=Unbounded)


def _convolution(left: int, right: int, bias: float | None = None) -> Leaf:
    class Padded(GaborConv1d):
        def _convolve(self, inputs: Tensor, kernel: Tensor) -> Tensor:
            if inputs.shape[1] == 1:  # a Leaf counts its channels on one sample when it is built
                return super()._convolve(inputs, kernel)
            x = F.pad(inputs.transpose(1, 2), (left, right))
            ones = None if bias is None else torch.full((kernel.shape[0],), bias)
            return F.conv1d(x, kernel, ones).transpose(1, 2)

    return _leaf(conv1d_cls=Padded)


class _Activation(nn.Module):
    def __init__(self, act: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x[..., 0::2], x[..., 1::2])


def _pooling(
    ends: tuple[int, int] | None = None,
    bias: float | None = None,
    taps: Callable[[Tensor], Tensor] = lambda taps: taps,
) -> type[GaussianLowpass]:
    class Changed(GaussianLowpass):
        def impulse_responses(self) -> Tensor:
            return taps(super().impulse_responses())

        def forward(self, inputs: Tensor) -> Tensor:
            x = self._time_last(inputs) if ends is None else F.pad(inputs.transpose(1, 2), ends)
            ones = None if bias is None else torch.full((self.num_channels,), bias)
            windows = self.impulse_responses()[:, None]
            y = F.conv1d(x, windows, ones, stride=self.strides, groups=self.num_channels)
            return y.transpose(1, 2)

    return Changed


class _Ema(nn.Module):
    """Frame by frame, as foreign ports smooth."""

    def __init__(self, zero: bool = False, swap: bool = False, clip: bool = True) -> None:
        super().__init__()
        self.smooth = nn.Parameter(torch.full((40,), 0.04))
        self.zero, self.swap, self.clip = zero, swap, clip

    def forward(self, x: Tensor, initial: Tensor) -> Tensor:
        w = self.smooth.clamp(0, 1) if self.clip else self.smooth
        w = 1 - w if self.swap else w
        state, made = torch.zeros_like(initial) if self.zero else initial, []
        for frame in x.unbind(1):
            state = w * frame + (1 - w) * state
            made.append(state)
        return torch.stack(made, dim=1)


class _Pcen(nn.Module):
    """Its own spelling of PCEN, with faults."""

    def __init__(self, floor: float = 1e-12, fault: str = "", **ema: bool) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((40,), 0.96))
        self.delta = nn.Parameter(torch.full((40,), 2.0))
        self.root = nn.Parameter(torch.full((40,), 2.0))
        self.ema = _Ema(**ema)
        self.floor, self.fault = floor, fault

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.alpha if self.fault == "alpha" else self.alpha.clamp(max=1)
        root = self.root if self.fault == "root" else self.root.clamp(min=1)
        power = root if self.fault == "inverted" else 1 / root
        y = (x / (self.floor + self.ema(x, x[:, 0])) ** alpha + self.delta) ** power
        return y if self.fault == "delta" else y - self.delta**power


class _Log(PCEN):
    """Holds PCEN's weights and takes a logarithm."""

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.log(inputs + 1e-5)


def _log() -> Leaf:
    made = _Log(
        40, floor=1e-12, trainable=True, learn_smooth_coef=True, per_channel_smooth_coef=True
    )
    return _leaf(compression_fn=made)


class _Louder(Leaf):
    def energies(self, inputs: Tensor) -> Tensor:
        return super().energies(inputs) + 1


class _HzMel(Gabor):
    """Triangles as torchaudio lays them: linear in Hz."""

    @property
    def mel_filters(self) -> Any:
        low, high = (2595 * torch.log10(torch.tensor(1 + f / 700)) for f in (60.0, 7800.0))
        edges = 700 * (10 ** (torch.linspace(float(low), float(high), 42) / 2595) - 1)
        slopes = edges[None] - torch.linspace(0, 8000, 257)[:, None]
        gaps = edges.diff()
        rising, falling = -slopes[:, :-2] / gaps[:-1], slopes[:, 2:] / gaps[1:]
        return torch.minimum(rising, falling).clamp(min=0).T.numpy()


def _hz_init(shape: Any, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(_HzMel().gabor_params_from_mels).to(dtype)


def _halved_deviations(shape: Any, dtype: torch.dtype) -> Tensor:
    return GaborInit(16000, 60.0, 7800.0)(shape, dtype) * torch.tensor([1.0, 0.5])


# name: how it is built, the stages that diverge, the rules that explain them.
Planted = tuple[Callable[[], nn.Module], list[str], dict[str, Any]]
PLANTED: dict[str, Planted] = {
    "mel in Hz": (
        lambda: _leaf(complex_conv_init=_hz_init), ["initialisation"], {"mel": "hz"}
    ),
    "upper edge": (
        lambda: _leaf(complex_conv_init=GaborInit(16000, 60.0, 8000.0)),
        ["initialisation"],
        {"max_freq": 8000.0},
    ),
    "deviations halved": (
        lambda: _leaf(complex_conv_init=_halved_deviations),
        ["initialisation"],
        {"init_sigma": 0.5},
    ),
    "another pooling width": (
        lambda: _leaf(pooling_init=Constant(0.5)), ["initialisation"], {"init_pooling": 0.5}
    ),
    "conjugated": (
        lambda: _filters(lambda h: h * torch.tensor([1.0, -1.0])), ["filters"], {"filter_sign": -1}
    ),
    "parts swapped": (
        lambda: _filters(lambda h: h.flip(-1)),
        ["filters"],
        {"filter_parts": "imaginary, real"},
    ),
    "unit norm": (
        lambda: _filters(lambda h: h / h.norm(dim=(1, 2), keepdim=True)),
        ["filters"],
        {"filter_scale": "unit norm"},
    ),
    "late filters": (_late_filters, ["filters"], {"filter_shift": 1}),
    "unbounded filters": (_unbounded_filters, ["filters"], {"gabor_bounds": "none"}),
    "convolution one off": (
        lambda: _convolution(201, 199), ["convolution"], {"conv_padding": "one more left"}
    ),
    "causal convolution": (
        lambda: _convolution(400, 0), ["convolution"], {"conv_padding": "causal"}
    ),
    "valid convolution": (
        lambda: _convolution(0, 0), ["convolution"], {"conv_padding": "valid"}
    ),
    "convolution with bias": (
        lambda: _convolution(200, 200, 1.0), ["convolution"], {"conv_bias": 1.0}
    ),
    "mean of squares": (
        lambda: _leaf(activation=_Activation(lambda a, b: (a**2 + b**2) / 2)),
        ["modulus"],
        {"modulus": "mean"},
    ),
    "magnitude": (
        lambda: _leaf(activation=_Activation(lambda a, b: (a**2 + b**2).sqrt())),
        ["modulus"],
        {"modulus": "root"},
    ),
    "real part": (
        lambda: _leaf(activation=_Activation(lambda a, b: a**2)), ["modulus"], {"modulus": "real"}
    ),
    "normalised windows": (
        lambda: _leaf(pooling_cls=_pooling(taps=lambda g: g / g.sum(1, keepdim=True))),
        ["windows"],
        {"pool_norm": True},
    ),
    "symmetric pooling": (
        lambda: _leaf(pooling_cls=_pooling((200, 200))), ["pooling"], {"pool_padding": "symmetric"}
    ),
    "symmetric pooling with bias": (
        lambda: _leaf(pooling_cls=_pooling((200, 200), 1.0)),
        ["pooling"],
        {"pool_padding": "symmetric", "pool_bias": 1.0},
    ),
    "valid pooling": (
        lambda: _leaf(pooling_cls=_pooling((0, 0))), ["pooling"], {"pool_padding": "valid"}
    ),
    "energies plus one": (_Louder, ["compression"], {"energy_offset": 1.0}),
    "floor": (
        lambda: _leaf(compression_fn=_Pcen(floor=1e-6)), ["compression"], {"floor": 1e-6}
    ),
    "smoother from zero": (
        lambda: _leaf(compression_fn=_Pcen(zero=True)), ["compression"], {"ema_start": "zero"}
    ),
    "smoother swapped": (
        lambda: _leaf(compression_fn=_Pcen(swap=True)), ["compression"], {"ema_swap": True}
    ),
    "smoother unbounded": (
        lambda: _leaf(compression_fn=_Pcen(clip=False)), ["compression"], {"smooth_bounds": False}
    ),
    "alpha unbounded": (
        lambda: _leaf(compression_fn=_Pcen(fault="alpha")),
        ["compression"],
        {"alpha_bound": False},
    ),
    "root unbounded": (
        lambda: _leaf(compression_fn=_Pcen(fault="root")), ["compression"], {"root_bound": False}
    ),
    "root inverted": (
        lambda: _leaf(compression_fn=_Pcen(fault="inverted")),
        ["compression"],
        {"root_inverted": False},
    ),
    "delta kept": (
        lambda: _leaf(compression_fn=_Pcen(fault="delta")),
        ["compression"],
        {"delta_removed": False},
    ),
    "logarithm": (_log, ["compression"], {"compression": 1e-5}),
    "five faults at once": (
        lambda: _leaf(
            complex_conv_init=_hz_init,
            activation=_Activation(lambda a, b: (a**2 + b**2) / 2),
            pooling_cls=_pooling((200, 200), 1.0),
            compression_fn=_Pcen(floor=1e-6, zero=True),
        ),
        ["initialisation", "modulus", "pooling", "compression"],
        {
            "mel": "hz",
            "modulus": "mean",
            "pool_padding": "symmetric",
            "pool_bias": 1.0,
            "floor": 1e-6,
            "ema_start": "zero",
        },
    ),
}  # fmt: skip


class Spelt(nn.Module):
    """A healthy Leaf on its own convolutions, in each of the ways in which one can be spelt.

    Args:
        form: ``blocks``: all real filters first; ``separate``: two convolutions; ``complex``: one
            of complex filters; ``2d``: two-dimensional convolutions.
    """

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.healthy = Leaf()

    def _pairs(self, x: Tensor, filters: Tensor) -> Tensor:
        """Real and imaginary parts: ``(2, batch, filters, time)``."""
        real, imaginary = filters.unbind(-1)
        if self.form == "separate":
            parts = [F.conv1d(x, h[:, None], padding=200) for h in (real, imaginary)]
            return torch.stack(parts)
        if self.form == "complex":
            weight = torch.complex(real, imaginary)[:, None]
            y = F.conv1d(x.to(torch.complex64), weight, padding=200)
            return torch.stack([y.real, y.imag])
        weight = torch.cat([real, imaginary])[:, None]
        if self.form == "2d":
            y = F.conv2d(x[:, :, None], weight[:, :, None], padding=(0, 200)).squeeze(2)
        else:
            y = F.conv1d(x, weight, padding=200)
        return torch.stack(y.chunk(2, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[1] != 1:
            raise ValueError("expected (batch, 1, time)")
        real, imaginary = self._pairs(x, self.healthy.complex_conv.impulse_responses())
        energies = (real**2 + imaginary**2).transpose(1, 2)
        return self.healthy.compress_fn(self.healthy.pooling(energies).clamp(min=1e-5)).mT
