"""How a weight of the official layer corresponds to one of the port."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from parity.spec.answer import Array
from parity.spec.case import Config
from parity.spec.random_arrays import Source


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight of the official layer and the port's parameter or buffer that holds it.

    Attributes:
        key: the port's name, as in ``state_dict``.
        draw: gives values moved off the initial ones: from a source, a shape and a configuration.
        axes: how the official axes are permuted into the port's; None for not at all.
        random: whether the initial values are drawn at random, so that they cannot agree.
        differentiable: whether its gradient is compared.
    """

    key: str
    draw: Callable[[Source, Sequence[int], Config], Array]
    axes: tuple[int, ...] | None = None
    random: bool = False
    differentiable: bool = True

    def to_port(self, value: Array) -> Array:
        """The official array in the port's layout."""
        return value if self.axes is None else np.transpose(value, self.axes)

    def to_official(self, value: Array) -> Array:
        """The port's array in the official layout."""
        return value if self.axes is None else np.transpose(value, np.argsort(self.axes))
