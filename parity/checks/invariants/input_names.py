"""An input of another type or rank is refused by its name, in the name of what was called."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.checks.invariants.generic import PACKAGE
from parity.checks.invariants.one_object import FEW, smallest_of_each
from parity.port import runner
from parity.spec import LayerSpec, Question

# Of another type. Torch itself refuses some other ranks, in its own words.
_TYPES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "in half precision": lambda tensor: tensor.half(),
    "of integers": lambda tensor: tensor.to(torch.int16),
    "in float64": lambda tensor: tensor.double(),
}
_RANKS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "with two more axes": lambda tensor: tensor[..., None, None],
    "without its first axis": lambda tensor: tensor[0],
}


@dataclasses.dataclass(frozen=True)
class _Called:
    """A layer that is called as it should be.

    Attributes:
        spec: its declaration.
        layer: the module or function.
        inputs: what it is called with, by name.
        draws: what it would draw.
    """

    spec: LayerSpec
    layer: Callable[..., Any]
    inputs: Mapping[str, Tensor]
    draws: tuple[list[Tensor], ...]


def told(spec: LayerSpec) -> str:
    """A small case of each choice, each input in turn being a wrong one: the first problem."""
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        if _functions(spec) or _ours(layer):
            question = runner.ask(spec, case)
            for problem in _problems(_usual(spec, layer, question)):
                return f"{case.name}: {problem}"
    return ""


def _usual(spec: LayerSpec, layer: Callable[..., Any], question: Question) -> _Called:
    inputs = {name: torch.from_numpy(array.copy()) for name, array in question.inputs.items()}
    draws = ([torch.from_numpy(draw) for draw in question.draws],) if spec.draws else ()
    return _Called(spec, layer, inputs, draws)


def _functions(spec: LayerSpec) -> list[Callable[..., Any]]:
    """The functions that are declared."""
    return [each.port for each in spec.signatures if inspect.isfunction(each.port)]


def _names(called: _Called, name: str, how: str) -> set[str]:
    """Arguments that an error may name: of another type, whichever of two is not as the other."""
    takes = {
        each for port in _functions(called.spec) for each in inspect.signature(port).parameters
    }
    if takes and name not in takes:  # a declaration may call it otherwise than the function
        return takes
    return {name, *(called.inputs if how in _TYPES else ())}


def _ours(layer: object) -> bool:
    return isinstance(layer, nn.Module) and type(layer).__module__.startswith(f"{PACKAGE}.")


def _problems(called: _Called) -> Iterator[str]:
    for name, tensor in called.inputs.items():
        if not tensor.is_floating_point():
            continue
        wrong = {**_TYPES, **(_RANKS if tensor.numel() >= FEW else {})}
        for how, change in wrong.items():
            problem = _problem(called, name, change(tensor), how)
            if problem:
                yield f"{name} {how}: {problem}"


def _problem(called: _Called, name: str, wrong: Tensor, how: str) -> str:
    """How a wrong input is neither taken nor refused in the right names."""
    inputs = {**called.inputs, name: wrong}
    try:
        with torch.no_grad():
            called.spec.call(called.layer, *inputs.values(), *called.draws)
    except LeafError as error:
        if error.argument not in _names(called, name, how):
            return f"the error is about {error.argument}"
        owners = _owners(called)
        return "" if error.owner in owners else f"the error is of {error.owner}, not {owners}"
    except Exception as error:
        return "" if how in _RANKS else f"raised {type(error).__name__}, not LeafError: {error}"
    return ""


def _owners(called: _Called) -> set[str]:
    """In whose name an input may be refused: what has no weights may leave it to a part."""
    layer = called.layer
    if not _ours(layer):
        return {port.__name__ for port in _functions(called.spec)}
    assert isinstance(layer, nn.Module)  # noqa: S101
    own = type(layer).__name__
    held = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
    if held:
        return {own}
    return {own, *(type(module).__name__ for module in layer.modules())}
