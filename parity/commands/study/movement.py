"""How far training moved a frontend's filters, and what became of its other parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import jensenshannon
from torch import nn

from leaf_port import Leaf
from leaf_port._responses import responses

Float64 = npt.NDArray[np.float64]


def distances(before: nn.Module, after: nn.Module) -> Float64:
    """The Jensen-Shannon distance of each filter before and after, ``(filters,)``, from 0 to 1.

    ``sqrt((KL(p || m) + KL(q || m)) / 2)`` with ``m = (p + q) / 2``, logarithms to base 2. ``p``
    and ``q`` are the filter's power responses from 0 Hz to Nyquist, each divided by its sum, so a
    gain counts for nothing.

    The measure is that of https://arxiv.org/abs/2302.10014 ("Jensen-Shannon Distance"); which
    responses are compared there was not looked up, so figures may not be compared with the paper's.
    """
    first, second = (responses("study", each).power for each in (before, after))
    return np.asarray(jensenshannon(first, second, base=2, axis=0), np.float64)


@torch.no_grad()
def parameters(frontend: nn.Module) -> dict[str, Any]:
    """What a frontend is by now, for JSON; nothing of one that is not a Leaf."""
    if not isinstance(frontend, Leaf):
        return {}
    compression: Any = frontend.compress_fn
    pooling: Any = frontend.pooling
    found = {
        "center_frequencies": frontend.center_frequencies(),
        "bandwidths": frontend.bandwidths(),
        "pooling": pooling.kernel.flatten(),
        "alpha": compression.alpha,
        "delta": compression.delta,
        "root": compression.root,
        "smooth": compression.ema.smooth,
    }
    bias = getattr(pooling, "bias", None)
    if bias is not None:
        found["pooling_bias"] = bias
    return {name: [round(float(x), 5) for x in value] for name, value in found.items()}


def summary(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """Means over the filters of what moved: centres and bandwidths, both in Hz."""
    if not before:
        return {}
    return {
        name: float(np.abs(np.subtract(after[name], before[name])).mean())
        for name in ("center_frequencies", "bandwidths")
    }


def share_within(centers: list[float], band: tuple[float, float]) -> float:
    """Of the filters, whose centre lies in a band."""
    inside = [band[0] <= center <= band[1] for center in centers]
    return sum(inside) / len(inside)
