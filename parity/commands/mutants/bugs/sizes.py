"""What shows at odd sizes, along axes of one element, at ties, on axes that are rarely meant."""

from parity.commands.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "inverse of an odd transform told its size",
        "slip",
        "overlap_add_conv1d",
        "_ops/fft_convolution.py",
        "result = torch.fft.irfft(product)",
        "result = torch.fft.irfft(product, n=fft_length)",
    ),
    Mutant(
        "odd transform cut to an even one",
        "slip",
        "mel_filterbanks",
        "mel_filterbanks.py",
        "stft = torch.fft.rfft(frames, n=self.n_fft)",
        "stft = torch.fft.rfft(frames, n=self.n_fft - self.n_fft % 2)",
    ),
    Mutant(
        "taps and input channels of a kernel mixed",
        "slip",
        "conv1d",
        "convolution.py",
        "self.kernel.permute(2, 1, 0)",
        "self.kernel.permute(2, 0, 1).reshape(self.filters, self.in_channels, -1)",
    ),
    Mutant(
        "equal centres sorted backwards",
        "slip",
        "gabor_conv1d",
        "convolution.py",
        "torch.argsort(kernel[:, 0], stable=True)",
        "torch.argsort(kernel[:, 0], stable=True, descending=True).flip(0)",
    ),
    Mutant(
        "equal maxima share the gradient",
        "slip",
        "max_pooling1d",
        "pooling.py",
        "return max_pool2d(x.unsqueeze(2), window, hop).squeeze(2).transpose(1, 2)",
        "return x.unfold(2, self.kernel_size, self.strides).amax(-1).transpose(1, 2)",
    ),
    Mutant(
        "Bessel's correction of a single value",
        "slip",
        "batch_normalization",
        "normalization.py",
        "variance = variance * n / max(n - 1, 1)",
        "variance = variance * n / (n - 1)",
    ),
    Mutant(
        "three axes normalised over all but the last",
        "slip",
        "batch_normalization",
        "normalization.py",
        "others = [axis for axis in range(inputs.ndim) if axis != self.axis]",
        "others = [0, 1] if inputs.ndim == 3 else [\n"
        "                axis for axis in range(inputs.ndim) if axis != self.axis\n"
        "            ]",
    ),
    Mutant(
        "frames and filters of a normalised map exchanged",
        "slip",
        "instance_normalization",
        "normalization.py",
        "self._normalised(inputs.flatten(2).mT)",
        "self._normalised(inputs.mT.flatten(2).mT)",
    ),
    Mutant(
        "zero times the sum of the batch added",
        "slip",
        "pcen",
        "postprocessing.py",
        "smoother = self.ema(inputs, inputs[:, 0])",
        "smoother = self.ema(inputs, inputs[:, 0]) + 0.0 * inputs.sum()",
    ),
]
