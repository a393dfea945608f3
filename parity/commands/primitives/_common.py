"""What the declarations of the primitives share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from parity.spec import SIGNALS, Array, Bound, Config, LayerSpec, Ref
from parity.spec.random_arrays import Source


@dataclasses.dataclass(frozen=True)
class Primitive:
    """A function of TensorFlow and the piece of the port that stands for it.

    Attributes:
        spec: the declaration; its configurations span what is drawn.
        left_out: signals (:data:`parity.spec.SIGNALS`) that are not drawn, with the reason, which
            the report prints.
    """

    spec: LayerSpec
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.left_out) - set(SIGNALS)
        if unknown or "plain" in self.left_out:
            raise ValueError(f"{self.spec.name}: {sorted(unknown) or 'plain'} cannot be left out")

    @property
    def signals(self) -> list[str]:
        """The signals that are drawn."""
        drawn = "inputs" in self.spec.inputs(self.spec.configs[0], Source(0))
        return [each for each in SIGNALS if each not in self.left_out] if drawn else ["plain"]


# The greatest denormal, which TensorFlow takes for zero, in the smallest unit there is (1e-24).
FLUSH = Bound(1.2e-14, 1.2e-14)
FLUSHED = "TensorFlow takes a denormal for zero, which {} here; the port takes it for what it is"


def given_arguments(function: str, *args: Any, **kwargs: Any) -> Ref:
    """A function of TensorFlow with some of its arguments given."""
    return Ref("functools.partial")(Ref(f"tensorflow.{function}"), *args, **kwargs)


def time_last(x: Tensor) -> Tensor:
    """``(batch, time, channels)`` as ``(batch, channels, time)``, and back."""
    return x.transpose(1, 2)


class Constant(nn.Module):
    """A table that the port computes in either precision, as a layer without inputs.

    Args:
        make: gives it in a NumPy dtype.
    """

    value: Tensor

    def __init__(self, make: Callable[[npt.DTypeLike], Array]) -> None:
        super().__init__()
        self.make = make
        self.register_buffer("value", torch.from_numpy(make(np.float32)), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Constant:
        super()._apply(fn, recurse)
        dtype = np.float64 if self.value.dtype == torch.float64 else np.float32
        self.value = torch.from_numpy(self.make(dtype))
        return self

    def forward(self) -> Tensor:
        """The table."""
        return self.value


def normal(config: Config, source: Source) -> dict[str, Array]:
    """``(batch, frames, channels)``."""
    return {"inputs": source.normal((2, config["frames"], config["channels"]))}


def normal_map(config: Config, source: Source) -> dict[str, Array]:
    """``(batch, frames, filters, channels)``."""
    shape = (2, config["frames"], config["filters"], config["channels"])
    return {"inputs": source.normal(shape)}


def coarse(inputs: Mapping[str, Array], step: float = 0.5) -> dict[str, Array]:
    """The same with multiples of ``step``, so that many values are equal."""
    return {
        name: np.round(value / np.float32(step)) * np.float32(step)
        for name, value in inputs.items()
    }
