"""Asks the port: the same question, in float32 or float64, with noise or without."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from parity.port import graph_capture, trace_shapes
from parity.port.backends import CPU, Backend
from parity.port.trace_shapes import AXES
from parity.port.xla_program import Program
from parity.spec import Answer, Array, Case, LayerSpec, Question, Weight, with_signal
from parity.spec.random_arrays import Source


def build(spec: LayerSpec, case: Case, arithmetic: str | None = None) -> Callable[..., Any]:
    """The port's layer of a case, with its initial weights, in float32."""
    config = dict(case.config)
    if arithmetic is not None:
        config["arithmetic"] = arithmetic
    layer = spec.port(config)
    if isinstance(layer, nn.Module):
        layer.train(case.training)
    return layer


def ready(spec: LayerSpec, case: Case, run: Run) -> Callable[..., Any]:
    """The same on a device and in a precision."""
    layer = build(spec, case, run.arithmetic)
    return layer.to(run.backend.device, run.dtype) if isinstance(layer, nn.Module) else layer


class BuiltLayer:
    """A layer for several runs, each of which finds it as it was built.

    To build it is a tenth of a run.

    Args:
        build: builds it.
    """

    def __init__(self, build: Callable[[], Callable[..., Any]]) -> None:
        self._build, self._layer = build, build()
        modules = list(self._layer.modules()) if isinstance(self._layer, nn.Module) else []
        self._attributes = [(module, _plain_copies(module.__dict__)) for module in modules]
        held = [
            each
            for module in modules
            for each in (*module._parameters.values(), *module._buffers.values())
        ]
        self._values = [(each, each.detach().clone()) for each in held if each is not None]

    def again(self) -> Callable[..., Any]:
        """The layer as it was built; a new one where it is no module."""
        if not isinstance(self._layer, nn.Module):
            return self._build()
        for module, attributes in self._attributes:
            module.__dict__.clear()
            module.__dict__.update(_plain_copies(attributes))
        with torch.no_grad():
            for tensor, value in self._values:
                tensor.copy_(value)
        return self._layer


def _plain_copies(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes, with lists and dictionaries copied: of weights, modules and counters."""
    return {
        name: copy.copy(value) if type(value) in (dict, list) else value
        for name, value in attributes.items()
    }


def held(layer: Callable[..., Any], weights: Mapping[str, Weight]) -> dict[str, Tensor]:
    """Parameters and buffers of the port by official path."""
    if not isinstance(layer, nn.Module):
        return {}
    named = dict(layer.named_parameters()) | dict(layer.named_buffers())
    missing = sorted(weight.key for weight in weights.values() if weight.key not in named)
    unmapped = sorted(set(layer.state_dict()) - {weight.key for weight in weights.values()})
    if missing or unmapped:
        raise KeyError(f"the port lacks {missing}; the declaration lacks {unmapped}")
    return {path: named[weight.key] for path, weight in weights.items()}


def ask(spec: LayerSpec, case: Case) -> Question:
    """The question of a case, all its numbers drawn from its seed."""
    source = Source(case.seed, guard=True)
    inputs = with_signal(spec.inputs(case.config, source), case.signal, source)
    weights: dict[str, Array] = {}
    declared = spec.weights(case.config)
    if declared and not case.initial:
        for path, tensor in held(build(spec, case), declared).items():
            official_shape = declared[path].to_official(np.empty(tuple(tensor.shape))).shape
            weights[path] = declared[path].draw(source, official_shape, case.config)
    draws = list(spec.draws(case.config, source)) if spec.draws else []
    return Question(case, _plain(inputs), _plain(weights), [np.asarray(each) for each in draws])


def _plain(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays that every operation is allowed on again."""
    return {name: np.asarray(array) for name, array in arrays.items()}


def tensors(value: Any) -> list[Tensor]:
    """A result as a list of real tensors: complex ones get a last axis of real and imaginary
    part.
    """
    if isinstance(value, (list, tuple)):
        return [item for each in value for item in tensors(each)]
    tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.asarray(value))
    return [torch.view_as_real(tensor) if tensor.is_complex() else tensor]


def _numpy(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy().copy()


@dataclasses.dataclass(frozen=True)
class Run:
    """How the port is run.

    Attributes:
        dtype: its precision.
        arithmetic: of its filters, where it has a choice.
        noise: a context in which forward and backward run; None for none.
        seed: of the disturbance of constants; None for none.
        backend: where it runs.
        free: of a backend that captures, the axes that it may not take as constants.
    """

    dtype: torch.dtype = torch.float32
    arithmetic: str | None = None
    noise: Callable[[], Any] | None = None
    seed: int | None = None
    backend: Backend = CPU
    free: Sequence[str] = AXES


def observed(spec: LayerSpec, question: Question, run: Run) -> tuple[Answer, Program | None]:
    """What the port answers, and what the backend tells of the compiled program, if any."""
    if run.backend.watched is None:
        return answer(spec, question, run), None
    return run.backend.watched(lambda: answer(spec, question, run))


def answer(
    spec: LayerSpec, question: Question, run: Run, built: BuiltLayer | None = None
) -> Answer:
    """What the port answers.

    For the float64 runs the *initial* weights are the float32 ones: what is measured is the
    rounding of the computation, not that of the weights.

    Args:
        spec: the declaration.
        question: what is asked.
        run: how the port is run.
        built: its layer, for several runs that differ in their noise; None to build one.
    """
    case, declared = question.case, spec.weights(question.case.config)
    layer = ready(spec, case, run) if built is None else built.again()
    weights = held(layer, declared)
    if case.initial:  # given only where they are pinned to the official ones
        _load(weights, declared, question)
    if run.seed is not None:
        _disturb_constants(spec, layer, question, run.seed)
    initial = {path: declared[path].to_official(_numpy(tensor)) for path, tensor in weights.items()}
    if not case.initial:
        _load(weights, declared, question)
    inputs = {name: _tensor(value, run) for name, value in question.inputs.items()}
    watched = {f"input/{name}": inputs[name] for name in spec.differentiable if name in inputs}
    watched |= {
        f"weight/{path}": weights[path] for path in spec.differentiable_weights(case.config)
    }
    for tensor in watched.values():
        tensor.requires_grad_()
    with _context(run):
        outputs = tensors(_call(spec, layer, inputs, question, run))
        with (
            graph_capture.told("the gradient") if run.backend.capture else contextlib.nullcontext()
        ):
            wanted = _gradients(outputs, watched, question)
        run.backend.flush(outputs, list(wanted.values()))
    gradients = {name: _numpy(gradient) for name, gradient in wanted.items()}
    kept = () if run.backend.outputs_only else spec.state(case)
    state = {path: declared[path].to_official(_numpy(weights[path])) for path in kept}
    return Answer(
        outputs=[_numpy(output) for output in outputs],
        gradients={
            name: declared[name.removeprefix("weight/")].to_official(gradient)
            if name.startswith("weight/")
            else gradient
            for name, gradient in gradients.items()
        },
        initial=initial,
        state=state,
    )


def _load(
    weights: Mapping[str, Tensor], declared: Mapping[str, Weight], question: Question
) -> None:
    """Gives the port the question's weights."""
    with torch.no_grad():
        for path, value in question.weights.items():
            weights[path].copy_(torch.from_numpy(declared[path].to_port(value).copy()))


def _disturb_constants(
    spec: LayerSpec, layer: Callable[..., Any], question: Question, seed: int
) -> None:
    """Moves what was computed when the layer was built by as much as it may be off."""
    source = Source(seed)
    named: dict[str, Tensor] = {}
    if isinstance(layer, nn.Module):
        named = dict(layer.named_parameters()) | dict(layer.named_buffers())
    with torch.no_grad():
        for key, size in spec.exceptions.constants(question.case.config).items():
            if key not in named:  # an output's own rounding: see parity/checks/monte_carlo.py
                continue
            tensor = named[key]
            step = torch.from_numpy(source.uniform(tensor.shape) * size)
            tensor.add_(step.to(tensor.dtype))


@contextlib.contextmanager
def _context(run: Run) -> Iterator[None]:
    with run.backend.settings(), run.noise() if run.noise else contextlib.nullcontext():
        yield


def _tensor(value: Array, run: Run) -> Tensor:
    tensor = torch.from_numpy(value.copy())
    return tensor.to(run.backend.device, run.dtype if tensor.is_floating_point() else None)


def _call(
    spec: LayerSpec,
    layer: Callable[..., Any],
    inputs: Mapping[str, Tensor],
    question: Question,
    run: Run,
) -> Any:
    if not callable(layer):
        return layer
    draws = [_tensor(draw, run) for draw in question.draws]
    if run.backend.capture is not None:
        module = trace_shapes.Called(spec, layer, len(inputs), tensors)
        arrays = [*inputs.values(), *draws]
        traced = trace_shapes.longer(spec, question, arrays, run.free)
        return run.backend.capture(module, arrays, traced)(*arrays)
    extra = (draws,) if spec.draws else ()
    return spec.call(layer, *inputs.values(), *extra)


def _gradients(
    outputs: list[Tensor], watched: Mapping[str, Tensor], question: Question
) -> dict[str, Tensor]:
    terms = [
        (output * torch.from_numpy(question.cotangent(i, output.shape)).to(output)).sum()
        for i, output in enumerate(outputs)
        if output.requires_grad
    ]
    if not terms or not watched:
        return {}
    grads = torch.autograd.grad(sum(terms), list(watched.values()), allow_unused=True)  # type: ignore[arg-type]
    return {name: grad for name, grad in zip(watched, grads, strict=True) if grad is not None}
