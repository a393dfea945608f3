"""What a layer cannot take it refuses by name; of another shape it may take or refuse an input.

No input ends in an error of torch's, which tells neither the layer nor what to do.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import leaf_port
from leaf_port.errors import LeafError
from parity.checks.invariants.generic import is_ours
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner
from parity.spec import Case, LayerSpec


def refused(spec: LayerSpec) -> str:
    """A small case of each choice, each of its inputs in turn another one: the first problem."""
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        if isinstance(layer, nn.Module) and is_ours(type(layer)):
            shapes = spec.draws is None  # which fit one shape
            for problem in _problems(layer, _inputs(spec, case, layer), shapes):
                return f"{case.name}: {problem}"
    return ""


def _inputs(spec: LayerSpec, case: Case, layer: nn.Module) -> Sequence[Any]:
    """What a layer is called with, in its own layout."""
    question = runner.ask(spec, case)
    extra = ([torch.from_numpy(draw) for draw in question.draws],) if spec.draws else ()
    found: list[Sequence[Any]] = []
    hook = layer.register_forward_pre_hook(lambda _layer, given: found.append(given))
    with torch.no_grad():
        spec.call(layer, *map(torch.from_numpy, question.inputs.values()), *extra)
    hook.remove()
    return found[0]


def _problems(layer: nn.Module, inputs: Sequence[Any], shapes: bool) -> Iterator[str]:
    for index, given in enumerate(inputs):
        if not isinstance(given, Tensor) or not given.is_floating_point():
            continue
        for told, other, taken in (*_foreign(layer, given), *(_shaped(given) if shapes else ())):
            each = [*inputs[:index], other, *inputs[index + 1 :]]
            if problem := _problem(layer, each, taken):
                yield f"input {index}, {told}: {problem}"


def _foreign(layer: nn.Module, given: Tensor) -> Iterator[tuple[str, object, bool]]:
    """What is no tensor of floats, or not in the precision of the weights; none is taken."""
    yield "a list", given.tolist(), False
    yield "an array", given.numpy(), False
    for dtype in (torch.int64, torch.bool, torch.float16, torch.complex64):
        yield str(dtype), given.to(dtype), False
    if next(layer.parameters(), None) is not None:
        yield str(torch.float64), given.double(), False


def _shaped(given: Tensor) -> Iterator[tuple[str, Tensor, bool]]:
    """Others of the same dtype, which may be taken."""
    for axis in range(given.ndim):
        first = given.narrow(axis, 0, 1)
        yield f"one more along axis {axis}", torch.cat([given, first], axis), True
        yield f"one along axis {axis}", first, True
        yield f"none along axis {axis}", given.narrow(axis, 0, 0), True
    yield "another axis first", given.unsqueeze(0), True
    yield "another axis last", given.unsqueeze(-1), True
    yield "an axis less", given[0], True
    yield "a number", given.flatten()[0], True


@torch.no_grad()
def _problem(layer: nn.Module, inputs: Sequence[Any], taken: bool) -> str:
    """How a layer neither takes its inputs, where it may, nor refuses them by name."""
    try:
        layer(*inputs)
    except LeafError as error:
        return _told(layer, error)
    except Exception as error:
        return f"raised {type(error).__name__}, not LeafError: {error}"
    return "" if taken else "accepted"


def _told(layer: nn.Module, error: LeafError) -> str:
    """How an error names no argument of the call, or no layer that there is."""
    if error.argument not in {"inputs", *inspect.signature(layer.forward).parameters}:
        return f"the error is about {error.argument}"
    if error.owner not in {type(each).__name__ for each in layer.modules()}.union(dir(leaf_port)):
        return f"the error is of {error.owner}"
    told = error.owner, error.argument, error.expected, str(error.got), error.fix
    return "" if error.fix and all(part in str(error) for part in told) else str(error)
