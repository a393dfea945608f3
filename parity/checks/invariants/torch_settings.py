"""torch's own defaults, of dtype and device, change nothing but what new layers are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from parity.checks.invariants import generic
from parity.checks.invariants.generic import Usual, of_the_port
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner
from parity.port.torch_defaults import default_dtype
from parity.spec import Answer, Case, LayerSpec
from parity.spec.invariant import difference

# By default dtype, that of new weights: no layer computes in half precision.
_NEW = {torch.float64: torch.float64, torch.bfloat16: torch.float32}
_NOWHERE = "meta"  # a device of no memory: whatever is made there by mistake has no numbers


def kept(spec: LayerSpec) -> str:
    """A small case of each choice: the first problem."""
    for case in smallest_of_each(spec):
        usual = generic.usual(spec, case)
        for what, check in _CHECKS.items():
            try:
                problem = check(spec, case, usual)
            except Exception as error:
                problem = f"raised {type(error).__name__}: {error}"
            if problem:
                return f"{case.name}: {what}: {problem}"
    return ""


def _other_dtypes(spec: LayerSpec, case: Case, usual: Usual) -> str:
    """What a layer is made of then; in float32, and with the same weights, the same answer."""
    question, answer = usual
    for default, new in _NEW.items():
        with default_dtype(default):
            made = _dtypes(runner.build(spec, case))
            other = generic.run(spec, question)
        if made - {new}:
            return f"{default}: new tensors of {made}"
        if problem := difference(_without_initial(answer), _without_initial(other)):
            return f"{default}: {problem}"
    return ""


def _dtypes(layer: Callable[..., Any]) -> set[torch.dtype]:
    """Those of a layer's floating parameters and buffers."""
    return {each.dtype for each in _held(layer) if each.is_floating_point()}


def _held(layer: Callable[..., Any]) -> list[Tensor]:
    """A layer's parameters and buffers."""
    return [*layer.parameters(), *layer.buffers()] if isinstance(layer, nn.Module) else []


def _without_initial(answer: Answer) -> Answer:
    """Random initial weights are others where more digits of them are drawn."""
    return dataclasses.replace(answer, initial={})


def _another_device(spec: LayerSpec, _case: Case, usual: Usual) -> str:
    """A layer's call makes nothing on the default device."""
    question, answer = usual
    if not _callable(runner.build(spec, question.case)):
        return ""

    def call(*arguments: Any) -> Any:
        with torch.device(_NOWHERE):
            return spec.call(*arguments)

    return difference(answer, generic.run(dataclasses.replace(spec, call=call), question))


def _without_memory(spec: LayerSpec, case: Case, usual: Usual) -> str:
    """A layer that is made on the meta device answers there, in each arithmetic."""
    arithmetics = spec.arithmetics or (None,)
    problems = (_on_meta(spec, case, usual, each) for each in arithmetics)
    return next((problem for problem in problems if problem), "")


def _on_meta(spec: LayerSpec, case: Case, usual: Usual, arithmetic: str | None) -> str:
    question, answer = usual
    with torch.device(_NOWHERE):
        layer = runner.build(spec, case, arithmetic)
    if devices := {each.device.type for each in _held(layer)} - {_NOWHERE}:
        return f"made on {devices}"
    if not _callable(layer):
        return ""
    inputs = [torch.from_numpy(array).to(_NOWHERE) for array in question.inputs.values()]
    draws = [torch.from_numpy(array).to(_NOWHERE) for array in question.draws]
    with torch.no_grad():
        outputs = runner.tensors(spec.call(layer, *inputs, *([draws] if spec.draws else [])))
    got = [(each.device.type, str(each.dtype), tuple(each.shape)) for each in outputs]
    wanted = [(_NOWHERE, f"torch.{each.dtype}", each.shape) for each in answer.outputs]
    return "" if got == wanted else f"arithmetic {arithmetic}: {got}, not {wanted}"


def _callable(layer: Any) -> bool:
    """Whether it may be called there: the declaration's functions make layers, or take numbers."""
    return isinstance(layer, nn.Module) or (callable(layer) and of_the_port(layer))


_CHECKS: dict[str, Callable[[LayerSpec, Case, Usual], str]] = {
    "another default dtype": _other_dtypes,
    "another default device": _another_device,
    "on the meta device": _without_memory,
}
