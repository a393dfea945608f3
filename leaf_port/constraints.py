"""Constraints on parameters, applied as Keras does: in the forward pass, and after every step.

A layer lists its constraints in an attribute ``constraints``, parameter name to callable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from leaf_port import _checks
from leaf_port._ops.clip import clip_by_value
from leaf_port.errors import LeafError

Constraint = Callable[[Tensor], Tensor]


class GaborConstraint:
    """Keeps a Gabor kernel within the frequencies and bandwidths that its window can hold.

    Centre in ``[0, pi]`` radians per sample, standard deviation ``sigma`` in
    ``[4 sqrt(2 ln 2) / pi, K sqrt(2 ln 2) / pi]`` samples for a window of ``K`` samples. Section
    2.2 of https://arxiv.org/abs/1711.01161; leaf_audio/convolution.py, lines 123-150.

    Args:
        kernel_size: length of the window, in samples.
    """

    def __init__(self, kernel_size: int) -> None:
        self.kernel_size = _checks.at_least("GaborConstraint", "kernel_size", kernel_size)

    def __call__(self, kernel: Tensor) -> Tensor:
        """The kernel, ``(filters, 2)``, clipped; whole gradient at a bound, none beyond it."""
        unit = math.sqrt(2 * math.log(2)) / math.pi
        mu = clip_by_value(kernel[:, 0], 0.0, math.pi)
        sigma = clip_by_value(kernel[:, 1], 4 * unit, self.kernel_size * unit)
        return torch.stack([mu, sigma], dim=1)


class UnitNorm:
    """Divides by the L2 norm: ``w / (1e-7 + sqrt(sum(w^2)))`` (``tf.keras.constraints.UnitNorm``).

    Args:
        axis: over which the norm is taken; several in a tuple.

    Raises:
        LeafError: no integer.
    """

    EPSILON = 1e-7  # tf.keras.backend.epsilon()

    def __init__(self, axis: int | tuple[int, ...] = 0) -> None:
        for each in axis if isinstance(axis, tuple) else (axis,):
            if isinstance(each, bool) or not isinstance(each, (int, np.integer)):
                fix = "count from the first axis, 0"
                raise LeafError("UnitNorm", "axis", "an integer", repr(each), fix)
        self.axis = axis

    def __call__(self, kernel: Tensor) -> Tensor:
        """The kernel, each of its vectors along ``axis`` with a norm of 1."""
        norm = torch.sqrt(torch.sum(kernel**2, dim=self.axis, keepdim=True))
        return kernel / (self.EPSILON + norm)


def constrained_parameters(module: nn.Module) -> Iterator[tuple[nn.Parameter, Constraint]]:
    """Each parameter below ``module`` that has a constraint, with its constraint."""
    for child in module.modules():
        for name, constraint in getattr(child, "constraints", {}).items():
            yield getattr(child, name), constraint


@torch.no_grad()
def apply_constraints(module: nn.Module) -> None:
    """Replaces every trainable constrained parameter below ``module`` by its constrained value."""
    for weight, constraint in constrained_parameters(module):
        if weight.requires_grad:
            weight.copy_(constraint(weight))


def constrain_after_step(optimizer: torch.optim.Optimizer, module: nn.Module) -> RemovableHandle:
    """Applies the constraints below ``module`` after every step of ``optimizer``, as Keras does.

    Only parameters that the optimiser holds are touched. Keep the returned handle to undo it with
    ``handle.remove()``.
    """

    @torch.no_grad()
    def hook(stepped: torch.optim.Optimizer, *_: Any) -> None:
        held = {id(weight) for group in stepped.param_groups for weight in group["params"]}
        for weight, constraint in constrained_parameters(module):
            if id(weight) in held:
                weight.copy_(constraint(weight))

    return optimizer.register_step_post_hook(hook)
