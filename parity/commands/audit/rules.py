"""The default Leaf, stage by stage, and the ways in which ports are known to leave it.

With the default :class:`Rules` every stage is the port's, which is proven against the recorded
official answers; each other value of a field is a fault that a port was found with or could have.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port import convolution, impulse_responses, melfilters, padding
from leaf_port._ops import scan
from leaf_port._ops.clip import clip_by_value, maximum, minimum
from leaf_port.constraints import GaborConstraint
from leaf_port.frontend import SMALLEST_ENERGY, SquaredModulus

FILTERS = 40
TAPS = 401
STRIDE = 160
SAMPLE_RATE = 16000
N_FFT = 512

# By name: gabor (filters, 2), the others (filters,).
Weights: TypeAlias = Mapping[str, Tensor]
WEIGHTS = ("gabor", "pooling", "alpha", "delta", "root", "smooth")

_FWHM = 2 * math.sqrt(2 * math.log(2))  # full width at half maximum of a Gaussian of deviation 1


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is computed at each stage. The defaults are the official implementation's.

    Attributes:
        mel: the mel filters that the Gabor parameters come from: ``mel`` (tf.signal's triangles,
            linear in mel), ``hz`` (torchaudio's, linear in Hz), ``hz widened`` (the same, at least
            1.5 bins wide), ``analytic`` (none: centres and widths by formula).
        min_freq: lower edge, in Hz.
        max_freq: upper edge, in Hz.
        init_sigma: factor on the initial deviations.
        init_pooling: initial width of the pooling.
        init_alpha: initial exponent of PCEN.
        init_delta: initial bias of PCEN.
        init_root: initial root of PCEN.
        init_smooth: initial smoothing coefficient.
        gabor_bounds: ``official``, ``lower halved``, ``none``.
        filter_sigma: what the second parameter is: ``deviation`` or ``fwhm``.
        filter_scale: ``area`` (``1 / (sqrt(2 pi) sigma)``), ``none``, ``unit norm``.
        filter_shift: taps by which the filters' centre is off.
        filter_sign: of the phase.
        filter_parts: ``real, imaginary`` or ``imaginary, real``.
        conv_padding: ``same``, ``one more left``, ``one more right``, ``causal``, ``valid``.
        conv_bias: added to the convolution.
        modulus: ``sum`` of squares, ``mean`` of squares, ``root``, ``real`` part squared.
        pool_bounds: whether widths are clipped to [2 / taps, 1 / 2].
        pool_center: ``middle`` or half a tap after it: ``late``.
        pool_unit: what the width counts: ``half`` windows or ``whole`` ones.
        pool_norm: whether windows are divided by their sum.
        pool_padding: ``same``, ``symmetric`` (taps // 2 on either side), ``reversed`` (the odd
            sample on the left), ``causal``, ``valid``.
        pool_bias: added to the pooling.
        energy_offset: added to the pooled energies by what follows the pooling.
        smallest: energies below are raised to it; 0 for none.
        compression: ``pcen`` or the offset of a logarithm.
        floor: added to PCEN's smoother.
        ema_start: ``first frame`` or ``zero``.
        ema_swap: whether the coefficient weighs the past.
        ema_lag: whether the smoother is one frame late.
        smooth_bounds: whether the smoothing coefficient is clipped to [0, 1].
        alpha_bound: whether alpha is at most 1.
        root_bound: whether the root is at least 1.
        root_inverted: whether the exponent is ``1 / root``.
        delta_removed: whether ``delta^(1 / root)`` is subtracted.
    """

    mel: str = "mel"
    min_freq: float = 60.0
    max_freq: float = 7800.0
    init_sigma: float = 1.0
    init_pooling: float = 0.4
    init_alpha: float = 0.96
    init_delta: float = 2.0
    init_root: float = 2.0
    init_smooth: float = 0.04
    gabor_bounds: str = "official"
    filter_sigma: str = "deviation"
    filter_scale: str = "area"
    filter_shift: int = 0
    filter_sign: int = 1
    filter_parts: str = "real, imaginary"
    conv_padding: str = "same"
    conv_bias: float = 0.0
    modulus: str = "sum"
    pool_bounds: bool = True
    pool_center: str = "middle"
    pool_unit: str = "half"
    pool_norm: bool = False
    pool_padding: str = "same"
    pool_bias: float = 0.0
    energy_offset: float = 0.0
    smallest: float = SMALLEST_ENERGY
    compression: str | float = "pcen"
    floor: float = 1e-12
    ema_start: str = "first frame"
    ema_swap: bool = False
    ema_lag: bool = False
    smooth_bounds: bool = True
    alpha_bound: bool = True
    root_bound: bool = True
    root_inverted: bool = True
    delta_removed: bool = True

    def but(self, changes: Mapping[str, Any]) -> Rules:
        """These rules with some changed."""
        return dataclasses.replace(self, **changes)


OFFICIAL = Rules()


class _HzGabor(melfilters.Gabor):
    """Gabor parameters from triangles that are linear in Hz."""

    widened = False

    @property
    def mel_filters(self) -> melfilters.Float:
        mels = np.linspace(_mel(self.min_freq), _mel(self.max_freq), self.n_filters + 2)
        low, center, high = mels[:-2], mels[1:-1], mels[2:]
        if self.widened:
            low, high = self._widen(low, center, high)
        low, center, high = (_hertz(each)[:, None] for each in (low, center, high))
        bins = np.linspace(0, self.sample_rate / 2, self.n_fft // 2 + 1)[None]
        triangles = np.minimum((bins - low) / (center - low), (high - bins) / (high - center))
        triangles[:, 0] = 0.0
        return np.maximum(0.0, triangles).astype(np.float32)

    def _widen(self, low: Any, center: Any, high: Any) -> tuple[Any, Any]:
        """Edges of triangles narrower than 1.5 bins, moved apart to that width."""
        least = 1.5 * (self.sample_rate / 2) / (self.n_fft // 2 + 1)
        slope = 0.5 * least / (_hertz(center) + 700.0)
        apart = 1127.0 * np.arcsinh(slope)
        narrow = _hertz(high) - _hertz(low) < least
        return np.where(narrow, center - apart, low), np.where(narrow, center + apart, high)


class _WidenedHzGabor(_HzGabor):
    widened = True


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


def _hertz(mel: Any) -> Any:
    return 700.0 * np.expm1(mel / 1127.0)


_GABORS = {"mel": melfilters.Gabor, "hz": _HzGabor, "hz widened": _WidenedHzGabor}


def _analytic(rules: Rules) -> Tensor:
    """Centre at the triangle's peak; deviation: Nyquist over the triangle's width, both in Hz."""
    low, high = float(_mel(rules.min_freq)), float(_mel(rules.max_freq))
    mels = torch.linspace(low, high, FILTERS + 2, dtype=torch.float64)
    peaks = 700.0 * torch.expm1(mels / 1127.0)
    widths = peaks[2:] - peaks[:-2]
    centers = peaks[1:-1] * (2 * math.pi / SAMPLE_RATE)
    return torch.stack([centers, (SAMPLE_RATE / 2) / widths], dim=1)


def initial(rules: Rules, dtype: torch.dtype = torch.float64) -> Weights:
    """The weights at first."""
    if rules.mel == "analytic":
        gabor = _analytic(rules)
    else:
        made = _GABORS[rules.mel](FILTERS, rules.min_freq, rules.max_freq, SAMPLE_RATE, TAPS, N_FFT)
        gabor = torch.from_numpy(made.gabor_params_from_mels).to(torch.float64)
    gabor = gabor * torch.tensor([1.0, rules.init_sigma], dtype=torch.float64)
    weights = {"gabor": gabor.to(dtype)}
    for name in WEIGHTS[1:]:
        value = np.float32(getattr(rules, f"init_{name}"))
        weights[name] = torch.full((FILTERS,), float(value), dtype=dtype)
    return weights


def filters(weights: Weights, rules: Rules = OFFICIAL) -> Tensor:
    """The Gabor filters as they are convolved: ``(filters, taps, 2)``."""
    kernel = weights["gabor"]
    if rules.gabor_bounds == "official":
        kernel = GaborConstraint(TAPS)(kernel)
    elif rules.gabor_bounds == "lower halved":
        unit = math.sqrt(2 * math.log(2)) / math.pi
        center = clip_by_value(kernel[:, 0], 0.0, math.pi)
        kernel = torch.stack([center, clip_by_value(kernel[:, 1], 2 * unit, TAPS * unit)], dim=1)
    center, sigma = kernel.unbind(1)
    sigma = sigma / _FWHM if rules.filter_sigma == "fwhm" else sigma
    time = torch.arange(-(TAPS // 2), (TAPS + 1) // 2, dtype=kernel.dtype) - rules.filter_shift
    taps = torch.view_as_real(impulse_responses.gabor_impulse_response(time, center, sigma))
    if rules.filter_scale == "none":
        taps = taps * (math.sqrt(2 * math.pi) * sigma)[:, None, None]
    elif rules.filter_scale == "unit norm":
        taps = taps / taps.square().sum(dim=(1, 2), keepdim=True).sqrt()
    if rules.filter_sign < 0:
        taps = taps * torch.tensor([1.0, -1.0], dtype=taps.dtype)
    return taps.flip(-1) if rules.filter_parts == "imaginary, real" else taps


_CONV_PADDING = {
    "one more left": (1, -1),
    "one more right": (-1, 1),
    "causal": (TAPS // 2, -(TAPS // 2)),
    "valid": (-(TAPS // 2), -(TAPS // 2)),
}


def convolve(wave: Tensor, taps: Tensor, rules: Rules = OFFICIAL) -> Tensor:
    """``(batch, time)`` with ``(filters, taps, 2)``: ``(batch, time, filters, 2)``."""
    kernel = taps.transpose(1, 2).reshape(-1, 1, taps.shape[1])
    inputs = wave[:, :, None]
    if rules.conv_padding == "same":
        outputs = convolution.conv1d(inputs, kernel)
    else:
        more = _CONV_PADDING[rules.conv_padding]
        ends = [TAPS // 2 + extra for extra in more]
        inputs = F.pad(wave, ends)[:, :, None]
        outputs = convolution.conv1d(inputs, kernel, padding_=padding.VALID)
    outputs = outputs + rules.conv_bias if rules.conv_bias else outputs
    return outputs.unflatten(-1, (-1, 2))


def modulus(pairs: Tensor, rules: Rules = OFFICIAL) -> Tensor:
    """``(batch, time, filters, 2)`` to ``(batch, time, filters)``."""
    if rules.modulus == "real":
        return pairs[..., 0] ** 2
    energies: Tensor = SquaredModulus()(pairs.flatten(2))
    if rules.modulus == "mean":
        return energies / 2
    return energies.sqrt() if rules.modulus == "root" else energies


def windows(weights: Weights, rules: Rules = OFFICIAL) -> Tensor:
    """The pooling windows: ``(filters, taps)``."""
    width = weights["pooling"]
    if (rules.pool_bounds, rules.pool_center, rules.pool_unit) == (True, "middle", "half"):
        made = impulse_responses.gaussian_lowpass(width[None, None, :, None], TAPS)[0, :, :, 0].T
    else:
        width = clip_by_value(width, 2.0 / TAPS, 0.5) if rules.pool_bounds else width
        middle = 0.5 * (TAPS - 1) if rules.pool_center == "middle" else 0.5 * TAPS
        unit = 0.5 * (TAPS - 1) if rules.pool_unit == "half" else float(TAPS - 1)
        time = torch.arange(TAPS, dtype=width.dtype) - middle
        made = torch.exp(-0.5 * (time / (width[:, None] * unit)) ** 2)
    return made / made.sum(dim=1, keepdim=True) if rules.pool_norm else made


def _pool_ends(samples: int, rule: str) -> tuple[int, int]:
    left, right = padding.same_padding(samples, TAPS, STRIDE)
    half = TAPS // 2
    ends = {
        "same": (left, right),
        "symmetric": (half, half),
        "reversed": (right, left),
        "causal": (TAPS - 1, 0),
        "valid": (0, 0),
    }
    return ends[rule]


def pool(energies: Tensor, windows_: Tensor, rules: Rules = OFFICIAL) -> Tensor:
    """``(batch, time, filters)`` with ``(filters, taps)``: ``(batch, frames, filters)``."""
    x = F.pad(energies.transpose(1, 2), _pool_ends(energies.shape[1], rules.pool_padding))
    # The depthwise convolution as a product: torch's own is slow in float64.
    frames = x.unfold(2, TAPS, STRIDE)  # (batch, filters, frames, taps)
    pooled = (frames @ windows_[:, :, None]).squeeze(3).transpose(1, 2)
    return pooled + rules.pool_bias if rules.pool_bias else pooled


def _smoothed(x: Tensor, smooth: Tensor, rules: Rules) -> Tensor:
    smooth = clip_by_value(smooth, 0.0, 1.0) if rules.smooth_bounds else smooth
    smooth = 1.0 - smooth if rules.ema_swap else smooth
    start = x[:, 0] if rules.ema_start == "first frame" else torch.zeros_like(x[:, 0])
    made = scan.diagonal_recurrence(smooth * x, 1.0 - smooth, start)
    return torch.cat([start[:, None], made[:, :-1]], dim=1) if rules.ema_lag else made


def compress(pooled: Tensor, weights: Weights, rules: Rules = OFFICIAL) -> Tensor:
    """``(batch, frames, filters)`` to the same shape: smallest energy, then compression."""
    x = pooled + rules.energy_offset if rules.energy_offset else pooled
    x = maximum(x, rules.smallest) if rules.smallest else x
    if not isinstance(rules.compression, str):
        return torch.log(x + rules.compression)
    alpha, delta, root = (weights[name] for name in ("alpha", "delta", "root"))
    alpha = minimum(alpha, 1.0) if rules.alpha_bound else alpha
    root = maximum(root, 1.0) if rules.root_bound else root
    power = 1.0 / root if rules.root_inverted else root
    smoother = _smoothed(x, weights["smooth"], rules)
    features = (x / (rules.floor + smoother) ** alpha + delta) ** power
    return features - delta**power if rules.delta_removed else features


def features(wave: Tensor, weights: Weights, rules: Rules = OFFICIAL) -> Tensor:
    """The whole: ``(batch, time)`` to ``(batch, frames, filters)``."""
    energies = modulus(convolve(wave, filters(weights, rules), rules), rules)
    return compress(pool(energies, windows(weights, rules), rules), weights, rules)
