"""Pooling layers and their windows."""

from parity.commands.mutants.mutant import Mutant

_TAPS = "taps = torch.exp(-0.5 * (numerator / denominator) ** 2)"
_BOUNDS = "sigma = clip_by_value(sigma, 2.0 / filter_size, 0.5)"

MUTANTS = [
    Mutant(
        "pooling bias of 1",
        "leaf-pytorch, SpeechBrain; trap 3",
        "gaussian_lowpass_layer",
        "pooling.py",
        "        return y.transpose(1, 2)",
        "        return y.transpose(1, 2) + 1.0",
    ),
    Mutant(
        "Gaussian without the half",
        "slip",
        "gaussian_lowpass",
        "impulse_responses.py",
        _TAPS,
        "taps = torch.exp(-((numerator / denominator) ** 2))",
    ),
    Mutant(
        "Gaussian off centre in even windows",
        "slip",
        "gaussian_lowpass",
        "impulse_responses.py",
        "numerator = t.reshape(1, filter_size, 1, 1) - 0.5 * (filter_size - 1)",
        "numerator = t.reshape(1, filter_size, 1, 1) - float(filter_size // 2)",
    ),
    Mutant(
        "Gaussian scaled by the whole window",
        "slip",
        "gaussian_lowpass",
        "impulse_responses.py",
        "denominator = sigma * 0.5 * (filter_size - 1)",
        "denominator = sigma * 0.5 * filter_size",
    ),
    Mutant(
        "Gaussian that sums to 1",
        "slip",
        "gaussian_lowpass",
        "impulse_responses.py",
        _TAPS,
        _TAPS + "\n    taps = taps / taps.sum(dim=1, keepdim=True)",
    ),
    Mutant(
        "width bounded by 1 / N",
        "slip",
        "gaussian_lowpass",
        "impulse_responses.py",
        _BOUNDS,
        "sigma = clip_by_value(sigma, 1.0 / filter_size, 0.5)",
    ),
    Mutant(
        "width bounded by 1",
        "slip",
        "gaussian_lowpass",
        "impulse_responses.py",
        _BOUNDS,
        "sigma = clip_by_value(sigma, 2.0 / filter_size, 1.0)",
    ),
    Mutant(
        "width without bounds",
        "slip",
        "gaussian_lowpass",
        "impulse_responses.py",
        _BOUNDS,
        "pass",
    ),
    Mutant(
        "gradient of the width halved at its bounds",
        "torch.maximum and torch.minimum; trap 5",
        "gaussian_lowpass",
        "impulse_responses.py",
        _BOUNDS,
        "sigma = torch.minimum(sigma, torch.full_like(sigma, 0.5))\n"
        "    sigma = torch.maximum(sigma, torch.full_like(sigma, 2.0 / filter_size))",
    ),
    Mutant(
        "quiet taps cut off",
        "slip",
        "gaussian_lowpass",
        "impulse_responses.py",
        "torch.float32: 1e-30",
        "torch.float32: 1e-12",
    ),
    Mutant(
        "learnable window padded SAME",
        "trap 7",
        "learnable_pooling1d",
        "pooling.py",
        "        super()._resolve_padding(padding_)\n        return padding.VALID",
        "        return super()._resolve_padding(padding_)",
    ),
    Mutant(
        "windows flipped in time",
        "a convolution for a correlation",
        "channel_wise_learnable_pooling1d",
        "pooling.py",
        "self._depthwise(inputs, self.kernel[:, 0, :].T)",
        "self._depthwise(inputs, self.kernel[:, 0, :].T.flip(1))",
    ),
    Mutant(
        "first channel's window for all",
        "slip",
        "channel_wise_learnable_pooling1d",
        "pooling.py",
        "self._depthwise(inputs, self.kernel[:, 0, :].T)",
        "self._depthwise(inputs, self.kernel[:, 0, :1].T.expand(self.num_channels, -1))",
    ),
    Mutant(
        "maximum over padding of 0",
        "trap 1",
        "max_pooling1d",
        "pooling.py",
        "x = self._time_last(inputs, value=-torch.inf)",
        "x = self._time_last(inputs)",
    ),
    Mutant(
        "maximum padded by half the window",
        "trap 1",
        "max_pooling1d",
        "pooling.py",
        "return padding.pad_time(x, self.kernel_size, self.strides, 1, self.padding, value)",
        "return (x if self.padding == 'VALID' else\n"
        "                F.pad(x, (self.kernel_size // 2,) * 2, value=value))",
    ),
]
