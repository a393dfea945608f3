"""One object: trained, evaluated, trained again, copied; and two of a kind under one optimiser.

The recorded checks build a layer, set it, call it once and throw it away. Users keep theirs.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from leaf_port.constraints import Constraint, constrain_after_step, constrained_parameters
from parity.checks.invariants.generic import once_each
from parity.port import runner
from parity.port.seeded import seeded
from parity.spec import Case, LayerSpec, Question
from parity.spec.random_arrays import Source

FEW = 16  # numbers that go in: of fewer, much of a layer does nothing
_STEPS = 2
_RATE = 2.0**-10


def applies(spec: LayerSpec) -> bool:
    """Whether a declaration is of a layer with weights."""
    return next(smallest(spec), None) is not None


def smallest(spec: LayerSpec) -> Iterator[Case]:
    """Of the cases with the same weights the one of the smallest input; of layers with weights."""
    yield from (case for case in smallest_of_each(spec) if spec.weights(case.config))


def smallest_of_each(spec: LayerSpec) -> Iterator[Case]:
    """Of the cases with the same weights, or with none, the one of the smallest input."""
    found: dict[tuple[str, ...], tuple[int, Case]] = {}
    for case in once_each(spec):
        paths = tuple(sorted(spec.weights(case.config)))
        inputs = spec.inputs(case.config, Source(0)).values()
        size = sum(array.size for array in inputs)
        if size >= FEW and (paths not in found or size < found[paths][0]):
            found[paths] = size, case
    yield from (case for _, case in found.values())


def smallest_of(spec: LayerSpec) -> Case:
    """The case of the smallest input that isn't too small to tell."""

    def size(case: Case) -> tuple[bool, int]:
        arrays = spec.inputs(case.config, Source(0)).values()
        numbers = sum(array.size for array in arrays)
        return numbers < FEW, numbers

    return min(once_each(spec), key=size)


def kept(spec: LayerSpec) -> str:
    """A small case of each choice: the first problem."""
    for case in smallest(spec):
        for problem in problems(spec, case):
            return f"{case.name}: {problem}"
    return ""


def _layer(spec: LayerSpec, question: Question) -> nn.Module:
    """The layer of a case with its drawn weights, trained as it was built."""
    layer, declared = runner.build(spec, question.case), spec.weights(question.case.config)
    assert isinstance(layer, nn.Module)  # noqa: S101
    with torch.no_grad():
        for path, tensor in runner.held(layer, declared).items():
            tensor.copy_(torch.from_numpy(declared[path].to_port(question.weights[path]).copy()))
    return layer


def _called(spec: LayerSpec, layer: nn.Module, question: Question) -> list[Tensor]:
    """Its outputs, as behind another layer that is trained; what it draws comes from a seed."""
    inputs = [torch.from_numpy(array.copy()) for array in question.inputs.values()]
    for each in inputs:
        each.requires_grad_(each.is_floating_point())
    extra = ([torch.from_numpy(draw) for draw in question.draws],) if spec.draws else ()
    with seeded(0):
        return runner.tensors(spec.call(layer, *inputs, *extra))


def _step(
    spec: LayerSpec, layer: nn.Module, question: Question, optimizer: torch.optim.Optimizer
) -> None:
    """One step of training."""
    optimizer.zero_grad()
    outputs = _called(spec, layer.train(), question)
    loss = sum((each.square().mean() for each in outputs), torch.zeros(()))
    if loss.requires_grad:
        loss.backward()
        optimizer.step()


def problems(spec: LayerSpec, case: Case) -> Iterator[str]:
    """What is wrong with a layer that is kept."""
    question = runner.ask(spec, case)
    layer = _layer(spec, question)
    optimizer = torch.optim.SGD(layer.parameters(), lr=_RATE)
    for _ in range(_STEPS):  # the second backward fails if anything keeps the first graph
        _step(spec, layer, question, optimizer)
    for name, tensor in layer.named_buffers():
        if tensor.requires_grad:
            yield f"{name} keeps the graph of what it was computed from"
    with torch.no_grad():
        layer.eval()
        trained = _called(spec, layer, question)
        yield from _unlike("evaluated again", trained, _called(spec, layer, question))
        yield from _reloaded(spec, layer, question, trained)
        yield from _copied(spec, layer, question, trained)


def _unlike(what: str, some: list[Tensor], others: list[Tensor]) -> Iterator[str]:
    pairs = zip(some, others, strict=True)
    if not all(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)) for a, b in pairs):
        yield f"{what}, it answers otherwise"


def _reloaded(
    spec: LayerSpec, layer: nn.Module, question: Question, trained: list[Tensor]
) -> Iterator[str]:
    """A fresh layer with the state of the trained one is the same: nothing else is kept."""
    fresh = runner.build(spec, question.case)
    assert isinstance(fresh, nn.Module)  # noqa: S101
    fresh.load_state_dict(layer.state_dict())
    yield from _unlike("built anew with its state", trained, _called(spec, fresh.eval(), question))


def _copied(
    spec: LayerSpec, layer: nn.Module, question: Question, trained: list[Tensor]
) -> Iterator[str]:
    """A deep copy and a pickled one are the same layer, and another object."""
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    copies = {"copied": copy.deepcopy(layer), "pickled": torch.load(file, weights_only=False)}
    for how, each in copies.items():
        yield from _unlike(how, trained, _called(spec, each, question))
        for tensor in each.state_dict().values():
            tensor.add_(1.0)
        yield from _unlike(
            f"with another {how} and changed", trained, _called(spec, layer, question)
        )


def constrained(spec: LayerSpec) -> bool:
    """Whether its layer has constraints."""
    layer = runner.build(spec, spec.cases()[0])
    return isinstance(layer, nn.Module) and next(constrained_parameters(layer), None) is not None


def two_constrained(spec: LayerSpec) -> str:
    """After a step of one optimiser every constrained weight of two layers is within its bounds."""
    case = next(iter(smallest(spec)))
    layers = [_layer(spec, runner.ask(spec, case)) for _ in range(2)]
    model = nn.ModuleList(layers)
    known: list[tuple[nn.Parameter, Constraint]] = list(constrained_parameters(model))
    with torch.no_grad():
        for weight, _ in known:
            weight.mul_(-3.0)
    wanted = [constraint(weight.detach().clone()) for weight, constraint in known]
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=_RATE)
    constrain_after_step(optimizer, model)
    optimizer.step()
    right = [torch.equal(weight, value) for (weight, _), value in zip(known, wanted, strict=True)]
    return "" if all(right) else f"{right.count(False)} of {len(right)} weights are not constrained"
