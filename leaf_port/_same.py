"""Whether two models are the same: layers, their settings and constants, bit by bit."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_Number = (int, float, np.integer, np.floating)


def difference(model: nn.Module, twin: nn.Module) -> str:
    """The first thing that ``model`` has otherwise than ``twin``; empty where there is none.

    Weights are compared by :func:`same_state`. What is private to a layer (a name with an
    underscore) is what it keeps between two calls, and is not compared; nor are the mode and which
    weights are trained.
    """
    mine = dict(model.named_modules(remove_duplicate=False))
    its = dict(twin.named_modules(remove_duplicate=False))
    for name, layer in mine.items():
        if name not in its:
            return f"{name}: a {type(layer).__name__}, where there is none"
        if found := _layer(layer, its[name]):
            return f"{name}{'.' if name else ''}{found}"
    gone = sorted(its.keys() - mine.keys())
    return f"{gone[0]}: none" if gone else ""


def _layer(mine: nn.Module, its: nn.Module) -> str:
    """Of one layer without those inside."""
    if type(mine) is not type(its):
        return f"class: {_named(type(mine))} for {_named(type(its))}"
    for hooks in _HOOKS:
        if getattr(mine, hooks):
            return f"{hooks[1:]}: a hook, which may change what it computes"
    known, wanted = _settings(mine), _settings(its)
    for name in sorted(known.keys() | wanted.keys()):
        if name not in known or name not in wanted or not _equal(known[name], wanted[name]):
            return f"{name}: {known.get(name)!r:.80} for {wanted.get(name)!r:.80}"
    return ""


def _named(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _settings(layer: nn.Module) -> dict[str, Any]:
    """Its public attributes, and the buffers that are no part of its state."""
    kept = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
    kept.pop("training")
    constants = layer._non_persistent_buffers_set
    return kept | {name: layer._buffers[name] for name in sorted(constants)}


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return same_bits(one, other)
    if isinstance(one, _Number) and isinstance(other, _Number):
        return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    if _is_function(one) and _is_function(other):
        return _call(one) == _call(other)
    if type(one) is not type(other):
        return False
    if hasattr(one, "__dict__") and not isinstance(one, type):
        return _equal(vars(one), vars(other))
    return bool(one == other)


def _is_function(value: Any) -> bool:
    return inspect.isroutine(value) or isinstance(value, functools.partial)


def _call(function: Callable[..., Any]) -> tuple[Any, dict[str, Any]]:
    """The function itself, and what its arguments are where nobody gives them."""
    innermost = function
    while isinstance(innermost, functools.partial):
        innermost = innermost.func
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of torch's functions in C
        return function, {}
    return innermost, {each.name: each.default for each in parameters}


def same_state(model: nn.Module, twin: nn.Module) -> bool:
    """Whether all weights have the same names and the same bits."""
    mine, its = model.state_dict(), twin.state_dict()
    return mine.keys() == its.keys() and all(same_bits(mine[name], its[name]) for name in mine)


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors on any device are the same, NaN and the sign of zero included."""
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    first, second = (_bytes(each) for each in (one, other))
    return torch.equal(first, second)


def _bytes(tensor: Tensor) -> Tensor:
    """A copy: torch takes one number of any stride for contiguous, and views no bytes of it."""
    flat = tensor.detach().cpu().flatten()
    return flat.clone(memory_format=torch.contiguous_format).view(torch.uint8)
