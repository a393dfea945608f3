"""What the frontends put together."""

from parity.commands.mutants.mutant import Mutant

_MODULUS = "return real**2 + imaginary**2"
_FLOOR = "return maximum(energies, SMALLEST_ENERGY)"
_NORMALISED = (
    "        if self.compress_fn is not None:\n"
    "            outputs = self.compress_fn(outputs)\n"
    "        if self.instance_norm is not None:\n"
    "            outputs = self.instance_norm(outputs)\n"
)

MUTANTS = [
    Mutant(
        "real channels before imaginary ones",
        "EfficientLEAF's layout, read as the official one",
        "squared_modulus",
        "frontend.py",
        "x.unflatten(-1, (-1, 2)).unbind(-1)",
        "x.unflatten(-1, (2, -1)).unbind(-2)",
    ),
    Mutant(
        "mean of the squares instead of their sum",
        "avg_pool1d without the 2",
        "squared_modulus",
        "frontend.py",
        _MODULUS,
        "return (real**2 + imaginary**2) / 2",
    ),
    Mutant(
        "modulus not squared",
        "slip",
        "squared_modulus",
        "frontend.py",
        _MODULUS,
        "return torch.sqrt(real**2 + imaginary**2)",
    ),
    Mutant(
        "energies without a floor",
        "slip",
        "leaf",
        "frontend.py",
        _FLOOR,
        "return energies",
    ),
    Mutant(
        "floor of the energies 1e-12",
        "slip",
        "leaf",
        "frontend.py",
        "SMALLEST_ENERGY = 1e-5",
        "SMALLEST_ENERGY = 1e-12",
    ),
    Mutant(
        "floor of the default PCEN 1e-6",
        "slip",
        "leaf",
        "_compression.py",
        "            floor=1e-12,",
        "            floor=1e-6,",
    ),
    Mutant(
        "one default PCEN for all",
        "the official code, denfed; trap 11",
        "leaf",
        "_compression.py",
        "def compression_of(",
        "import functools\n\n\n@functools.cache\ndef compression_of(",
    ),
    Mutant(
        "default filters that follow the sample rate",
        "leaf-pytorch, SpeechBrain, EfficientLEAF; trap 4",
        "leaf",
        "frontend.py",
        "GaborInit(16000, 60.0, 7800.0)",
        "GaborInit(sample_rate, 60.0, 7800.0)",
    ),
    Mutant(
        "default filters up to Nyquist",
        "SpeechBrain",
        "leaf",
        "frontend.py",
        "GaborInit(16000, 60.0, 7800.0)",
        "GaborInit(16000, 60.0, 8000.0)",
    ),
    Mutant(
        "another default width of the pooling",
        "slip",
        "leaf",
        "frontend.py",
        "pooling_init or Constant(0.4)",
        "pooling_init or Constant(0.5)",
    ),
    Mutant(
        "epsilon of the features' normalisation 1e-3",
        "tensorflow-addons' default; trap 14",
        "leaf",
        "frontend.py",
        "InstanceNormalization(channels, 1e-6)",
        "InstanceNormalization(channels, 1e-3)",
    ),
    Mutant(
        "normalisation before compression",
        "slip",
        "leaf",
        "frontend.py",
        _NORMALISED,
        "        if self.instance_norm is not None:\n"
        "            outputs = self.instance_norm(outputs)\n"
        "        if self.compress_fn is not None:\n"
        "            outputs = self.compress_fn(outputs)\n",
    ),
    Mutant(
        "pre-emphasis left out",
        "leaf-pytorch has none",
        "leaf",
        "frontend.py",
        "outputs = self.preemp_conv(outputs)",
        "pass",
    ),
    Mutant(
        "augmentation in evaluation too",
        "slip",
        "leaf",
        "frontend.py",
        "if self.training and self.spec_augment_fn is not None:",
        "if self.spec_augment_fn is not None:",
    ),
    Mutant(
        "lowpass of a plain Hann window",
        "slip",
        "time_domain_filterbanks",
        "frontend.py",
        "WindowType.SQUARED_HANNING",
        "WindowType.HANNING",
    ),
    Mutant(
        "filterbanks with another offset",
        "slip",
        "time_domain_filterbanks",
        "frontend.py",
        "functools.partial(log_compression, log_offset=1e-5)",
        "functools.partial(log_compression, log_offset=1e-6)",
    ),
    # Its slope cannot be told from the outside: a negative maximum ends at the energies' floor.
    Mutant(
        "SincNet's activation of both signs",
        "slip",
        "sincnet",
        "frontend.py",
        "activation=nn.LeakyReLU(0.2),\n            pooling_cls=pooling.MaxPooling1d",
        "activation=torch.abs,\n            pooling_cls=pooling.MaxPooling1d",
    ),
    Mutant(
        "SincNet without normalisation",
        "slip",
        "sincnet",
        "frontend.py",
        "        outputs = self.pooled(waveform, lengths)\n"
        "        if self.compress_fn is not None:",
        "        outputs = self.pooled(waveform, lengths)\n"
        "        if isinstance(self.compress_fn, LayerNormalization):\n"
        "            outputs = outputs * self.compress_fn.gamma + self.compress_fn.beta\n"
        "        elif self.compress_fn is not None:",
    ),
    Mutant(
        "LeakyReLU of 0.01 in SincNet+",
        "torch.nn.LeakyReLU's default; trap 8",
        "sincnet_plus",
        "frontend.py",
        "activation=nn.LeakyReLU(0.2),\n            pooling_cls=pooling.GaussianLowpass",
        "activation=nn.LeakyReLU(),\n            pooling_cls=pooling.GaussianLowpass",
    ),
]
