"""What the declarations of the frontends share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from parity import spec
from parity.layers._common import (
    FIXED_SMOOTHER,
    LEARNED_SMOOTHER,
    PCEN_WEIGHTS,
    below,
    normal,
    uniform,
)
from parity.spec.random_arrays import Source


def waveforms(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """A batch of clips, with a channel axis where the configuration says so."""
    channels = 1 if config.get("axis") else None
    return {"inputs": source.audio(config.get("batch", 2), config["samples"], channels)}


def pcen_weights(learned: bool) -> dict[str, spec.Weight]:
    """The weights of PCEN below a frontend."""
    weights = {**PCEN_WEIGHTS, **(LEARNED_SMOOTHER if learned else FIXED_SMOOTHER)}
    return below("_compress_fn", "compress_fn", weights)


GAUSSIAN: Mapping[str, spec.Weight] = {
    "_pooling/kernel": spec.Weight("pooling.kernel", uniform(0.05, 0.55))
}
PREEMPHASIS: Mapping[str, spec.Weight] = {
    "_preemp_conv/kernel": spec.Weight("preemp_conv.kernel", uniform(-1.0, 1.0))
}
INSTANCE_NORM: Mapping[str, spec.Weight] = {
    "_instance_norm/gamma": spec.Weight("instance_norm.gamma", uniform(0.5, 1.5)),
    "_instance_norm/beta": spec.Weight("instance_norm.beta", normal(0.5)),
}


def wrong_waveforms(make: Callable[[], nn.Module]) -> list[spec.ErrorCase]:
    """What every frontend refuses as input."""

    def on(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Callable[[], Any]:
        return lambda: make()(torch.zeros(tuple(shape), dtype=dtype))

    return [
        spec.ErrorCase("inputs", on((2, 800, 1, 1))),
        spec.ErrorCase("inputs", on((800,))),
        spec.ErrorCase("inputs", on((2, 800), torch.int16)),
        spec.ErrorCase(
            "inputs", on((2, 800), torch.float16), "fails or computes in half precision"
        ),
        spec.ErrorCase("inputs", on((2, 800), torch.float64), "casts, or fails"),
        spec.ErrorCase("inputs", on((2, 0))),
        spec.ErrorCase("inputs", on((2, 800, 2)), "takes them as groups of a convolution"),
    ]


def wrong_sizes(make: Callable[..., nn.Module]) -> list[spec.ErrorCase]:
    """Constructor arguments that every frontend refuses."""
    return [
        spec.ErrorCase("n_filters", lambda: make(n_filters=0)),
        spec.ErrorCase("n_filters", lambda: make(n_filters=2.5)),
        spec.ErrorCase("sample_rate", lambda: make(sample_rate=0)),
        spec.ErrorCase("window_len", lambda: make(window_len=float("nan"))),
        spec.ErrorCase("window_stride", lambda: make(window_stride=0.0)),
    ]
