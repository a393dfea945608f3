"""torch.jit.trace makes a graph of any length that can be saved, or is refused with a reason."""

from __future__ import annotations

import dataclasses
import io
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.checks.invariants import in_double, sizes
from parity.checks.invariants.generic import of_the_port
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner, trace_shapes
from parity.spec import Case, LayerSpec

_WINDOWS, _HOP = (1, 3), 7
_REFUSED = "no torch.jit.trace"
_OLDER = "no torch.onnx.export(..., dynamo=False)"


def alike(spec: LayerSpec) -> str:
    """A small case of each choice, one of them with a hop beyond the window: the first problem."""
    for case in _cases(spec):
        layer = runner.build(spec, case)
        if isinstance(layer, nn.Module) and (problem := _unlike(spec, case, layer)):
            return f"{case.name}: {problem}"
    return ""


def _cases(spec: LayerSpec) -> Iterator[Case]:
    """Where a hop is beyond the window, SAME may pad nothing: a length at which it does not."""
    cases = [*smallest_of_each(spec)]
    yield from cases
    config = cases[0].config if cases else {}
    if {"taps", "stride"} <= config.keys():
        lengths = dict.fromkeys(config.keys() & {"samples", "frames"}, 5 * _HOP)
        same = dict.fromkeys(config.keys() & {"padding"}, "SAME")
        for taps in _WINDOWS:
            wide = {**config, **lengths, **same, "taps": taps, "stride": _HOP}
            if _taken(spec, case := dataclasses.replace(cases[0], config=wide)):
                yield case


def _taken(spec: LayerSpec, case: Case) -> bool:
    """Whether a window is long enough."""
    try:
        runner.build(spec, case)
    except LeafError:
        return False
    return True


def older_exporter(spec: LayerSpec) -> str:
    """What the older ONNX exporter traces, every layer of the port refuses: some graphs are wrong.

    The exporter itself takes seconds. It traces, and says that it does.
    """
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        if isinstance(layer, nn.Module) and of_the_port(layer):
            with mock.patch.object(torch.onnx, "is_in_onnx_export", return_value=True):
                problem = _not_refused(spec, case, layer)
            if problem:
                return f"{case.name}: {problem}"
    return ""


def _not_refused(spec: LayerSpec, case: Case, layer: nn.Module) -> str:
    try:
        _traced(spec, case, layer)
    except LeafError as error:
        refused = error.argument == "forward" and error.expected in (_OLDER, _REFUSED)
        return "" if refused and sizes.is_known(error.owner) else str(error)
    return "accepted"


def _traced(spec: LayerSpec, case: Case, layer: nn.Module) -> None:
    question = runner.ask(in_double.forward_alone(spec, case.config), case)
    arrays = (*question.inputs.values(), *question.draws)
    given = tuple(torch.from_numpy(each) for each in arrays)
    called = trace_shapes.Called(spec, layer.eval(), len(question.inputs), runner.tensors)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; the checks compare sizes
        torch.jit.trace(called, given, check_trace=False)


def _unlike(spec: LayerSpec, case: Case, layer: nn.Module) -> str:
    question = runner.ask(in_double.forward_alone(spec, case.config), case)
    arrays = [_double(array) for array in (*question.inputs.values(), *question.draws)]
    called = trace_shapes.Called(spec, layer.double().eval(), len(question.inputs), runner.tensors)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; the checks compare sizes
        try:
            longer = trace_shapes.longer(spec, question, arrays, trace_shapes.AXES)
            graph = torch.jit.trace(called, tuple(longer), check_trace=False)
            torch.jit.save(graph, io.BytesIO())
        except LeafError as error:
            told = error.argument, error.expected
            own = sizes.is_known(error.owner)
            return "" if own and told == ("forward", _REFUSED) else f"refused: {error}"
        pairs = zip(graph(*arrays), called(*arrays), strict=True)
        problems = (in_double.unlike(got.numpy(), wanted.numpy()) for got, wanted in pairs)
        return next((problem for problem in problems if problem), "")


def _double(array: Any) -> Tensor:
    tensor = torch.from_numpy(array)
    return tensor.double() if tensor.is_floating_point() else tensor
