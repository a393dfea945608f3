"""A layer that is built without memory, or given weights of another type, is the same layer.

``load_state_dict(..., assign=True)`` replaces parameters by others of any device and dtype, without
a call of ``to``: what a layer computes beside them when it is built has to follow.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner
from parity.port.seeded import seeded
from parity.spec import Array, Case, LayerSpec, Question

State = Mapping[str, Tensor]


def assigned(spec: LayerSpec) -> str:
    """A small case of each choice: the first problem."""
    for case in smallest_of_each(spec):
        layer = _built(spec, case)
        if isinstance(layer, nn.Module):
            for problem in _problems(spec, runner.ask(spec, case), layer.state_dict()):
                return f"{case.name}: {problem}"
    return ""


def _built(spec: LayerSpec, case: Case, device: str = "cpu") -> nn.Module:
    """A layer as built by its constructor, in evaluation mode."""
    with torch.device(device), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer: nn.Module = spec.port(dict(case.config))  # type: ignore[assignment]
    return layer.eval() if isinstance(layer, nn.Module) else layer


def _problems(spec: LayerSpec, question: Question, state: State) -> Iterator[str]:
    usual = _built(spec, question.case)
    usual.load_state_dict(state)
    empty = _built(spec, question.case, "meta")
    yield from _otherwise("on meta", _sizes(empty), _sizes(usual))
    if computed := [name for name, tensor in _tensors(empty) if not tensor.is_meta]:
        yield f"built on meta, {computed} are not there"
    empty.load_state_dict(state, assign=True)
    if left := [name for name, tensor in _tensors(empty) if tensor.is_meta]:
        yield f"given all weights, {left} have no values"
        return
    yield from _unlike("built on meta", spec, question, empty, usual)
    double = {name: _double(tensor) for name, tensor in state.items()}
    wide = _built(spec, question.case).double()
    wide.load_state_dict(double)
    given = _built(spec, question.case)
    given.load_state_dict(double, assign=True)
    yield from _precisions(spec, question, usual, wide, given)


def _precisions(
    spec: LayerSpec, question: Question, usual: nn.Module, wide: nn.Module, given: nn.Module
) -> Iterator[str]:
    """Layers in float64, of which one was moved to it and the other given such weights."""
    yield from _otherwise("moved to float64", _types(wide), _wide(_types(usual)))
    in_double = dataclasses.replace(
        question,
        inputs={name: _wider(array) for name, array in question.inputs.items()},
        draws=[_wider(draw) for draw in question.draws],
    )
    refuses = isinstance(_called(spec, _built(spec, question.case), in_double), LeafError)
    moved = _built(spec, question.case).double()  # which no input has told anything yet
    loaded = _built(spec, question.case)
    loaded.load_state_dict(usual.state_dict())
    yield from _unlike("given weights in float64", spec, in_double, given, wide)
    yield from _otherwise("given weights in float64", _types(given), _types(wide))
    empty = _built(spec, question.case, "meta").double()
    yield from _otherwise("moved to float64 on meta", _types(empty), _types(wide))
    half, empty = (_built(spec, question.case, device).half() for device in ("cpu", "meta"))
    yield from _otherwise("moved to float16 on meta", _types(empty), _types(half))
    for how, layer in (
        ("moved to float64", moved),
        ("loaded and moved to float64", loaded.double()),
        ("given weights in float64", given),
    ):
        if refuses != isinstance(_called(spec, layer, question), LeafError):
            told = "takes inputs of another precision" if refuses else "refuses float32"
            yield f"{how}, it {told}"


def _tensors(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from layer.named_parameters()
    yield from layer.named_buffers()


def _sizes(layer: nn.Module) -> dict[str, object]:
    return {name: (tuple(each.shape), each.dtype) for name, each in _tensors(layer)}


def _types(layer: nn.Module) -> dict[str, object]:
    return {name: each.dtype for name, each in _tensors(layer)}


def _wide(types: Mapping[str, object]) -> dict[str, object]:
    return {n: torch.float64 if each == torch.float32 else each for n, each in types.items()}


def _otherwise(how: str, got: Mapping[str, object], wanted: Mapping[str, object]) -> Iterator[str]:
    for name in got.keys() | wanted.keys():
        if got.get(name) != wanted.get(name):
            yield f"{how}, {name} is {got.get(name)}, not {wanted.get(name)}"


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _wider(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype == np.float32 else array


def _called(spec: LayerSpec, layer: nn.Module, question: Question) -> list[Tensor] | LeafError:
    """Its outputs, or how it refuses the inputs; what it draws comes from a seed."""
    inputs = [torch.from_numpy(array.copy()) for array in question.inputs.values()]
    extra = ([torch.from_numpy(draw) for draw in question.draws],) if spec.draws else ()
    with seeded(0), torch.no_grad():
        try:
            return runner.tensors(spec.call(layer, *inputs, *extra))
        except LeafError as error:
            return error


def _unlike(
    how: str, spec: LayerSpec, question: Question, one: nn.Module, other: nn.Module
) -> Iterator[str]:
    ours, theirs = (_called(spec, layer, question) for layer in (one, other))
    if isinstance(ours, LeafError) or isinstance(theirs, LeafError):
        if type(ours) is not type(theirs):
            yield f"{how}, it refuses the inputs: {ours if isinstance(ours, LeafError) else theirs}"
        return
    for a, b in zip(ours, theirs, strict=True):
        if a.dtype != b.dtype or not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)):
            yield f"{how}, it answers otherwise"
