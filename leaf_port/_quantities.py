"""What the features of a frontend are, in words."""

from __future__ import annotations

import functools
from typing import Any

from leaf_port.frontend import MelFilterbanks, SquaredModulus
from leaf_port.normalization import LayerNormalization
from leaf_port.postprocessing import PCEN, log_compression


def compression_of(frontend: Any) -> object:
    """What follows the energies; None for nothing."""
    is_mel = isinstance(frontend, MelFilterbanks)
    return frontend.compression_fn if is_mel else frontend.compress_fn


def quantity(frontend: Any) -> str:
    """Name and unit of the features."""
    compression = compression_of(frontend)
    is_mel = isinstance(frontend, MelFilterbanks)
    is_energy = is_mel or isinstance(frontend.activation, SquaredModulus)
    energy = "energy" if is_energy else "rectified amplitude"
    if compression is None:
        return energy
    if isinstance(compression, PCEN):
        return f"PCEN ({energy}, gain-normalised)"
    if isinstance(compression, LayerNormalization):
        return "layer-normalised maximum (unitless)"
    if isinstance(compression, functools.partial):
        compression = compression.func
    if compression is log_compression:
        return f"log {'mel ' if is_mel else ''}{energy} (natural log)"
    return f"compressed {energy}"
