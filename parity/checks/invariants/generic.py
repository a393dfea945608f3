"""The laws that follow from a declaration alone, one instance of each for every configuration."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

import leaf_port
from leaf_port import _registry
from parity.port import runner
from parity.port.seeded import seeded
from parity.spec import Answer, Array, Case, Config, LayerSpec, Question
from parity.spec.invariant import difference

Usual = tuple[Question, Answer]
PACKAGE = leaf_port.__name__
LONGEST_CLIP = 4000  # samples: a configuration takes milliseconds


def run(spec: LayerSpec, question: Question, **how: Any) -> Answer:
    """The port's answer, its random initial weights drawn from a seed."""
    first = spec.arithmetics[0] if spec.arithmetics else None
    with seeded(0), np.errstate(all="ignore"):
        return runner.answer(spec, question, runner.Run(arithmetic=first, **how))


def usual(spec: LayerSpec, case: Case) -> Usual:
    """A case's question, and the port's answer to it, which the laws compare others with."""
    question = runner.ask(spec, case)
    return question, run(spec, question)


def _as_numpy(value: Any) -> Any:
    """Python's numbers as NumPy's."""
    if isinstance(value, (list, tuple)):
        return type(value)(_as_numpy(each) for each in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return np.int64(value) if isinstance(value, int) else np.float64(value)


def numpy_arguments(spec: LayerSpec, case: Case, asked: Usual) -> str:
    """A layer that is given NumPy's numbers for Python's is the same layer."""
    question, answer = asked
    config = {name: _as_numpy(value) for name, value in case.config.items()}
    like = dataclasses.replace(question, case=dataclasses.replace(case, config=config))
    return difference(answer, run(spec, like))


def autocast(spec: LayerSpec, _case: Case, asked: Usual) -> str:
    """Where autocast would compute in half precision, outputs and gradients are those without it.

    With the forward pass alone in it, as torch asks for; with both passes; and in float64.
    """
    question, answer = asked

    def call(*args: Any) -> Any:
        with _half():
            return spec.call(*args)

    forward = dataclasses.replace(spec, call=call)
    if problem := difference(answer, run(forward, question)):
        return problem
    if problem := difference(answer, run(spec, question, noise=_half)):
        return f"the gradient: {problem}"
    return difference(
        run(spec, question, dtype=torch.float64), run(forward, question, dtype=torch.float64)
    )


def called(spec: LayerSpec, case: Case, asked: Usual) -> str:
    """A call warns of nothing, and a map has as many channels as its model tells."""
    question, _ = asked
    layer = runner.build(spec, case)
    if not callable(layer):  # a number
        return ""
    inputs = [torch.from_numpy(array.copy()) for array in question.inputs.values()]
    draws = [[torch.from_numpy(draw) for draw in question.draws]] if spec.draws else []
    given: list[Any] = []
    with contextlib.ExitStack() as stack, torch.random.fork_rng(devices=[]):
        if isinstance(layer, nn.Module):
            hook = layer.register_forward_hook(lambda _layer, _inputs, output: given.append(output))
            stack.enter_context(hook)
            stack.enter_context(torch.no_grad())
        caught = stack.enter_context(recorded())
        spec.call(layer, *inputs, *draws)
    told = [_other_channels(layer, output) for output in given]
    return heard(caught) or next(filter(None, told), "")


def _other_channels(layer: Any, output: Any) -> str:
    """How many channels a map has, where its model, which is the port's, tells others or none."""
    model = _registry.KINDS.get(type(layer).__name__) is type(layer)
    is_map = isinstance(output, torch.Tensor) and output.ndim == 4
    if not is_map or not (model or (hasattr(layer, "out_channels") and of_the_port(layer))):
        return ""
    told, made = getattr(layer, "out_channels", None), output.shape[1]
    return "" if told == made else f"it tells {told} channels, and gives {made}"


@contextlib.contextmanager
def recorded() -> Iterator[list[warnings.WarningMessage]]:
    """What is warned of, every time."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def heard(caught: list[warnings.WarningMessage]) -> str:
    """The first warning that is none of the port's own."""
    others = [each for each in caught if not each.category.__module__.startswith(PACKAGE)]
    return f"it warns: {others[0].message}" if others else ""


def _half() -> Any:
    return torch.autocast("cpu", torch.bfloat16)


def no_clips(spec: LayerSpec, _case: Case, asked: Usual) -> str:
    """A batch of no clips gives the shape and dtype that others have, but for the batch."""
    question, some = asked
    counted = [question.inputs[name] for name in spec.sampling.batched if name in question.inputs]
    if not counted:
        return ""
    (clips,) = {len(array) for array in counted}

    def cut(name: str, array: Array) -> Array:
        return array[:0] if name in spec.sampling.batched and len(array) == clips else array

    empty = dataclasses.replace(
        question,
        inputs={name: cut(name, array) for name, array in question.inputs.items()},
        draws=[array[:0] for array in question.draws],
    )
    with recorded() as caught:
        none = run(spec, empty)
    if problem := heard(caught):
        return problem
    for index, (full, got) in enumerate(zip(some.outputs, none.outputs, strict=True)):
        shape = (0, *full.shape[1:]) if full.shape[:1] == (clips,) else full.shape
        if (got.shape, got.dtype) != (shape, full.dtype):
            return f"output/{index}: {got.dtype} {got.shape}, of a batch {full.dtype} {full.shape}"
    return ""


def printed(spec: LayerSpec, case: Case, _asked: Usual) -> str:
    """What ``print`` shows of a layer are arguments that make it, each with the layer's value."""
    layer = runner.build(spec, case)
    for module in layer.modules() if isinstance(layer, nn.Module) else ():
        if not _shows(type(module)):
            continue
        told = module.extra_repr()
        call = ast.parse(f"f({told})", mode="eval").body
        assert isinstance(call, ast.Call)  # noqa: S101
        values = [ast.literal_eval(each) for each in call.args]
        named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        if problem := _unlike(module, values, named):
            return f"{type(module).__name__}({told}): {problem}"
    return ""


def prints(spec: LayerSpec) -> bool:
    """Whether a layer of the port shows arguments."""
    layer = runner.build(spec, spec.cases()[0])
    modules = layer.modules() if isinstance(layer, nn.Module) else ()
    return any(_shows(type(module)) for module in modules)


def is_ours(kind: type[nn.Module]) -> bool:
    """Whether a class is the port's."""
    return kind.__module__.startswith(f"{PACKAGE}.")


def _shows(kind: type[nn.Module]) -> bool:
    """Whether a class is the port's, and itself says what ``print`` shows."""
    return is_ours(kind) and kind.extra_repr.__module__.startswith(f"{PACKAGE}.")


def of_the_port(layer: Any) -> bool:
    """Whether a layer or function is the port's own, not the declaration's around it."""
    made = type(layer) if isinstance(layer, nn.Module) else getattr(layer, "func", layer)
    return str(made.__module__).startswith(f"{PACKAGE}.")


def _unlike(module: nn.Module, values: list[Any], named: Mapping[str, Any]) -> str:
    """What a module has otherwise than one that is made from the arguments that it shows."""
    bound = inspect.signature(type(module)).bind(*values, **named).arguments
    for name, value in bound.items():
        if getattr(module, name, value) != value:
            return f"{name} is {getattr(module, name)!r}"
    again = type(module)(*values, **named)
    if again.extra_repr() != module.extra_repr():
        return f"these make {again.extra_repr()}"
    if _sizes(again) != _sizes(module):
        return f"these make weights of {_sizes(again)}, not {_sizes(module)}"
    return ""


def _sizes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of a module's own parameters."""
    own = module.named_parameters(recurse=False)
    return {name: tuple(parameter.shape) for name, parameter in own}


def once_each(spec: LayerSpec) -> Iterator[Case]:
    """The declared configurations of short clips with drawn weights, in evaluation mode."""
    seen: list[Config] = []
    for case in spec.cases():
        plain = not (case.initial or case.training) and case.signal == "plain"
        short = case.config.get("samples", 0) <= LONGEST_CLIP
        if plain and short and case.config not in seen:
            seen.append(case.config)
            yield case
