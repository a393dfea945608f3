"""Where the filters of a frontend lie, in Hz, and how wide they are."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port import convolution
from leaf_port._rates import OFFICIAL_RATE

# Zero-padding of a filter before its peak is looked for: the peak is found to a 16th of a bin.
_OVERSAMPLING = 16


@torch.no_grad()
def of_layer(layer: nn.Module, sample_rate: float) -> tuple[Tensor, Tensor]:
    """Centre and width of each filter of a convolution, in Hz, float64: ``(filters,)`` each.

    Gabor filters: their parameters, constrained as in the forward pass. The width is that of the
    magnitude of the frequency response at half of its maximum, ``sqrt(2 ln 2) / (pi sigma)`` cycles
    per sample. Sinc filters: their edges, on the clip's own scale. Free filters, in pairs of a real
    and an imaginary part: where the response to a sinusoid is greatest, and how far around it is
    more than half of that.
    """
    if isinstance(layer, convolution.GaborConv1d):
        kernel = layer.constraints["kernel"](layer.kernel)
        if layer.sort_filters:
            kernel = kernel[torch.argsort(kernel[:, 0], stable=True)]
        radians, sigma = kernel.double().unbind(1)
        centers = radians / (2 * math.pi)
        widths = math.sqrt(2 * math.log(2)) / (math.pi * sigma)
    elif isinstance(layer, convolution.SincConv1d):
        low, high = (edge.double() / OFFICIAL_RATE for edge in layer.edges())
        centers, widths = (low + high) / 2, high - low
    else:
        centers, widths = _of_taps(layer.get_parameter("kernel"))
    return centers * sample_rate, widths * sample_rate


def _of_taps(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """In cycles per sample, of ``(taps, 1, 2 filters)``.

    The response of a pair of real filters is ``|H_re(f)|^2 + |H_im(f)|^2``, whatever training made
    of them.
    """
    taps, _, channels = kernel.shape
    size = 2 ** math.ceil(math.log2(_OVERSAMPLING * taps))
    spectra = torch.fft.rfft(kernel.reshape(taps, channels // 2, 2), n=size, dim=0)
    power = spectra.abs().square().sum(dim=-1)  # (frequency, filters)
    peaks = power.argmax(dim=0)
    below = power < power.amax(dim=0) / 4
    bins = torch.arange(len(power), device=power.device).unsqueeze(1)
    first = torch.where(below & (bins < peaks), bins, -1).amax(dim=0) + 1
    last = torch.where(below & (bins > peaks), bins, len(power)).amin(dim=0) - 1
    return peaks.double() / size, (last - first + 1).double() / size


def of_mel(n_filters: int, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Of triangles that are equally spaced on the mel scale of ``tf.signal``; width at half."""
    lowest, highest = (1127.0 * math.log1p(hertz / 700.0) for hertz in (low, high))
    mels = np.linspace(lowest, highest, n_filters + 2)
    hertz = torch.from_numpy(700.0 * np.expm1(mels / 1127.0))
    return hertz[1:-1], (hertz[2:] - hertz[:-2]) / 2
