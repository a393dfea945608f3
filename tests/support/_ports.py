"""State dicts as leaf-pytorch and SpeechBrain save them, for the tests; none of their code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import leaf_port as lp
from parity.spec.random_arrays import Source
from weight_conversion.foreign.import_port import Imported, import_port
from weight_conversion.foreign.ports import PortSettings

# Written out here, since the table of the project is what the tests are about.
NAMES: dict[str, dict[str, str]] = {
    "leaf-pytorch": {
        "_complex_conv._kernel": "complex_conv.kernel",
        "_pooling.weights": "pooling.kernel",
        "_pooling._bias": "pooling.bias",
        "_compression.alpha": "compress_fn.alpha",
        "_compression.delta": "compress_fn.delta",
        "_compression.root": "compress_fn.root",
        "_compression.ema._weights": "compress_fn.ema.smooth",
    },
    "speechbrain": {
        "complex_conv.kernel": "complex_conv.kernel",
        "pooling.weights": "pooling.kernel",
        "pooling._bias": "pooling.bias",
        "compression.alpha": "compress_fn.alpha",
        "compression.delta": "compress_fn.delta",
        "compression.root": "compress_fn.root",
        "compression.ema._weights": "compress_fn.ema.smooth",
    },
}
FILTERS = 3
GIVEN = {"sample_rate": 8000, "window_len": 20.0, "window_stride": 5.0}


def ours(seed: int = 0, **options: Any) -> lp.Leaf:
    """A Leaf with the options of the ports, its weights moved."""
    arguments = {"n_filters": FILTERS, "pooling_padding": "SYMMETRIC", "pooling_bias": True}
    made = lp.Leaf(**{**arguments, **GIVEN, **options})  # type: ignore[arg-type]
    source = Source(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(1.0 + 0.1 * torch.from_numpy(source.uniform(weight.shape)))
    return made.eval()


def state(port: str, seed: int = 0, **options: Any) -> dict[str, Tensor]:
    """The same weights, as the port would save them."""
    held = ours(seed, **options).state_dict()
    return {theirs: held[name].clone() for theirs, name in NAMES[port].items() if name in held}


def imported(source: Path, folder: Path, **options: Any) -> Imported:
    given = options.pop("given", GIVEN)
    return import_port(source, folder, PortSettings(given), **options)
