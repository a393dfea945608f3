"""Convolutions by FFT and their regulariser."""

from parity.commands.mutants.mutant import Mutant

_POWER = "return 1 << (length - 1).bit_length()"
_ROLL = "torch.roll(result, taps // 2 - 1, dims=1)[:, :length]"
_PENALTY = "return self.l1 * weight.abs().sum() + self.l2 * weight.square().sum()"
_BIASED = (
    "        outputs = outputs if self.bias is None else outputs + self.bias\n"
    "        return outputs if self.activation is None else self.activation(outputs)"
)

MUTANTS = [
    Mutant(
        "transform of the clip's own length",
        "trap 12",
        "fft_conv1d",
        "_ops/fft_convolution.py",
        _POWER,
        "return length",
    ),
    Mutant(
        "transform twice as long at a power of two",
        "trap 12",
        "fft_conv1d",
        "_ops/fft_convolution.py",
        _POWER,
        "return 1 << length.bit_length()",
    ),
    Mutant(
        "linear instead of circular",
        "trap 12",
        "fft_conv1d",
        "_ops/fft_convolution.py",
        "size = upper_power_of_2(length)",
        "size = upper_power_of_2(length + taps - 1)",
    ),
    Mutant(
        "rolled by one sample too many",
        "trap 12",
        "fft_conv1d",
        "_ops/fft_convolution.py",
        _ROLL,
        "torch.roll(result, taps // 2, dims=1)[:, :length]",
    ),
    Mutant(
        "cut before it is rolled",
        "trap 12",
        "fft_conv1d",
        "_ops/fft_convolution.py",
        _ROLL,
        "torch.roll(result[:, :length], taps // 2 - 1, dims=1)",
    ),
    Mutant(
        "convolution for a correlation",
        "trap 12",
        "fft_conv1d",
        "_ops/fft_convolution.py",
        "spectrum * response.conj()",
        "spectrum * response",
    ),
    Mutant(
        "convolution for a correlation, in segments",
        "trap 12",
        "overlap_add_conv1d",
        "_ops/fft_convolution.py",
        "torch.fft.rfft(framed, n=fft_length) * response.conj()",
        "torch.fft.rfft(framed, n=fft_length) * response",
    ),
    Mutant(
        "segments not rolled back",
        "trap 12",
        "overlap_add_conv1d",
        "_ops/fft_convolution.py",
        "return torch.roll(joined, 1 - taps // 2, dims=1)",
        "return joined",
    ),
    Mutant(
        "segments that overlap by one sample more",
        "slip",
        "overlap_add_conv1d",
        "_ops/fft_convolution.py",
        "overlap = taps - 1",
        "overlap = taps",
    ),
    Mutant(
        "stride honoured",
        "trap 12",
        "fft_conv1d_layer",
        "convolution.py",
        "outputs, _ = fft_conv1d(inputs, self.kernel, self.arithmetic)",
        "outputs = fft_conv1d(inputs, self.kernel, self.arithmetic)[0][:, :: self.strides]",
    ),
    Mutant(
        "activation before the bias",
        "slip",
        "fft_conv1d_layer",
        "convolution.py",
        _BIASED,
        "        outputs = outputs if self.activation is None else self.activation(outputs)\n"
        "        return outputs if self.bias is None else outputs + self.bias",
    ),
    Mutant(
        "l1 and l2 swapped",
        "slip",
        "frequency_penalty",
        "regularizers.py",
        _PENALTY,
        "return self.l2 * weight.abs().sum() + self.l1 * weight.square().sum()",
    ),
    Mutant(
        "half of l2",
        "the usual weight decay",
        "frequency_penalty",
        "regularizers.py",
        _PENALTY,
        "return self.l1 * weight.abs().sum() + 0.5 * self.l2 * weight.square().sum()",
    ),
    Mutant(
        "penalty of the spectrum left out",
        "slip",
        "frequency_penalty",
        "regularizers.py",
        "            terms.append(penalty(num_samples))",
        "            pass",
    ),
    Mutant(
        "penalty of the kernel's own spectrum",
        "slip",
        "frequency_penalty",
        "_ops/fft_convolution.py",
        "torch.fft.rfft(filters, n=size, dim=0)",
        "torch.fft.rfft(filters, dim=0)",
    ),
    Mutant(
        "filters not conjugated, in real arithmetic",
        "a convolution for a correlation",
        "fft_conv1d",
        "_ops/fourier.py",
        "return a * c + b * d, b * c - a * d",
        "return a * c - b * d, b * c + a * d",
    ),
    Mutant(
        "transform turning the other way",
        "slip",
        "amplitude",
        "_ops/fourier.py",
        "(-2.0 * math.pi / size)",
        "(2.0 * math.pi / size)",
    ),
    Mutant(
        "no rotation between the factors of a transform",
        "slip",
        "mel_filterbanks",
        "_ops/fourier.py",
        "rotated = real * cosine - imaginary * sine, real * sine + imaginary * cosine",
        "rotated = real, imaginary",
    ),
    Mutant(
        "first and last bin counted twice",
        "slip",
        "overlap_add_conv1d",
        "_ops/fourier.py",
        "value=1.0 / size",
        "value=2.0 / size",
    ),
    Mutant(
        "no guard for a spectrum of zeros",
        "sqrt in the place of abs",
        "frequency_penalty",
        "_ops/fourier.py",
        "torch.where(zero, torch.ones_like(squares), squares)",
        "squares",
    ),
]
