"""What a layer begins as: defaults, initial values, what is trained, under which keys."""

from parity.commands.mutants.mutant import Mutant

MUTANTS = [
    Mutant(
        "a transform of 1024 points by default",
        "slip",
        "mel_filterbanks",
        "frontend.py",
        "        n_fft: int = 512,\n        window_len: float = 25.0,",
        "        n_fft: int = 1024,\n        window_len: float = 25.0,",
    ),
    Mutant(
        "CNN10 by default",
        "slip",
        "pann",
        "models.py",
        "self, depth: int = 6, dropout_rate",
        "self, depth: int = 5, dropout_rate",
    ),
    Mutant(
        "a sixth block that pools",
        "slip",
        "pann",
        "models.py",
        "pool_size = (2, 2) if i < 5 else (1, 1)",
        "pool_size = (2, 2)",
    ),
    Mutant(
        "PANN without dropout",
        "slip",
        "pann",
        "models.py",
        "            self.append(nn.Dropout(rate))\n            channels = filters",
        "            self.append(nn.Identity())\n            channels = filters",
    ),
    Mutant(
        "biases as torch starts them",
        "torch's default",
        "conv_block",
        "_model_layers.py",
        "        nn.init.zeros_(layer.bias)\n",
        "        pass\n",
    ),
    Mutant(
        "a fixed smoother that is trained",
        "slip",
        "pcen",
        "postprocessing.py",
        "self.recurrent_kernel = parameter(owner, Identity(1.0 - smooth_coef), shape, False)",
        "self.recurrent_kernel = parameter(owner, Identity(1.0 - smooth_coef), shape, True)",
    ),
    Mutant(
        "the keys of a block moved by one",
        "slip",
        "pann_conv_block",
        "models.py",
        "        for channels in (in_channels, filters):\n",
        "        self.append(nn.Identity())\n        for channels in (in_channels, filters):\n",
    ),
    Mutant(
        "Glorot's rule with six times the fan",
        "slip",
        "gabor_conv1d",
        "initializers.py",
        "        limit = math.sqrt(6.0 / fans)\n",
        "        limit = math.sqrt(1.0 / fans)\n",
    ),
    Mutant(
        "normal initial kernels",
        "torch.nn.init.xavier_normal_",
        "conv_net",
        "_model_layers.py",
        "nn.init.xavier_uniform_(layer.weight)",
        "nn.init.xavier_normal_(layer.weight)",
    ),
    Mutant(
        "the same kernels at every draw",
        "slip",
        "normalized_conv1d",
        "initializers.py",
        "        return torch.empty(tuple(shape), dtype=dtype).uniform_(-limit, limit)\n",
        "        source = torch.Generator().manual_seed(0)\n"
        "        values = torch.empty(tuple(shape), dtype=dtype)\n"
        "        return values.uniform_(-limit, limit, generator=source)\n",
    ),
    Mutant(
        "a parameter that is the tensor it was given",
        "torch.nn.Parameter(tensor)",
        "leaf",
        "initializers.py",
        "values = values.to(device=torch.get_default_device(), copy=True)",
        "values = values.to(device=torch.get_default_device())",
    ),
]
