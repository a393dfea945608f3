"""State dicts of leaf-pytorch and SpeechBrain: where a frontend is in them, and what it becomes.

Both compute LEAF with a pooling of their own: padded symmetrically, with a learned bias. ``Leaf``
takes these as options (``pooling_padding``, ``pooling_bias``); the rest is the official function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from weight_conversion.official.settings import Settings

Tree = dict[str, Any]


class PortSettings(Settings):
    """What a state dict cannot tell: from arguments, or asked for."""

    command = "import"
    elsewhere = ""


@dataclass(frozen=True)
class Port:
    """How a port calls its weights.

    Attributes:
        name: of the port.
        filters: its name of the Gabor kernel, by which its frontend is found.
        keys: the others' names, and those of ours.
        compression: where PCEN's weights are, if it has PCEN.
        layout: of its inputs and outputs.
    """

    name: str
    filters: str
    keys: Mapping[str, str]
    compression: str
    layout: str

    def table(self, compressed: bool) -> dict[str, str]:
        """Our names of the weights, by its own."""
        keys = {self.filters: "complex_conv.kernel", **self.keys}
        pcen = {
            **{f"{self.compression}{name}": name for name in ("alpha", "delta", "root")},
            f"{self.compression}ema._weights": "ema.smooth",
        }
        return keys | (
            {name: f"compress_fn.{ours}" for name, ours in pcen.items()} if compressed else {}
        )


_POOLING = {"weights": "pooling.kernel", "_bias": "pooling.bias"}
PORTS = (
    Port(
        "leaf-pytorch",
        "_complex_conv._kernel",
        {f"_pooling.{name}": ours for name, ours in _POOLING.items()},
        "_compression.",
        "(batch, 1, samples) to (batch, filters, frames)",
    ),
    Port(
        "speechbrain",
        "complex_conv.kernel",
        {f"pooling.{name}": ours for name, ours in _POOLING.items()},
        "compression.",
        "(batch, samples) to (batch, frames, filters)",
    ),
)

DIFFERENCES: Mapping[str, str] = {
    "pooling_padding": "the pooling is padded by (taps - 1) // 2 samples before and taps // 2 "
    "after, whatever the stride and the length; the official one as TensorFlow's SAME",
    "pooling_bias": "a learned bias is added to the pooled energies of each filter; the official "
    "pooling has none",
}
"""What an imported model does otherwise than the official code, by the option of ``Leaf``."""


@dataclass(frozen=True)
class Found:
    """A frontend in a file.

    Attributes:
        port: whose it is.
        state_dict: the name of its state dict in the file; ``""`` for the file itself.
        prefix: of its keys in the state dict.
        state: the whole state dict.
    """

    port: Port
    state_dict: str
    prefix: str
    state: Mapping[str, Any]

    @property
    def own(self) -> dict[str, Any]:
        """The frontend's part of the state dict, by the port's names."""
        return {
            key.removeprefix(self.prefix): value
            for key, value in self.state.items()
            if key.startswith(self.prefix)
        }

    @property
    def others(self) -> list[str]:
        """The other keys of the state dict."""
        return sorted(key for key in self.state if not key.startswith(self.prefix))

    def __str__(self) -> str:
        """As the options that choose it."""
        return f"--state-dict '{self.state_dict}' --prefix '{self.prefix}'"


def frontends(state_dict: str, state: Mapping[str, Any]) -> Iterator[Found]:
    """The frontends of the ports in a state dict, found by their Gabor kernels."""
    for key, value in state.items():
        for port in PORTS:
            if isinstance(value, Tensor) and f".{key}".endswith(f".{port.filters}"):
                yield Found(port, state_dict, key.removesuffix(port.filters), state)


def tree(n_filters: int, compressed: bool, settings: Settings) -> Tree:
    """The description of the Leaf that computes what either port does.

    Args:
        n_filters: number of filters.
        compressed: whether there is PCEN.
        settings: what no state dict tells.

    Raises:
        NotGivenError: arguments that are needed; names all of them.
    """
    need, take = settings.need, settings.take
    pcen = {
        "num_channels": n_filters,
        "floor": 1e-12,
        "trainable": True,
        "learn_smooth_coef": True,
        "per_channel_smooth_coef": True,
    }
    arguments = {
        "n_filters": n_filters,
        "sample_rate": need("sample_rate", "the sample rate, in Hz"),
        "window_len": need("window_len", "the window of filters and pooling, in ms"),
        "window_stride": need("window_stride", "the hop of the pooling, in ms"),
        "learn_filters": take("learn_filters", True),
        "learn_pooling": take("learn_pooling", True),
        "compression_fn": {"kind": "PCEN", "arguments": pcen} if compressed else None,
        "pooling_padding": "SYMMETRIC",
        "pooling_bias": True,
    }
    settings.check()
    return {"kind": "Leaf", "arguments": arguments}
