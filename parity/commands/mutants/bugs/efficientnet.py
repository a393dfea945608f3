"""Bugs in Keras' EfficientNet-B0."""

from parity.commands.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "a known odd size padded as an even one",
        "slip",
        "efficientnet_b0",
        "efficientnet.py",
        "same_padding(length, size, stride) if self.known else even",
        "even",
    ),
    Mutant(
        "no swish behind the expansion",
        "slip",
        "efficientnet_b0",
        "efficientnet.py",
        "x = silu(self.expand_bn(self.expand_conv(x)))",
        "x = self.expand_bn(self.expand_conv(x))",
    ),
    Mutant(
        "no input added to a block's output",
        "slip",
        "efficientnet_b0",
        "efficientnet.py",
        "return self._dropped(x) + inputs if self.skips else x",
        "return self._dropped(x)",
    ),
    Mutant(
        "input not divided by 255",
        "slip",
        "efficientnet_b0",
        "efficientnet.py",
        "centred = inputs * _RESCALING - self.mean",
        "centred = inputs - self.mean",
    ),
    Mutant(
        "factors of the channels from their sums",
        "slip",
        "efficientnet_b0",
        "efficientnet.py",
        "self.se_reduce(x.mean((2, 3), keepdim=True))",
        "self.se_reduce(x.sum((2, 3), keepdim=True))",
    ),
]
