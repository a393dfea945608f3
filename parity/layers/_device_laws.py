"""What the table of devices says, and what is computed where a device has everything."""

from __future__ import annotations

from typing import get_args

import torch

from leaf_port import fft_conv1d
from leaf_port._ops import devices
from parity.port.magnitude_watch import Magnitudes

# Types of devices that have all, and some that lack all: torch_xla, and what nobody has tried.
_HAVE, _LACK = ("cpu", "cuda"), ("xla", "mps", "meta")


def told() -> str:
    """Every feature of every type of device: the first that is told wrongly."""
    for feature in get_args(devices.Feature):
        for kind in (*_HAVE, *_LACK):
            lacks = devices.lacks(torch.device(kind), feature)
            if lacks != (kind in _LACK):
                return f"{kind} {'lacks' if lacks else 'has'} {feature!r}"
    return ""


def torchs_magnitude() -> str:
    """Where complex numbers are there, their magnitude is torch's own."""
    with Magnitudes() as watch:
        fft_conv1d(torch.ones(1, 4, 1), torch.ones(3, 1, 1), "complex")
    return "" if watch.seen else "another one is computed"
