"""Normalisation of features, maps and filters."""

from parity.commands.mutants.mutant import Mutant

_INSTANCE = "return (inputs - mean) * (torch.rsqrt(variance + self.epsilon) * self.gamma)"
_BATCH = "scale = torch.rsqrt(variance + self.epsilon) * self.gamma"
_LAYER = "return F.layer_norm(inputs, (self.size,), self.gamma, self.beta, self.epsilon)"
_FUSED = "if inputs.ndim == 4 and self.axis in _FUSED_AXES:"
_NORM = "norm = torch.sqrt(torch.sum(kernel**2, dim=self.axis, keepdim=True))"
_CONSTRAINED = 'self._convolve(inputs, self.constraints["kernel"](self.kernel).permute(2, 1, 0))'

MUTANTS = [
    Mutant(
        "epsilon of the batch 1e-5",
        "torch.nn.BatchNorm2d; trap 14",
        "batch_normalization",
        "normalization.py",
        "axis: int = 1, epsilon: float = 1e-3",
        "axis: int = 1, epsilon: float = 1e-5",
    ),
    Mutant(
        "epsilon outside the root, batch",
        "slip",
        "batch_normalization",
        "normalization.py",
        _BATCH,
        "scale = self.gamma / (torch.sqrt(variance) + self.epsilon)",
    ),
    Mutant(
        "unbiased variance of the batch",
        "slip",
        "batch_normalization",
        "normalization.py",
        "torch.var_mean(inputs, others, correction=0)",
        "torch.var_mean(inputs, others, correction=1)",
    ),
    Mutant(
        "momentum swapped",
        "torch's momentum; trap 14",
        "batch_normalization",
        "normalization.py",
        "return 1 - self.momentum",
        "return self.momentum",
    ),
    Mutant(
        "momentum of 0.9",
        "torch's default; trap 14",
        "batch_normalization",
        "normalization.py",
        "momentum: float = 0.99",
        "momentum: float = 0.9",
    ),
    Mutant(
        "moving variance always biased",
        "Keras' plain rule; trap 14",
        "batch_normalization",
        "normalization.py",
        _FUSED,
        "if False:",
    ),
    Mutant(
        "moving variance always unbiased",
        "torch's rule; trap 14",
        "batch_normalization",
        "normalization.py",
        _FUSED,
        "if True:",
    ),
    Mutant(
        "moving variance of a map unbiased over the channels only",
        "slip; trap 14",
        "batch_normalization",
        "normalization.py",
        "_FUSED_AXES = (1, 2)",
        "_FUSED_AXES = (1,)",
    ),
    Mutant(
        "batch statistics in evaluation",
        "slip",
        "batch_normalization",
        "normalization.py",
        "        if self.training:\n            others",
        "        if True:\n            others",
    ),
    Mutant(
        "variance of the batch about zero",
        "slip",
        "batch_normalization",
        "normalization.py",
        "            self._move(mean, variance, inputs, count)",
        "            variance = inputs.square().mean(others)\n"
        "            self._move(mean, variance, inputs, count)",
    ),
    Mutant(
        "epsilon of the layer 1e-5",
        "torch.nn.LayerNorm; traps 8 and 14",
        "layer_normalization",
        "normalization.py",
        "num_channels: int, epsilon: float = 1e-3",
        "num_channels: int, epsilon: float = 1e-5",
    ),
    Mutant(
        "epsilon outside the root, layer",
        "slip",
        "layer_normalization",
        "normalization.py",
        _LAYER,
        "variance, mean = torch.var_mean(inputs, -1, correction=0, keepdim=True)\n"
        "        scale = self.gamma / (torch.sqrt(variance) + self.epsilon)\n"
        "        return (inputs - mean) * scale + self.beta",
    ),
    Mutant(
        "mean over the frames instead of the filters",
        "slip",
        "layer_normalization",
        "normalization.py",
        _LAYER,
        "variance, mean = torch.var_mean(inputs, 1, correction=0, keepdim=True)\n"
        "        return (inputs - mean) * torch.rsqrt(variance + 1e-3) * self.gamma + self.beta",
    ),
    Mutant(
        "unbiased variance of the layer",
        "slip",
        "layer_normalization",
        "normalization.py",
        _LAYER,
        "variance, mean = torch.var_mean(inputs, -1, correction=1, keepdim=True)\n"
        "        return (inputs - mean) * torch.rsqrt(variance + 1e-3) * self.gamma + self.beta",
    ),
    Mutant(
        "epsilon outside the root, instance",
        "slip",
        "instance_normalization",
        "normalization.py",
        _INSTANCE,
        "return (inputs - mean) * (self.gamma / (torch.sqrt(variance) + self.epsilon))",
    ),
    Mutant(
        "unbiased variance of the instance",
        "torch.var's default",
        "instance_normalization",
        "normalization.py",
        "torch.var_mean(x, dim=dim, correction=0, keepdim=True)",
        "torch.var_mean(x, dim=dim, correction=1, keepdim=True)",
    ),
    Mutant(
        "mean over the filters instead of the frames",
        "slip",
        "instance_normalization",
        "normalization.py",
        "_moments(inputs, 1)",
        "_moments(inputs, 2)",
    ),
    Mutant(
        "unit norm over the filters",
        "slip",
        "unit_norm",
        "constraints.py",
        "dim=self.axis, keepdim=True",
        "dim=-1, keepdim=True",
    ),
    Mutant(
        "unit norm without epsilon",
        "torch.nn.functional.normalize",
        "unit_norm",
        "constraints.py",
        "EPSILON = 1e-7",
        "EPSILON = 1e-12",
    ),
    Mutant(
        "epsilon of the unit norm inside the root",
        "slip",
        "unit_norm",
        "constraints.py",
        _NORM,
        "norm = torch.sqrt(torch.sum(kernel**2, dim=self.axis, keepdim=True) + 1e-14)",
    ),
    Mutant(
        "unit norm without its gradient",
        "a constraint under no_grad",
        "unit_norm",
        "constraints.py",
        _NORM,
        f"{_NORM}.detach()",
    ),
    Mutant(
        "unit norm not applied in the forward pass",
        "trap 6",
        "normalized_conv1d",
        "convolution.py",
        _CONSTRAINED,
        "self._convolve(inputs, self.kernel.permute(2, 1, 0))",
    ),
    Mutant(
        "unit norm applied twice",
        "trap 6",
        "normalized_conv1d",
        "convolution.py",
        _CONSTRAINED,
        'self._convolve(inputs, self.constraints["kernel"](\n'
        '            self.constraints["kernel"](self.kernel)).permute(2, 1, 0))',
    ),
]
