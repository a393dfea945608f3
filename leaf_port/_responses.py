"""What the filters of a frontend let through, by frequency."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from leaf_port import convolution
from leaf_port.errors import FilterWarning, LeafError
from leaf_port.frontend import Leaf, MelFilterbanks

Float64 = npt.NDArray[np.float64]

_LEAST_POINTS = 2048
_OVERSAMPLING = 8  # points per tap: the response of the longest filter is a smooth line
_SAME = 0.01  # of the greatest magnitude: filters that differ by less everywhere coincide


@dataclass(frozen=True)
class Responses:
    """The responses of a frontend's filters.

    Attributes:
        hertz: ``(bins,)``, from 0 to Nyquist.
        values: ``(bins, filters)``: magnitudes, or weights of the power.
        of_power: whether they are weights of the power, as the mel matrix.
    """

    hertz: Float64
    values: Float64
    of_power: bool

    @property
    def power(self) -> Float64:
        """By how much each filter multiplies the power of a frequency: ``(bins, filters)``."""
        return self.values if self.of_power else self.values**2


def frontend_of(owner: str, frontend: object, argument: str = "frontend") -> Any:
    """``frontend``, if it is one of this package's.

    Raises:
        LeafError: something else.
    """
    if isinstance(frontend, (Leaf, MelFilterbanks)):
        return frontend
    inner = getattr(frontend, "frontend", None)
    fix = "give its .frontend" if isinstance(inner, nn.Module) else "give one of them"
    expected = "a Leaf, TimeDomainFilterbanks, SincNet, SincNetPlus or MelFilterbanks"
    raise LeafError(owner, argument, expected, type(frontend).__name__, fix)


@torch.no_grad()
def responses(owner: str, frontend: object, argument: str = "frontend") -> Responses:
    """The responses as the weights are now, constrained as in the forward pass.

    The Fourier transform of the impulse responses, in float64, with at least 2048 points. Of a
    pair of a real and an imaginary part, ``sqrt(|H(f)|^2 + |H(-f)|^2)``: what a real sinusoid
    meets, whatever training made of the pair; ``|H(f)|`` where the filter has no negative
    frequencies. Of mel filters their matrix. A pre-emphasis is not included.

    Raises:
        LeafError: no frontend of this package, a convolution of the user's, or weights that are not
            finite.
    """
    module = frontend_of(owner, frontend, argument)
    rate = float(module.sample_rate)
    if isinstance(module, MelFilterbanks):
        values = module.mel_filters.double().cpu()
    else:
        values = _magnitudes(_taps(owner, module.complex_conv, argument))
    if not bool(torch.isfinite(values).all()):
        got = "NaN or infinity among them"
        raise LeafError(owner, argument, "finite weights", got, "train or convert them again")
    hertz = np.linspace(0.0, rate / 2, len(values))
    return Responses(hertz, values.numpy(), isinstance(module, MelFilterbanks))


def _taps(owner: str, layer: nn.Module, argument: str) -> Tensor:
    """``(filters, taps)`` on the CPU: complex128 of pairs, float64 of single filters."""
    if isinstance(layer, convolution.SincConv1d):
        return layer.impulse_responses().double().cpu().T
    if isinstance(layer, convolution.GaborConv1d):
        pairs = layer.impulse_responses()
    elif isinstance(layer, convolution.Conv1d | convolution.NormalizedConv1d):
        kernel: Tensor = layer.constraints.get("kernel", lambda same: same)(layer.kernel)
        pairs = kernel.squeeze(1).unflatten(1, (-1, 2)).transpose(0, 1)
    else:
        expected = "filters of GaborConv1d, SincConv1d, Conv1d or NormalizedConv1d"
        fix = "leave conv1d_cls at one of them"
        raise LeafError(owner, argument, expected, type(layer).__name__, fix)
    return torch.view_as_complex(pairs.double().cpu().contiguous())


def _magnitudes(taps: Tensor) -> Tensor:
    """``(filters, taps)`` to ``(points // 2 + 1, filters)``, from 0 Hz to Nyquist."""
    points = max(_LEAST_POINTS, 2 ** math.ceil(math.log2(_OVERSAMPLING * taps.shape[1])))
    if not taps.is_complex():
        return torch.fft.rfft(taps, n=points).abs().T
    spectra = torch.fft.fft(taps, n=points).abs()
    positive = torch.arange(points // 2 + 1)
    return torch.hypot(spectra[:, positive], spectra[:, -positive % points]).T


def check_comparable(owner: str, frontend: Any, before: Any, argument: str = "before") -> None:
    """Refuses a frontend that another one cannot have been before.

    Raises:
        LeafError: no frontend, other sizes or another sample rate, or one of the two is mel.
    """
    frontend_of(owner, before, argument)
    for what, name, unit in (("n_filters", "filters", ""), ("sample_rate", "sample rate", " Hz")):
        expected, got = getattr(frontend, what), getattr(before, what)
        if expected != got:
            wanted = f"a frontend with the same {name}, {expected}{unit}"
            raise LeafError(owner, argument, wanted, f"{got}{unit}", "give it as it was at first")
    kinds = [isinstance(each, MelFilterbanks) for each in (frontend, before)]
    if kinds[0] != kinds[1]:
        expected = "two mel filterbanks, or none: a mel matrix weighs the power"
        got = f"{type(before).__name__} for {type(frontend).__name__}"
        raise LeafError(owner, argument, expected, got, "give one of the same kind")


def warn_of_poor_filters(owner: str, found: Responses) -> None:
    """Warns where filters coincide or are empty, as they are now.

    Two coincide if their responses differ nowhere by more than a hundredth of the greatest value of
    the larger one.
    """
    rows = torch.from_numpy(np.ascontiguousarray(found.values.T))
    peaks = rows.amax(dim=1)
    empty = peaks <= 0
    apart = torch.cdist(rows, rows, p=math.inf)
    same = apart <= _SAME * torch.maximum(peaks[:, None], peaks[None, :])
    same &= ~empty[:, None] & ~empty[None, :]
    repeated = int(same.tril(-1).any(dim=1).sum())
    if repeated or bool(empty.any()):
        coincide = f"{repeated} of {len(rows)} filters coincide with another"
        told = f"{coincide}, {int(empty.sum())} are empty"
        about = "their responses differ by less than 1 % of the peak"
        fix = "give fewer filters, or others at first"
        warnings.warn(f"{owner}: {told}: {about}; {fix}", FilterWarning, stacklevel=2)
