"""Inputs of a dtype or rank that a layer does not take: refused by their name, with what came.

The declared error cases are of what a layer asks for itself. What all ask for stands here once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.checks.invariants.generic import of_the_port, once_each
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner
from parity.spec import Case, LayerSpec

_WRONG = (torch.int64, torch.bfloat16)
_ACCEPTED = "accepted"


def applies(spec: LayerSpec) -> bool:
    """Whether gradients flow through it: a constraint assigns in place, and asks for nothing."""
    return bool(spec.differentiable)


def refused(spec: LayerSpec) -> str:
    """A small case of each choice, and every one of a function: the first problem."""
    cases = [*smallest_of_each(spec)]
    if not all(isinstance(runner.build(spec, case), nn.Module) for case in cases):
        cases = [*once_each(spec)]
    for case in cases:
        for problem in problems(spec, case):
            return f"{case.name}: {problem}"
    return ""


def problems(spec: LayerSpec, case: Case) -> Iterator[str]:
    """What is wrong with how a layer or function takes wrong inputs, one at a time."""
    question, layer = runner.ask(spec, case), runner.build(spec, case)
    inputs = {name: torch.from_numpy(array) for name, array in question.inputs.items()}
    extra = [[torch.from_numpy(draw) for draw in question.draws]] if spec.draws else []
    right = _Right(spec, layer, [*inputs])
    for name, each in inputs.items():
        for dtype in _wrong(each, layer):
            given = {**inputs, name: each.to(dtype)}.values()
            act = functools.partial(spec.call, layer, *given, *extra)
            if problem := right.problem(act, str(dtype)):
                yield f"{name} of {dtype}: {problem}"
        given = {**inputs, name: each[None]}.values()
        act = functools.partial(spec.call, layer, *given, *extra)
        if isinstance(layer, nn.Module):  # as it is: the declared call may permute axes
            act = functools.partial(layer, *given)
            if not of_the_port(layer):
                continue
        problem = right.problem(act, str((1, *each.shape)))
        if problem and problem != _ACCEPTED:  # a norm takes any number of axes
            yield f"{name} of one axis more: {problem}"


def _wrong(tensor: Tensor, layer: Callable[..., Any]) -> Sequence[torch.dtype]:
    """What is given in place of a tensor: no floats for floats, of none the layer's weights are."""
    if not tensor.is_floating_point():
        return (torch.float32,)
    return (*_WRONG, torch.float64) if _has_weights(layer) else _WRONG


def _has_weights(layer: Callable[..., Any]) -> bool:
    return isinstance(layer, nn.Module) and any(True for _ in layer.parameters())


class _Right:
    """What is right: a layer refuses, in its own name; a function may answer too."""

    def __init__(self, spec: LayerSpec, layer: Callable[..., Any], inputs: list[str]) -> None:
        modules = [*layer.modules()] if isinstance(layer, nn.Module) else []
        self._refuses = any(map(of_the_port, modules))
        self._owners = {type(each).__name__ for each in modules}
        self._owners |= {each.port.__name__ for each in spec.signatures}
        self._owners.add(getattr(layer, "__name__", ""))
        called = layer.forward if isinstance(layer, nn.Module) else layer
        self._arguments = {*inspect.signature(called).parameters, *inputs}

    def problem(self, act: Callable[[], Any], came: str) -> str:
        """How it is refused otherwise; empty where it is refused, or answered rightly."""
        try:
            act()
        except LeafError as error:
            if error.owner not in self._owners or error.argument not in self._arguments:
                return f"the error is of {error.owner}, about {error.argument}"
            return "" if came in str(error) else f"the error tells of no {came}: {error}"
        except Exception as error:
            return f"raised {type(error).__name__}, not LeafError: {error}"
        return _ACCEPTED if self._refuses else ""
