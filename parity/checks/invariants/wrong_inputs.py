"""What a layer cannot take it refuses by name; of another shape it may take or refuse an input.

No input ends in an error of torch's, which tells neither the layer nor what to do. The declared
error cases are of what a layer asks for itself. What all ask for stands here once.
"""

from __future__ import annotations

import dataclasses
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

_DTYPES = (
    torch.int16,
    torch.int64,
    torch.bool,
    torch.float16,
    torch.bfloat16,
    torch.complex64,
    torch.float64,
)


@dataclasses.dataclass(frozen=True)
class _Wrong:
    """What is given in place of an input.

    Attributes:
        how: it differs.
        value: it.
        came: what the error says of it, where it is refused.
        taken: whether it may be taken.
        any_argument: whether the error may be about another one, which does not fit to this one.
        of_torch: whether a function may answer it, or leave it to torch.
    """

    how: str
    value: object
    came: str = ""
    taken: bool = False
    any_argument: bool = True
    of_torch: bool = False


@dataclasses.dataclass(frozen=True)
class _Called:
    """A layer or function that is called as it should be.

    Attributes:
        spec: its declaration.
        layer: the module or function.
        names: of what it is called with.
        inputs: these.
        call: takes them.
    """

    spec: LayerSpec
    layer: Callable[..., Any]
    names: Sequence[str]
    inputs: Sequence[Any]
    call: Callable[..., Any]


def applies(spec: LayerSpec) -> bool:
    """Whether gradients flow through it: a constraint assigns in place, and asks for nothing."""
    return bool(spec.differentiable)


def refused(spec: LayerSpec) -> str:
    """A small case of each choice, and every one of a function: the first problem."""
    cases = [*smallest_of_each(spec)]
    if not all(isinstance(runner.build(spec, case), nn.Module) for case in cases):
        cases = [*once_each(spec)]
    for case in cases:
        called = _called(spec, case)
        for index, given in enumerate(called.inputs):
            for wrong in _all_wrong(called, given) if isinstance(given, Tensor) else ():
                if problem := _problem(called, index, wrong):
                    return f"{case.name}: {called.names[index]}, {wrong.how}: {problem}"
    return ""


def _called(spec: LayerSpec, case: Case) -> _Called:
    """In the declared way; the port's own layers in their own layout."""
    question, layer = runner.ask(spec, case), runner.build(spec, case)
    inputs = [torch.from_numpy(array.copy()) for array in question.inputs.values()]
    draws = [[torch.from_numpy(draw) for draw in question.draws]] if spec.draws else []
    declared = functools.partial(spec.call, layer)
    if isinstance(layer, nn.Module) and of_the_port(layer) and not draws:
        given: list[Sequence[Any]] = []
        hook = layer.register_forward_pre_hook(lambda _layer, args: given.append(args))
        with torch.no_grad():
            declared(*inputs, *draws)
        hook.remove()
        names = [*inspect.signature(layer.forward).parameters]
        return _Called(spec, layer, names, given[0], layer)

    def call(*args: Any) -> Any:
        return declared(*args, *draws)

    return _Called(spec, layer, [*question.inputs], inputs, call)


def _all_wrong(called: _Called, given: Tensor) -> Iterator[_Wrong]:
    if not given.is_floating_point():
        yield _Wrong("of floats", given.float(), str(torch.float32))
        return
    layer = called.layer
    weighs = isinstance(layer, nn.Module) and any(True for _ in layer.parameters())
    for dtype in _DTYPES:
        taken = dtype == torch.float64 and not weighs
        yield _Wrong(f"of {dtype}", given.to(dtype), str(dtype), taken, of_torch=dtype.is_complex)
    if isinstance(layer, nn.Module) and not of_the_port(layer):
        return  # around a part: it may permute axes
    came = str((1, *given.shape))
    yield _Wrong("another axis first", given[None], came, taken=True)
    if called.spec.draws is not None:  # which fit one shape
        return
    if of_the_port(layer):
        yield _Wrong("a list", given.tolist(), of_torch=True)
        yield _Wrong("an array", given.numpy(), of_torch=True)
    yield from _shaped(given)


def _shaped(given: Tensor) -> Iterator[_Wrong]:
    """Of another shape, which may be taken."""
    for axis in range(given.ndim):
        first = given.narrow(axis, 0, 1)
        for how, value in (
            (f"one more along axis {axis}", torch.cat([given, first], axis)),
            (f"one along axis {axis}", first),
            (f"none along axis {axis}", given.narrow(axis, 0, 0)),
        ):
            yield _Wrong(how, value, taken=True, of_torch=True)
    for how, value in (
        ("another axis last", given.unsqueeze(-1)),
        ("two more axes", given[..., None, None]),
        ("an axis less", given[0] if given.ndim else given),
        ("a number", given.flatten()[0]),
    ):
        yield _Wrong(how, value, taken=True, any_argument=False, of_torch=True)


@torch.no_grad()
def _problem(called: _Called, index: int, wrong: _Wrong) -> str:
    """How an input is neither taken, where it may be, nor refused by its name."""
    inputs = [*called.inputs]
    inputs[index] = wrong.value
    try:
        called.call(*inputs)
    except LeafError as error:
        return _untold(called, called.names[index], wrong, error)
    except Exception as error:
        if wrong.of_torch and not isinstance(called.layer, nn.Module):
            return ""
        return f"raised {type(error).__name__}, not LeafError: {error}"
    return "" if wrong.taken or not _parts(called.layer) else "accepted"


def _parts(layer: Callable[..., Any]) -> list[nn.Module]:
    """A layer's modules, where one is the port's: a function may answer what a layer refuses."""
    modules = [*layer.modules()] if isinstance(layer, nn.Module) else []
    return modules if any(map(of_the_port, modules)) else []


def _untold(called: _Called, name: str, wrong: _Wrong, error: LeafError) -> str:
    """What an error does not tell: the layer, the input, what came, or what to do."""
    ports = [each.port for each in called.spec.signatures if inspect.isfunction(each.port)]
    others = {each for port in ports for each in inspect.signature(port).parameters}
    arguments = {name}
    renamed = bool(others) and name not in others  # a declaration may name it otherwise
    if wrong.any_argument or renamed:
        arguments |= {*called.names, *others}
    if error.argument not in arguments:
        return f"the error is about {error.argument}"
    if error.owner not in _owners(called):
        return f"the error is of {error.owner}, not {_owners(called)}"
    parts = error.owner, error.argument, error.expected, str(error.got), error.fix, wrong.came
    return "" if error.fix and all(part in str(error) for part in parts) else str(error)


def _owners(called: _Called) -> set[str]:
    """In whose name an input may be refused: what has no weights may leave it to a part."""
    layer = called.layer
    if not of_the_port(layer) or not isinstance(layer, nn.Module):  # around a part, or none
        told = {each.port.__name__ for each in called.spec.signatures} | _parts_named(layer)
        return {*told, getattr(layer, "__name__", "")}
    held = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
    return {type(layer).__name__} if held else _parts_named(layer)


def _parts_named(layer: Callable[..., Any]) -> set[str]:
    return {type(module).__name__ for module in _parts(layer)}
