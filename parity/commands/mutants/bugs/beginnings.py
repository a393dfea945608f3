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
]
