"""Padding and frame counts."""

from parity.commands.mutants.mutant import Mutant

_LAST_FRAME = "    return total // 2, total - total // 2"
_PAD_POOLING = "return padding.pad_time(x, self.kernel_size, self.strides, 1, self.padding, value)"
_PAD_CONVOLUTION = "x = padding.pad_time(x, taps, stride, dilation, padding_)"

MUTANTS = [
    Mutant(
        "pooling padded by half the window",
        "EfficientLEAF, denfed; trap 1",
        "gaussian_lowpass_layer",
        "pooling.py",
        _PAD_POOLING,
        "return x if self.padding == 'VALID' else F.pad(x, (self.kernel_size // 2,) * 2)",
    ),
    Mutant(
        "convolution padded by half the window",
        "denfed; trap 2",
        "conv1d",
        "convolution.py",
        _PAD_CONVOLUTION,
        "x = F.pad(x, (taps // 2,) * 2) if padding_ == padding.SAME else x",
    ),
    Mutant(
        "Gabor convolution padded by half the window",
        "denfed; trap 2",
        "gabor_conv1d",
        "convolution.py",
        _PAD_CONVOLUTION,
        "x = F.pad(x, (taps // 2,) * 2) if padding_ == padding.SAME else x",
    ),
    Mutant(
        "padding as for stride 1",
        "leaf-pytorch, SpeechBrain; trap 1",
        "gaussian_lowpass_layer",
        "padding.py",
        "    if stride == 1:",
        "    if stride >= 1:",
    ),
    Mutant(
        "padding of the wave as for stride 1",
        "trap 1",
        "wavegram",
        "_model_layers.py",
        "pad_time(inputs, taps, stride, dilation)",
        "pad_time(inputs, taps, 1, dilation)",
    ),
    Mutant(
        "extra sample on the left",
        "denfed's convolution; trap 2",
        "conv1d",
        "padding.py",
        _LAST_FRAME,
        "    return total - total // 2, total // 2",
    ),
    Mutant(
        "extra sample of the pooling on the left",
        "slip",
        "channel_wise_learnable_pooling1d",
        "padding.py",
        _LAST_FRAME,
        "    return total - total // 2, total // 2",
    ),
    Mutant(
        "frames rounded down",
        "slip",
        "gaussian_lowpass_layer",
        "padding.py",
        "frames = (length + stride - 1) // stride",
        "frames = length // stride",
    ),
    Mutant(
        "one frame too many",
        "slip",
        "max_pooling1d",
        "padding.py",
        "frames = (length + stride - 1) // stride",
        "frames = length // stride + 1",
    ),
    Mutant(
        "dilation left out of the padding",
        "slip",
        "pann_wav_block",
        "padding.py",
        "    extent = (kernel_size - 1) * dilation + 1",
        "    extent = kernel_size",
    ),
    Mutant(
        "negative padding where the hop is longer than the window",
        "slip",
        "gaussian_lowpass_layer",
        "padding.py",
        "total = not_negative(total)",
        "pass",
    ),
    Mutant(
        "padding in lower case taken for VALID",
        "slip",
        "gaussian_lowpass_layer",
        "padding.py",
        "    return padding.upper()",
        "    return SAME if padding == SAME else VALID",
    ),
    Mutant(
        "window without its last sample",
        "slip",
        "leaf",
        "_checks.py",
        "return int(sample_rate * length_ms // 1000 + 1), stride",
        "return int(sample_rate * length_ms // 1000), stride",
    ),
    Mutant(
        "window made odd",
        "EfficientLEAF",
        "leaf",
        "_checks.py",
        "return int(sample_rate * length_ms // 1000 + 1), stride",
        "return int(sample_rate * length_ms // 1000) // 2 * 2 + 1, stride",
    ),
]
