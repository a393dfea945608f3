"""The classifiers and their blocks."""

from parity.commands.mutants.mutant import Mutant

_ACTIVATION = '            self.append(new_activation("ConvBlock", activation))\n'
_NORMALISATION = (
    "            if normalization_layer is not None:\n"
    "                self.append("
    'new_normalization("ConvBlock", normalization_layer, num_filters))\n'
)
_POOLS = "pools = i == 0 or i % 2 == 1"

MUTANTS = [
    Mutant(
        "normalisation before activation",
        "the usual order in torch",
        "conv_block",
        "models.py",
        _ACTIVATION + _NORMALISATION,
        _NORMALISATION + _ACTIVATION,
    ),
    Mutant(
        "last row and column pooled too",
        "ceil_mode",
        "conv_block",
        "_model_layers.py",
        "return max_pool2d(inputs, self.window)",
        "return F.max_pool2d(inputs, self.window, ceil_mode=True)",
    ),
    Mutant(
        "pooling whatever the flag says",
        "slip",
        "conv_block",
        "models.py",
        "        if max_pooling:\n",
        "        if True:\n",
    ),
    Mutant(
        "hard sigmoid with torch's slope",
        "torch.nn.Hardsigmoid",
        "activations",
        "_model_layers.py",
        "clip_by_value(0.2 * x + 0.5, 0.0, 1.0)",
        "clip_by_value(x / 6 + 0.5, 0.0, 1.0)",
    ),
    Mutant(
        "leaky ReLU with torch's slope",
        "torch.nn.LeakyReLU",
        "activations",
        "_model_layers.py",
        "nn.LeakyReLU(0.2)",
        "nn.LeakyReLU()",
    ),
    Mutant(
        "softmax over the filters",
        "torch's last axis",
        "activations",
        "_model_layers.py",
        "nn.Softmax(dim=1)",
        "nn.Softmax(dim=-1)",
    ),
    Mutant(
        "GELU by its tangent approximation",
        "the original BERT code",
        "activations",
        "_model_layers.py",
        '"gelu": nn.GELU,',
        '"gelu": lambda: nn.GELU("tanh"),',
    ),
    Mutant(
        "gradient of SELU at 0 from below",
        "torch.nn.SELU",
        "activations",
        "_model_layers.py",
        "torch.where(x < 0, F.selu(x), _SELU_SCALE * x)",
        "F.selu(x)",
    ),
    Mutant(
        "every second block pools, from the first",
        "slip",
        "conv_net",
        "models.py",
        _POOLS,
        "pools = i % 2 == 0",
    ),
    Mutant(
        "every block pools",
        "slip",
        "conv_net",
        "models.py",
        _POOLS,
        "pools = True",
    ),
    Mutant(
        "second convolution not dilated",
        "slip",
        "pann_wav_block",
        "models.py",
        "((in_channels, 1), (filters, 2))",
        "((in_channels, 1), (filters, 1))",
    ),
    Mutant(
        "average that counts the padding",
        "count_include_pad; trap 14",
        "pann_conv_block",
        "_model_layers.py",
        "return self._sums(inputs) / self._sums(inputs.new_ones(1, 1, *inputs.shape[-2:]))",
        "return self._sums(inputs) / (self.window[0] * self.window[1])",
    ),
    Mutant(
        "average without padding",
        "slip",
        "pann_conv_block",
        "_model_layers.py",
        "F.avg_pool2d(padded, self.window, divisor_override=1)",
        "F.avg_pool2d(x, self.window, divisor_override=1)",
    ),
    Mutant(
        "padding of the two axes swapped",
        "slip",
        "pann_conv_block",
        "_model_layers.py",
        "same_padding(filters, width, width) + same_padding(frames, height, height)",
        "same_padding(frames, height, height) + same_padding(filters, width, width)",
    ),
    Mutant(
        "frames doubled in PANN's pooling",
        "slip",
        "pann",
        "models.py",
        "pool_size = (2, 2) if i < 5 else (1, 1)",
        "pool_size = (2, 1) if i < 5 else (1, 1)",
    ),
    Mutant(
        "wave convolved by hops of 4",
        "slip",
        "wavegram",
        "models.py",
        "SameConv1d(1, 64, 11, stride=5)",
        "SameConv1d(1, 64, 11, stride=4)",
    ),
    Mutant(
        "mean over the map instead of its maximum",
        "torch.nn.AdaptiveAvgPool2d",
        "audio_classifier",
        "_model_layers.py",
        "return amax(inputs, (2, 3))",
        "return inputs.mean((2, 3))",
    ),
]
