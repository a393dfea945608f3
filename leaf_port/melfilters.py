"""Mel filters, and the Gabor filters that match them (leaf_audio/melfilters.py).

Everything here is computed once, when a layer is built, in float32 NumPy and in the operation
order of ``tf.signal``: a centre frequency is the *index* of a maximum and a bandwidth is a
*count* of bins, so a value that rounds differently can move a filter by a whole bin.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from leaf_port import _checks, impulse_responses
from leaf_port.errors import FilterWarning, InitialFilterWarning

Float = npt.NDArray[Any]  # float32 or float64

_f32 = np.float32


def _hertz_to_mel(hertz: Float) -> Float:
    """The mel scale of tf.signal: ``1127 ln(1 + f / 700)``.

    The logarithm is rounded from float64, so it is the same on every machine; TensorFlow's own
    float32 logarithm is one unit off it in an eighth of the bins, differently from version to
    version.
    """
    one, scale, corner = (hertz.dtype.type(value) for value in (1.0, 1127.0, 700.0))
    return scale * np.log((one + hertz / corner).astype(np.float64)).astype(hertz.dtype)


def _linspace(start: Float, stop: Float, num: int) -> Float:
    """``tf.linspace``: ``start + delta * n``, with both ends exact."""
    dtype = start.dtype.type
    points = start + (stop - start) / dtype(num - 1) * np.arange(num, dtype=dtype)
    points[0], points[-1] = start, stop
    return points


def linear_to_mel_weight_matrix(
    num_mel_bins: int = 20,
    num_spectrogram_bins: int = 129,
    sample_rate: float = 8000,
    lower_edge_hertz: float = 125.0,
    upper_edge_hertz: float = 3800.0,
    dtype: npt.DTypeLike = np.float32,
) -> Float:
    """``tf.signal.linear_to_mel_weight_matrix``: triangles that are linear in mel, bin 0 zero.

    torchaudio's and librosa's triangles are linear in Hz and differ from these.

    Args:
        num_mel_bins: number of triangles.
        num_spectrogram_bins: number of frequency bins from 0 Hz to Nyquist, both included.
        sample_rate: in Hz.
        lower_edge_hertz: where the first triangle starts, in Hz.
        upper_edge_hertz: where the last one ends, in Hz.
        dtype: float32 (the official precision) or float64.

    Returns:
        ``(num_spectrogram_bins, num_mel_bins)``.

    Raises:
        LeafError: no bins, an empty band, or one beyond Nyquist.
    """
    owner = "linear_to_mel_weight_matrix"
    _checks.at_least(owner, "num_mel_bins", num_mel_bins)
    _checks.at_least(owner, "num_spectrogram_bins", num_spectrogram_bins, 2)
    _checks.frequency_range(owner, lower_edge_hertz, upper_edge_hertz, sample_rate)
    zero, rate, low, high = np.array([0.0, sample_rate, lower_edge_hertz, upper_edge_hertz], dtype)
    nyquist = rate / rate.dtype.type(2.0)
    bins_mel = _hertz_to_mel(_linspace(zero, nyquist, num_spectrogram_bins)[1:])[:, None]
    edges_mel = _linspace(_hertz_to_mel(low), _hertz_to_mel(high), num_mel_bins + 2)
    lower, center, upper = edges_mel[:-2], edges_mel[1:-1], edges_mel[2:]
    rising = (bins_mel - lower) / (center - lower)
    falling = (upper - bins_mel) / (upper - center)
    triangles = np.maximum(zero, np.minimum(rising, falling))
    return np.pad(triangles, [(1, 0), (0, 0)])


def warn_of_poor_filters(
    owner: str, filters: Float, sample_rate: float, category: type[FilterWarning], fix: str
) -> None:
    """Warns where a filter is empty, or peaks in the same bin as another or is the same.

    Args:
        owner: the layer or initialiser.
        filters: ``(filters, bins)`` from 0 Hz to Nyquist. Of filters that only stand at their peak
            (category :class:`InitialFilterWarning`) two coincide that peak in the same bin.
        sample_rate: in Hz.
        category: of the warning.
        fix: what to do about it.
    """
    empty = int((~(filters > 0).any(axis=1)).sum())
    by_peak = issubclass(category, InitialFilterWarning)
    distinct = len(np.unique(np.nan_to_num(filters).argmax(1) if by_peak else filters, axis=0))
    count, bins = filters.shape
    if empty or distinct < count:
        width = sample_rate / 2 / (bins - 1)
        told = f"{count - distinct} of {count} filters coincide with another, {empty} are empty"
        about = f"the bins of the transform are {width:.4g} Hz apart"
        warnings.warn(f"{owner}: {told}: {about}; {fix}", category, stacklevel=3)


class Gabor:
    """Gabor filters designed to match a bank of mel filters.

    Source: leaf_audio/melfilters.py, lines 31-109; section 2.2 of https://arxiv.org/abs/1711.01161.

    Args:
        n_filters: number of filters.
        min_freq: where the lowest mel filter starts, in Hz.
        max_freq: where the highest mel filter ends, in Hz.
        sample_rate: in Hz.
        window_len: taps of :attr:`gabor_filters`.
        n_fft: size of the transform in whose bins the mel filters are laid out. It does not follow
            ``sample_rate`` or ``window_len``, as in the official code.
        normalize_energy: whether all mel filters have the same area; else the area grows with the
            centre frequency.

    Raises:
        LeafError: no filters, an empty band, or one beyond Nyquist.
    """

    def __init__(
        self,
        n_filters: int = 40,
        min_freq: float = 0.0,
        max_freq: float = 8000.0,
        sample_rate: float = 16000,
        window_len: int = 401,
        n_fft: int = 512,
        normalize_energy: bool = False,
    ) -> None:
        _checks.at_least("Gabor", "n_filters", n_filters)
        _checks.at_least("Gabor", "window_len", window_len)
        _checks.at_least("Gabor", "n_fft", n_fft, 2)
        _checks.fits_memory("Gabor", "n_fft", n_fft, (n_fft // 2 + 1) * n_filters)
        _checks.frequency_range("Gabor", min_freq, max_freq, sample_rate)
        self.n_filters = n_filters
        self.min_freq = min_freq
        self.max_freq = max_freq
        self.sample_rate = sample_rate
        self.window_len = window_len
        self.n_fft = n_fft
        self.normalize_energy = normalize_energy

    @property
    def mel_filters(self) -> Float:
        """The mel filters: ``(n_filters, n_fft // 2 + 1)``. Source: lines 85-99."""
        filters = linear_to_mel_weight_matrix(
            num_mel_bins=self.n_filters,
            num_spectrogram_bins=self.n_fft // 2 + 1,
            sample_rate=self.sample_rate,
            lower_edge_hertz=self.min_freq,
            upper_edge_hertz=self.max_freq,
        ).T
        if not self.normalize_energy:
            return filters
        with np.errstate(invalid="ignore"):  # a filter without a bin: NaN, as the official one
            return filters / self._mel_filters_areas(filters)

    def _mel_filters_areas(self, filters: Float) -> Float:
        """Area under each mel filter, in radians: ``(n_filters, 1)``. Source: lines 78-83."""
        peaks = filters.max(axis=1, keepdims=True)
        width = (filters > 0).sum(axis=1, keepdims=True, dtype=_f32) + _f32(2)
        return peaks * width * _f32(np.pi) / _f32(self.n_fft)

    @property
    def gabor_params_from_mels(self) -> Float:
        """Centre frequencies (radians per sample) and standard deviations (samples).

        The centre is the bin where the mel filter peaks; the deviation is
        ``sqrt(2 ln 2) n_fft / (pi w)`` for ``w`` bins at half the magnitude or more. A triangle too
        narrow to hold any bin is zero everywhere: its centre is bin 0 and all bins count.

        Returns:
            ``(n_filters, 2)``, float32. Source: lines 62-76.
        """
        magnitudes = np.sqrt(self.mel_filters)
        centers = magnitudes.argmax(axis=1).astype(_f32)
        halves = magnitudes.max(axis=1, keepdims=True) / _f32(2.0)
        widths = (magnitudes >= halves).sum(axis=1, dtype=_f32)
        coefficient = np.sqrt(_f32(2.0) * np.log(_f32(2.0))) * _f32(self.n_fft)
        frequencies = centers * _f32(2) * _f32(np.pi) / _f32(self.n_fft)
        with np.errstate(divide="ignore"):  # a NaN filter has no width: infinity, as there
            return np.stack([frequencies, coefficient / (_f32(np.pi) * widths)], axis=1)

    @property
    def gabor_filters(self) -> Tensor:
        """The Gabor filters, scaled to the energy of the mel filters.

        Returns:
            ``(n_filters, window_len)``, complex64. Source: lines 101-109.
        """
        params = self.gabor_params_from_mels
        areas = self._mel_filters_areas(self.mel_filters)
        spread = np.sqrt(_f32(np.pi)) * params[:, 1:2]
        gain = torch.from_numpy(np.sqrt(areas * _f32(2) * spread))
        return impulse_responses.gabor_filters(torch.from_numpy(params), self.window_len) * gain
