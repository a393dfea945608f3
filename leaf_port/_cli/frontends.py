"""Building a frontend by name and sample rate; its filters' frequencies, its frames' times."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaf_port import _checks, convolution, frontend
from leaf_port._cli.refusal import WHERE, refusal
from leaf_port.initializers import GaborInit
from leaf_port.padding import same_padding
from leaf_port.postprocessing import PCEN

Float64 = npt.NDArray[np.float64]

_OFFICIAL_RATE = 16000
_OFFICIAL_N_FFT = 512
_MIN_HZ, _MAX_HZ = 60.0, 7800.0  # of the official frontends
_NYQUIST_SHARE = _MAX_HZ / (_OFFICIAL_RATE / 2)
# Zero-padding of a filter before its peak is looked for: the peak is found to a 16th of a bin.
_OVERSAMPLING = 16


class Name(enum.Enum):
    """The frontends, by the names of the official code."""

    LEAF = "leaf"
    TFBANKS = "tfbanks"
    SINCNET = "sincnet"
    SINCNET_PLUS = "sincnet_plus"
    MEL = "mel"


TITLES = {
    Name.LEAF: "LEAF",
    Name.TFBANKS: "Time-domain filterbanks",
    Name.SINCNET: "SincNet",
    Name.SINCNET_PLUS: "SincNet+",
    Name.MEL: "Mel filterbanks",
}

QUANTITIES = {
    Name.LEAF: "PCEN (energy, gain-normalised)",
    Name.TFBANKS: "log energy (natural log)",
    Name.SINCNET: "layer-normalised maximum (unitless)",
    Name.SINCNET_PLUS: "PCEN (rectified amplitude, gain-normalised)",
    Name.MEL: "log mel energy (natural log)",
}


@dataclass(frozen=True)
class Settings:
    """What a frontend is built from.

    Attributes:
        name: which frontend.
        n_filters: how many filters.
        window_len: of the filters and the pooling, in milliseconds.
        window_stride: between two frames, in milliseconds.
    """

    name: Name
    n_filters: int = 40
    window_len: float = 25.0
    window_stride: float = 10.0

    def check(self) -> None:
        """Refuses sizes that are not positive, in the words of the command's options."""
        _checks.at_least(WHERE, "--n-filters", self.n_filters)
        _checks.positive(WHERE, "--window-len", self.window_len)
        _checks.positive(WHERE, "--window-stride", self.window_stride)

    def window(self, sample_rate: int) -> tuple[int, int]:
        """Window and stride, in samples."""
        return _checks.window_samples(WHERE, sample_rate, self.window_len, self.window_stride)


@dataclass(frozen=True)
class Asked:
    """The options that say what a frontend is built from; None for one that is not given."""

    name: Name | None = None
    n_filters: int | None = None
    window_len: float | None = None
    window_stride: float | None = None

    def settings(self) -> Settings:
        """With the official defaults of what is not given."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return Settings(**{"name": Name.LEAF} | {k: v for k, v in given.items() if v is not None})

    def refuse_others_than(self, kept: Settings, told_by: Path) -> None:
        """Refuses an option that contradicts what a file tells.

        Raises:
            LeafError: naming the first such option.
        """
        for field in fields(self):
            given, told = getattr(self, field.name), getattr(kept, field.name)
            if given not in (None, told):
                option = "--frontend" if field.name == "name" else f"--{field.name}"
                got, told = (v.value if isinstance(v, Name) else v for v in (given, told))
                expected = f"{told}, as {told_by} tells"
                raise refusal(option.replace("_", "-"), expected, got, "leave the option out")


def n_fft(sample_rate: float, window: int = 1) -> int:
    """Size of the transform in whose bins mel filters are laid out: a power of two.

    512, the official one, up to 16 kHz. Above, so many that its bins are no further apart than at
    16 kHz (31.25 Hz), where 40 filters from 60 to 7800 Hz are told apart. Never less than a window.
    """
    doublings = math.ceil(math.log2(max(sample_rate / _OFFICIAL_RATE, 1.0)))
    return max(_OFFICIAL_N_FFT * 2**doublings, 2 ** math.ceil(math.log2(window)))


def max_frequency(sample_rate: float) -> float:
    """Where the highest filter ends, in Hz: 7800, or the same share of a Nyquist below 8000 Hz."""
    return min(_MAX_HZ, _NYQUIST_SHARE * sample_rate / 2)


def build(settings: Settings, sample_rate: int) -> nn.Module:
    """The frontend at its initial weights, ready to evaluate.

    LEAF, the time-domain filterbanks and mel span 60 Hz to :func:`max_frequency`, laid out in the
    bins of a transform of :func:`n_fft` points. SincNet and
    SincNet+ never receive the sample rate, as in the official code: their bands scale with it.

    Raises:
        LeafError: sizes that the frontend refuses.
    """
    settings.check()
    window, _ = settings.window(sample_rate)
    return _construct(settings, sample_rate, window).eval()


def _construct(settings: Settings, rate: int, window: int) -> nn.Module:
    n_filters, length, stride = settings.n_filters, settings.window_len, settings.window_stride
    shape: dict[str, Any] = {"n_filters": n_filters, "window_len": length, "window_stride": stride}
    low, high = _MIN_HZ, max_frequency(rate)
    match settings.name:
        case Name.LEAF:
            init = GaborInit(rate, low, high, n_fft(rate))
            return frontend.Leaf(sample_rate=rate, complex_conv_init=init, **shape)
        case Name.TFBANKS:
            return frontend.TimeDomainFilterbanks(
                sample_rate=rate, min_freq=low, max_freq=high, n_fft=n_fft(rate), **shape
            )
        case Name.SINCNET:
            return frontend.SincNet(sample_rate=rate, **shape)
        case Name.SINCNET_PLUS:
            return frontend.SincNetPlus(sample_rate=rate, **shape)
        case Name.MEL:
            size = n_fft(rate, window)
            return frontend.MelFilterbanks(
                sample_rate=rate, n_fft=size, min_freq=low, max_freq=high, **shape
            )


def quantity(settings: Settings, module: nn.Module) -> str:
    """What the features are, in words, also of a frontend whose compression is another."""
    compression = getattr(module, "compress_fn", getattr(module, "compression_fn", None))
    if settings.name not in (Name.LEAF, Name.MEL) or isinstance(compression, PCEN):
        return QUANTITIES[settings.name]
    if compression is None:
        return "energy"
    return QUANTITIES[Name.MEL if settings.name is Name.MEL else Name.TFBANKS]


def center_frequencies(module: nn.Module, sample_rate: int) -> Float64:
    """Centre frequency of each filter in Hz, in the order of the features: ``(n_filters,)``.

    Gabor filters: their parameter, constrained as in the forward pass. Sinc filters: the middle of
    the band, on the clip's own scale. Free filters: :func:`_peak_frequencies`. Mel: the triangles'.
    """
    if isinstance(module, frontend.MelFilterbanks):
        return _mel_centers(module.n_filters, module.min_freq, module.max_freq)
    layer = module.get_submodule("complex_conv")
    with torch.inference_mode():
        if isinstance(layer, convolution.GaborConv1d):
            radians = layer.constraints["kernel"](layer.kernel)[:, 0]
            centers = radians.double() / (2 * math.pi)
        elif isinstance(layer, convolution.SincConv1d):
            centers = torch.stack(layer.edges()).mean(dim=0).double() / _OFFICIAL_RATE
        else:
            centers = _peak_frequencies(layer.get_parameter("kernel"))
        return np.asarray((centers * sample_rate).numpy(), dtype=np.float64)


def _peak_frequencies(kernel: Tensor) -> Tensor:
    """Where the energy of each filter's answer to a sinusoid is greatest, in cycles per sample.

    Of a pair of real filters that is ``|H_re(f)|^2 + |H_im(f)|^2``, whatever training made of them.
    """
    taps, _, channels = kernel.shape
    size = 2 ** math.ceil(math.log2(_OVERSAMPLING * taps))
    spectra = torch.fft.rfft(kernel.reshape(taps, channels // 2, 2), n=size, dim=0)
    energy = spectra.abs().square().sum(dim=-1)  # (frequency, filters)
    peaks: Tensor = energy.argmax(dim=0).double() / size
    return peaks


def _mel_centers(n_filters: int, low: float, high: float) -> Float64:
    """Centres of triangles that are equally spaced on the mel scale of ``tf.signal``."""
    lowest, highest = (1127.0 * math.log1p(hertz / 700.0) for hertz in (low, high))
    mels = np.linspace(lowest, highest, n_filters + 2)[1:-1]
    return np.asarray(700.0 * np.expm1(mels / 1127.0), dtype=np.float64)


def frame_times(
    settings: Settings, sample_rate: int, samples: int, frames: int, symmetric: bool = False
) -> Float64:
    """Time in seconds of the middle of each frame: ``(frames,)``.

    ``(n stride + offset) / rate``. The offset, in samples:

    - pooling with SAME padding (LEAF, SincNet, SincNet+): ``(window - 1) / 2 - left pad``, where
      the pad depends on the length of the clip; with ``symmetric`` padding it does not;
    - pooling without padding (time-domain filterbanks): ``(window + 1) / 2``, since the official
      squared Hann window peaks one sample late (leaf_audio/utils.py, line 75: ``n - 1``);
    - mel: frames start at ``n stride``; the Hann window peaks at tap ``window // 2`` (an odd one is
      symmetric, an even one periodic).

    Of an even window, a Gabor filter is centred one sample later (tap ``window // 2``, while SAME
    pads ``window / 2 - 1`` on the left). Trained pooling and filter taps may move it further.
    """
    window, stride = settings.window(sample_rate)
    filter_delay = window // 2 - same_padding(samples, window)[0]
    match settings.name:
        case Name.MEL:
            offset = float(window // 2)
        case Name.TFBANKS:
            offset = (window + 1) / 2 + filter_delay
        case _:
            left, _ = same_padding(samples, window, 1 if symmetric else stride)
            offset = (window - 1) / 2 - left + filter_delay
    return (np.arange(frames, dtype=np.float64) * stride + offset) / sample_rate
