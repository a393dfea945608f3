"""The mel matrix, the Gabor filters that match it, the initialisers, the spectrogram."""

from parity.commands.mutants.mutant import Mutant

_EDGES = "lower, center, upper = edges_mel[:-2], edges_mel[1:-1], edges_mel[2:]"
_PADDED = "return np.pad(triangles, [(1, 0), (0, 0)])"
_WIDTHS = "widths = (magnitudes >= halves).sum(axis=1, dtype=_f32)"
_FREQUENCIES = "frequencies = centers * _f32(2) * _f32(np.pi) / _f32(self.n_fft)"
_GAIN = "gain = torch.from_numpy(np.sqrt(areas * _f32(2) * spread))"
_COUNT = "count = (length + self.window_stride - 1) // self.window_stride"
_PADDED_CLIP = "padded = F.pad(inputs, (0, padding.not_negative(needed - length)))"
_STFT = "stft = torch.fft.rfft(frames, n=self.n_fft)"

MUTANTS = [
    Mutant(
        "triangles linear in Hz",
        "leaf-pytorch, SpeechBrain, denfed; trap 4",
        "melfilters",
        "melfilters.py",
        _EDGES,
        "edges_mel = (700 * np.expm1(edges_mel / 1127)).astype(dtype)\n"
        "    bins_mel = _linspace(zero, nyquist, num_spectrogram_bins)[1:, None]\n"
        f"    {_EDGES}",
    ),
    Mutant(
        "mel matrix one bin too low",
        "the DC bin left out; trap 4",
        "melfilters",
        "melfilters.py",
        _PADDED,
        "return np.pad(triangles, [(0, 1), (0, 0)])",
    ),
    Mutant(
        "triangles of unit area",
        "librosa's norm='slaney'",
        "melfilters",
        "melfilters.py",
        _PADDED,
        "return np.pad(triangles * 2 / (upper - lower), [(1, 0), (0, 0)])",
    ),
    Mutant(
        "another corner of the mel scale",
        "slip",
        "melfilters",
        "melfilters.py",
        "for value in (1.0, 1127.0, 700.0)",
        "for value in (1.0, 1127.0, 1000.0)",
    ),
    Mutant(
        "Nyquist left out of the bins",
        "an FFT's n / N",
        "melfilters",
        "melfilters.py",
        "_linspace(zero, nyquist, num_spectrogram_bins)[1:]",
        "_linspace(zero, nyquist, num_spectrogram_bins + 1)[1:-1]",
    ),
    Mutant(
        "width at half the power",
        "slip",
        "initializers",
        "melfilters.py",
        "magnitudes = np.sqrt(self.mel_filters)",
        "magnitudes = self.mel_filters",
    ),
    Mutant(
        "bins above half the magnitude only",
        "slip",
        "initializers",
        "melfilters.py",
        _WIDTHS,
        "widths = (magnitudes > halves).sum(axis=1, dtype=_f32)",
    ),
    Mutant(
        "window count off by one",
        "slip",
        "initializers",
        "melfilters.py",
        _WIDTHS,
        f"{_WIDTHS} + _f32(1)",
    ),
    Mutant(
        "centre frequencies by the count of bins",
        "slip",
        "initializers",
        "melfilters.py",
        _FREQUENCIES,
        "frequencies = centers * _f32(np.pi) / _f32(self.n_fft // 2 + 1)",
    ),
    Mutant(
        "centre frequencies between the bins",
        "EfficientLEAF",
        "initializers",
        "melfilters.py",
        _FREQUENCIES,
        "mels = _hertz_to_mel(np.array([self.min_freq, self.max_freq], _f32))\n"
        "        peaks = 700 * np.expm1(_linspace(*mels, self.n_filters + 2)[1:-1] / 1127)\n"
        "        frequencies = (peaks * 2 * np.pi / self.sample_rate).astype(_f32)",
    ),
    Mutant(
        "transform that follows the sample rate",
        "trap 4",
        "initializers",
        "initializers.py",
        "            n_fft=self.n_fft,",
        "            n_fft=int(self.n_fft * self.sample_rate / 16000),",
    ),
    Mutant(
        "energy not normalised when asked",
        "slip",
        "initializers",
        "melfilters.py",
        "        if not self.normalize_energy:",
        "        if self.normalize_energy or not self.normalize_energy:",
    ),
    Mutant(
        "gain of the taps without its root",
        "slip",
        "gabor_init_taps",
        "melfilters.py",
        _GAIN,
        "gain = torch.from_numpy(areas * _f32(2) * spread)",
    ),
    Mutant(
        "area without the two feet of the triangle",
        "slip",
        "gabor_init_taps",
        "melfilters.py",
        "dtype=_f32) + _f32(2)",
        "dtype=_f32)",
    ),
    Mutant(
        "real taps before imaginary taps",
        "leaf-pytorch leaves it out",
        "gabor_init_taps",
        "initializers.py",
        "filters.permute(1, 0, 2)",
        "filters.permute(1, 2, 0)",
    ),
    Mutant(
        "pre-emphasis in the causal order",
        "torchaudio.functional.preemphasis; trap 2",
        "initializers",
        "initializers.py",
        "torch.tensor([-self.alpha, 1.0], dtype=dtype)",
        "torch.tensor([1.0, -self.alpha], dtype=dtype)",
    ),
    Mutant(
        "one sinc edge too few",
        "slip",
        "initializers",
        "initializers.py",
        "utils.hz2mel(highest), shape[0] + 1)",
        "utils.hz2mel(highest), shape[0])",
    ),
    Mutant(
        "sinc edges up to Nyquist",
        "slip",
        "initializers",
        "initializers.py",
        "highest = 0.5 * self.sample_rate - (self.min_low_hz + self.min_band_hz)",
        "highest = 0.5 * self.sample_rate",
    ),
    Mutant(
        "sinc bandwidths taken for upper edges",
        "slip",
        "initializers",
        "initializers.py",
        "np.stack([edges[:-1], edges[1:] - edges[:-1]], axis=1)",
        "np.stack([edges[:-1], edges[1:]], axis=1)",
    ),
    Mutant(
        "Hann window periodic in an odd length",
        "torch.hann_window; trap 9",
        "mel_filterbanks",
        "mel_filterbanks.py",
        "dtype(size - size % 2)",
        "dtype(size)",
    ),
    Mutant(
        "magnitude instead of power",
        "slip",
        "mel_filterbanks",
        "mel_filterbanks.py",
        "return stft.real**2 + stft.imag**2",
        "return stft.abs()",
    ),
    Mutant(
        "frames centred on their time",
        "torch.stft(center=True); trap 9",
        "mel_filterbanks",
        "mel_filterbanks.py",
        _PADDED_CLIP,
        "half = self.window_size // 2\n"
        "        padded = F.pad(inputs, (half, padding.not_negative(needed - length)))",
    ),
    Mutant(
        "window in the middle of the transform",
        "torch.stft; trap 9",
        "mel_filterbanks",
        "mel_filterbanks.py",
        _PADDED_CLIP,
        "late = max(self.n_fft - self.window_size, 0) // 2\n"
        "        behind = padding.not_negative(needed - length) + late\n"
        "        padded = F.pad(inputs, (0, behind))[:, late:]",
    ),
    Mutant(
        "an extra frame of a whole number of strides",
        "torch.stft's count",
        "mel_filterbanks",
        "mel_filterbanks.py",
        _COUNT,
        "count = length // self.window_stride + 1",
    ),
    Mutant(
        "frames that are not full dropped",
        "pad_end=False",
        "mel_filterbanks",
        "mel_filterbanks.py",
        _COUNT,
        "count = max((length - self.window_size) // self.window_stride + 1, 1)",
    ),
    Mutant(
        "long window not cut to the transform",
        "slip",
        "mel_filterbanks",
        "mel_filterbanks.py",
        _STFT,
        "stft = torch.fft.rfft(frames, n=max(self.n_fft, self.window_size))\n"
        "            stft = stft[..., : self.n_fft // 2 + 1]",
    ),
]
