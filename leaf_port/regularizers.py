"""Regularisers, and their sum over a model (``tf.keras.regularizers``, ``Model.losses``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port import _checks, _registry

Regularizer = Callable[[Tensor], Tensor]


@_registry.kind
class L1L2:
    """``l1 sum|w| + l2 sum w^2`` (``tf.keras.regularizers.L1L2``).

    Args:
        l1: weight of the L1 term; also of the frequency penalty of
            :class:`~leaf_port.convolution.FFTConv1d`.
        l2: weight of the L2 term.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _checks.finite("L1L2", "l1", l1)
        self.l2 = _checks.finite("L1L2", "l2", l2)

    def _arguments(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}

    def __call__(self, weight: Tensor) -> Tensor:
        """The penalty of a weight, a scalar."""
        return self.l1 * weight.abs().sum() + self.l2 * weight.square().sum()


def regularization_loss(module: nn.Module, num_samples: int | None = None) -> Tensor:
    """The sum of all regularisers below ``module``: what Keras adds to the loss.

    A layer lists them in an attribute ``regularizers``, parameter name to callable. As in Keras
    frozen weights count too; :class:`~leaf_port.frontend.Leaf` gives its regulariser only to the
    parts that it trains.

    Args:
        module: a layer or model.
        num_samples: length of the input that the loss belongs to, in samples. Needed where there
        is a
            regularised :class:`~leaf_port.convolution.FFTConv1d`, whose penalty depends on it.

    Returns:
        A scalar; 0 where nothing is regularised.
    """
    terms: list[Tensor] = []
    for child in module.modules():
        for name, regularizer in getattr(child, "regularizers", {}).items():
            terms.append(regularizer(getattr(child, name)))
        penalty = getattr(child, "frequency_penalty", None)
        if penalty is not None and getattr(child, "regularizers", {}):
            terms.append(penalty(num_samples))
    return torch.stack(terms).sum() if terms else torch.zeros(())
