"""The frontend that learns nothing: mel filterbanks (leaf_audio/frontend.py, lines 315-364)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leaf_port import _checks, _registry, melfilters, padding
from leaf_port._bands import of_mel
from leaf_port._compression import Compression, compression_of
from leaf_port._ops import arithmetic as _arithmetic
from leaf_port._ops import fourier
from leaf_port._ops.arithmetic import Arithmetic
from leaf_port._ops.devices import lacks
from leaf_port._ops.fft_convolution import positions
from leaf_port._ops.precision import product, without_autocast
from leaf_port._parts import parts_of_mel
from leaf_port._rates import MIN_HZ, max_frequency, n_fft
from leaf_port.errors import FilterWarning
from leaf_port.postprocessing import log_compression
from leaf_port.pretrained import FromPretrained
from leaf_port.streaming import Stream


@_registry.kind
class MelFilterbanks(FromPretrained, nn.Module):
    """Mel filterbanks: squared magnitude of a short-time Fourier transform, triangles, logarithm.

    Source: frontend.py, lines 315-364. Frame ``n`` starts at sample ``n * stride``; the clip is
    padded with zeros at its end. Nothing is learned.

    Args:
        n_filters: number of filters.
        sample_rate: in Hz.
        n_fft: size of the transform, in samples. A longer window is cut to it, as in the
            official code.
        window_len: in ms; ``int(sample_rate * window_len // 1000 + 1)`` samples.
        window_stride: in ms.
        compression_fn: from energies to features, a module or function; None for none;
            ``"log"``, ``"pcen"`` and ``"stable_pcen"`` as in :class:`~leaf_port.frontend.Leaf`.
        min_freq: where the first triangle starts, in Hz.
        max_freq: where the last one ends, in Hz; 0 or None for Nyquist.
        arithmetic: of the Fourier transform: ``"complex"``, ``"real"`` (matrix products, for
            devices without complex numbers and for compilers) or ``"auto"``.

    Raises:
        LeafError: an argument or input out of its domain.

    Warns:
        FilterWarning: a triangle is so narrow that it holds no bin, or two are the same.

    Example:
        >>> import torch
        >>> mel = MelFilterbanks(n_filters=8)
        >>> mel(torch.zeros(2, 1600)).shape
        torch.Size([2, 10, 8])
        >>> list(mel.parameters())  # nothing is learned
        []
    """

    def __init__(
        self,
        n_filters: int = 40,
        sample_rate: int = 16000,
        n_fft: int = 512,
        window_len: float = 25.0,
        window_stride: float = 10.0,
        compression_fn: Compression | str | None = log_compression,
        min_freq: float = 60.0,
        max_freq: float | None = 7800.0,
        arithmetic: Arithmetic = "auto",
    ) -> None:
        super().__init__()
        owner = "MelFilterbanks"
        self.arithmetic = _arithmetic.check_arithmetic(owner, arithmetic)
        self.n_filters = _checks.at_least(owner, "n_filters", n_filters)
        self.n_fft = _checks.at_least(owner, "n_fft", n_fft, 2)
        sizes = _checks.window_samples(owner, sample_rate, window_len, window_stride)
        self.window_size, self.window_stride = sizes
        self._milliseconds = window_len, window_stride
        _checks.fits_memory(owner, "window_len", f"{window_len} ms", self.window_size)
        _checks.fits_memory(owner, "n_fft", n_fft, (n_fft // 2 + 1) * n_filters)
        self.sample_rate = sample_rate
        self.min_freq = min_freq
        self.max_freq = max_freq if max_freq else sample_rate / 2.0
        _checks.frequency_range(owner, self.min_freq, self.max_freq, sample_rate)
        self.compression_fn = compression_of(owner, compression_fn, self.n_filters)
        self.window: Tensor
        self.mel_filters: Tensor
        self._make_constants(torch.empty(0))
        fix, matrix = "give a longer n_fft, or fewer filters", self._matrix(np.float32).T
        melfilters.warn_of_poor_filters(owner, matrix, sample_rate, FilterWarning, fix)
        # A state dict that is loaded with assign=True may give the model around it another dtype
        # or device. This layer has no weights to tell it: its next input does.
        self._follows_input = False
        self.register_load_state_dict_post_hook(_follow_next_input)

    def _arguments(self) -> dict[str, Any]:
        """What ``save_pretrained`` writes: the constructor's arguments as they are by now."""
        return {
            "n_filters": self.n_filters,
            "sample_rate": self.sample_rate,
            "n_fft": self.n_fft,
            "window_len": self._milliseconds[0],
            "window_stride": self._milliseconds[1],
            "compression_fn": self.compression_fn,
            "min_freq": self.min_freq,
            "max_freq": self.max_freq,
            "arithmetic": self.arithmetic,
        }

    def _make_constants(self, like: Tensor) -> None:
        """Window and mel matrix in the dtype of ``like``; no part of the state."""
        if like.is_meta:
            self._reserve_constants(like)
            return
        dtype = np.float64 if like.dtype == torch.float64 else np.float32
        window = periodic_hann(self.window_size, dtype)
        for name, value in (("mel_filters", self._matrix(dtype)), ("window", window)):
            self.register_buffer(name, torch.from_numpy(value).to(like.device), persistent=False)

    def _matrix(self, dtype: type[np.floating[Any]]) -> np.ndarray[Any, Any]:
        """The mel matrix: ``(n_fft // 2 + 1, n_filters)``."""
        bins, rate = self.n_fft // 2 + 1, self.sample_rate
        return melfilters.linear_to_mel_weight_matrix(
            self.n_filters, bins, rate, self.min_freq, self.max_freq, dtype
        )

    def _reserve_constants(self, like: Tensor) -> None:
        """Both on the meta device, where nothing is computed, of the type that they would have."""
        bins = self.n_fft // 2 + 1
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        for name, shape in (
            ("mel_filters", (bins, self.n_filters)),
            ("window", (self.window_size,)),
        ):
            value = torch.empty(shape, dtype=dtype, device="meta")
            self.register_buffer(name, value, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> MelFilterbanks:
        super()._apply(fn, recurse)
        self._make_constants(self.window)  # cast float32 constants would not be the float64 ones
        self._follows_input = False
        return self

    def _follow(self, inputs: Tensor) -> None:
        """Makes the constants anew where the weights around were replaced by others."""
        if (inputs.dtype, inputs.device) != (self.window.dtype, self.window.device):
            with torch.inference_mode(False):  # training may come later
                self._make_constants(inputs)
        self._follows_input = False

    def frames(self, inputs: Tensor) -> Tensor:
        """``tf.signal.frame(pad_end=True)``: (batch, samples) to (batch, frames, window)."""
        length = inputs.shape[1]
        count = (length + self.window_stride - 1) // self.window_stride
        needed = (count - 1) * self.window_stride + self.window_size
        padded = F.pad(inputs, (0, padding.not_negative(needed - length)))
        if lacks(inputs.device, "frames"):
            at = positions(count, self.window_size, self.window_stride, inputs.device)
            return padded[:, at]
        return padded.unfold(1, self.window_size, self.window_stride)[:, :count]

    @classmethod
    def for_sample_rate(
        cls,
        sample_rate: int,
        min_freq: float = MIN_HZ,
        max_freq: float | None = None,
        **kwargs: Any,
    ) -> Self:
        """Filters that span a band in Hz at any sample rate; see ``Leaf.for_sample_rate``."""
        _checks.positive(cls.__name__, "sample_rate", sample_rate)
        high = max_frequency(sample_rate) if max_freq is None else max_freq
        size = {"n_fft": n_fft(sample_rate), **kwargs}
        return cls(sample_rate=sample_rate, min_freq=min_freq, max_freq=high, **size)

    def center_frequencies(self) -> Tensor:
        """Peak of each triangle, in Hz: ``(n_filters,)``."""
        return of_mel(self.n_filters, self.min_freq, self.max_freq)[0]

    def bandwidths(self) -> Tensor:
        """Width of each triangle at half of its height, in Hz: ``(n_filters,)``."""
        return of_mel(self.n_filters, self.min_freq, self.max_freq)[1]

    def stream(self, samples: int | None = None) -> Stream:
        """Takes a waveform in chunks, and gives the frames that are finished; see ``Leaf``."""
        return Stream(parts_of_mel(self), samples)

    @without_autocast
    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, samples[, 1])`` to ``(batch, ceil(samples / stride), filters)``."""
        energies = self.energies(inputs)
        return energies if self.compression_fn is None else self.compression_fn(energies)

    def energies(self, inputs: Tensor) -> Tensor:
        """``(batch, samples[, 1])`` to ``(batch, frames, filters)``, not compressed."""
        waveform = _checks.waveform("MelFilterbanks", inputs).squeeze(-1)
        if self._follows_input and not torch.compiler.is_compiling():
            self._follow(waveform)
        _checks.same_dtype("MelFilterbanks", waveform, self.window)
        frames = self.frames(waveform) * self.window
        if frames.shape[0] == 0:  # a Fourier transform of nothing fails
            return frames.new_zeros(*frames.shape[:2], self.n_filters)
        return product(self._power(frames), self.mel_filters)

    def _power(self, frames: Tensor) -> Tensor:
        """Squared magnitudes of the frames' spectra: ``(batch, frames, n_fft // 2 + 1)``."""
        if _arithmetic.uses_complex(self.arithmetic, frames.device):
            stft = torch.fft.rfft(frames, n=self.n_fft)
            return stft.real**2 + stft.imag**2
        spectrum = fourier.rfft(frames, self.n_fft)
        return spectrum[0] ** 2 + spectrum[1] ** 2


def _follow_next_input(layer: nn.Module, _keys: Any) -> None:
    assert isinstance(layer, MelFilterbanks)  # noqa: S101
    if layer.window.is_meta:
        layer._make_constants(torch.empty(0))
    layer._follows_input = True


def periodic_hann(size: int, dtype: type[np.floating[Any]]) -> np.ndarray[Any, Any]:
    """``tf.signal.hann_window(size)``: periodic for an even size, symmetric for an odd one.

    ``0.5 - 0.5 cos(2 pi n / (size + even - 1))``; a window of one sample is 1.
    """
    if size == 1:
        return np.ones(1, dtype)
    turns = np.arange(size, dtype=dtype) * dtype(2 * np.pi) / dtype(size - size % 2)
    return dtype(0.5) - dtype(0.5) * np.cos(turns)
