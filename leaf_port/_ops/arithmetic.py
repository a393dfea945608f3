"""Which arithmetic Gabor filters and spectra are computed in."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch

from leaf_port._ops.devices import lacks
from leaf_port.errors import LeafError

Arithmetic: TypeAlias = Literal["auto", "complex", "real"]


def check_arithmetic(owner: str, arithmetic: str) -> Arithmetic:
    """``arithmetic``, if it is one of the three."""
    if arithmetic not in get_args(Arithmetic):
        expected = "one of 'auto', 'complex', 'real'"
        raise LeafError(owner, "arithmetic", expected, repr(arithmetic), "give one of the three")
    return arithmetic  # type: ignore[return-value]


def uses_complex(arithmetic: Arithmetic, device: torch.device) -> bool:
    """Whether to compute in complex numbers.

    ``"auto"`` takes them where the device has them and no graph is being captured: inductor
    generates no code for complex operators, and few formats of exported graphs know them.
    """
    if arithmetic == "auto":
        return not lacks(device, "complex") and not torch.compiler.is_compiling()
    return arithmetic == "complex"
