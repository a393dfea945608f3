"""Frontends compute in the precision of their input, also where autocast is on."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

Layer = TypeVar("Layer")
Arguments = ParamSpec("Arguments")


def autocast_off(device: str) -> contextlib.AbstractContextManager[Any]:
    """Where autocast is off for a type of device; does nothing where it is off already."""
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return contextlib.nullcontext()


def full_precision(inputs: Tensor) -> Tensor:
    """What autocast made half, in float32; anything else as it is."""
    if not isinstance(inputs, Tensor) or inputs.dtype not in (torch.float16, torch.bfloat16):
        return inputs
    device = inputs.device.type
    available = torch.amp.is_autocast_available(device)
    return inputs.float() if available and torch.is_autocast_enabled(device) else inputs


def without_autocast(
    forward: Callable[Concatenate[Layer, Tensor, Arguments], Tensor],
) -> Callable[Concatenate[Layer, Tensor, Arguments], Tensor]:
    """A forward method with autocast off.

    In bfloat16 a filter's phase of hundreds of radians has no correct digit. The output is a small
    map in float32, from which autocast goes on.
    """

    @functools.wraps(forward)
    def wrapped(
        layer: Layer, inputs: Tensor, /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Tensor:
        device = inputs.device.type if isinstance(inputs, Tensor) else "cpu"
        with autocast_off(device):
            return forward(layer, inputs, *args, **kwargs)

    return wrapped


def is_traced() -> bool:
    """Whether torch.jit.trace makes a graph: sizes are tensors then."""
    return not torch.compiler.is_compiling() and torch.jit.is_tracing()  # type: ignore[attr-defined]


class _Product(torch.autograd.Function):
    """``a @ b``, with gradients of any order in the precision of the product."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return a @ b

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        a, b = inputs
        ctx.kinds = [(tuple(each.shape), each.dtype) for each in inputs]
        ctx.set_materialize_grads(False)
        # Each is kept for the gradient by the other alone; by functorch both, or none of its vmap's
        # axes fits.
        both = torch._C._functorch.maybe_current_level() is not None
        of_a, of_b = ctx.needs_input_grad
        ctx.save_for_backward(a if of_b or both else None, b if of_a or both else None)
        ctx.save_for_forward(a, b)

    @staticmethod
    def backward(ctx: Any, change: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        if change is None:
            return None, None
        a, b = ctx.saved_tensors
        of_a, of_b = ctx.needs_input_grad
        with autocast_off(change.device.type):
            left = product(change, b.to(change.dtype).mT) if of_a else None
            right = product(a.to(change.dtype).mT, change) if of_b else None
        return _like(left, *ctx.kinds[0]), _like(right, *ctx.kinds[1])

    @staticmethod
    def jvp(ctx: Any, change_of_a: Tensor | None, change_of_b: Tensor | None) -> Tensor | None:
        a, b = ctx.saved_tensors
        # torch 2.9 makes some tangents of float32 numbers float64.
        left = None if change_of_a is None else change_of_a.to(a.dtype) @ b
        right = None if change_of_b is None else a @ change_of_b.to(b.dtype)
        if left is None or right is None:
            return right if left is None else left
        return left + right


def _like(gradient: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
    """A gradient summed over the axes that its tensor of ``shape`` was spread along."""
    return None if gradient is None else gradient.sum_to_size(shape).to(dtype)


def product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b``, two matrices or stacks of them, whose gradient has the precision of the product.

    The gradient of ``@`` is in half precision where ``backward()`` is called inside autocast.
    """
    # dynamo takes no Function that has a jvp, and a traced graph cannot be saved with one. Both
    # keep what autocast was when they were made.
    if torch.compiler.is_compiling() or is_traced():
        return a @ b
    return _Product.apply(a, b)
