"""What a frontend compresses its energies with, by a name or as a layer."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from leaf_port.errors import LeafError
from leaf_port.postprocessing import PCEN, log_compression
from leaf_port.stable_pcen import StablePCEN

Compression = Callable[[Tensor], Tensor]

PCEN_DEFAULT, STABLE_PCEN, LOG = "pcen", "stable_pcen", "log"


def compression_of(
    owner: str, compression: Compression | str | None, channels: int
) -> Compression | None:
    """The compression itself: ``"pcen"`` as a layer of its own for each frontend."""
    if compression in (PCEN_DEFAULT, STABLE_PCEN):
        kind = PCEN if compression == PCEN_DEFAULT else StablePCEN
        return kind(
            channels,
            alpha=0.96,
            smooth_coef=0.04,
            delta=2.0,
            floor=1e-12,
            trainable=True,
            learn_smooth_coef=True,
            per_channel_smooth_coef=True,
        )
    if compression == LOG:
        return log_compression
    if compression is None or (callable(compression) and not isinstance(compression, type)):
        return compression
    expected = "a module or function of the energies, 'pcen', 'stable_pcen', 'log' or None"
    fix = "give an instance such as PCEN(n_filters) or functools.partial(log_compression, ...)"
    raise LeafError(owner, "compression_fn", expected, repr(compression), fix)
