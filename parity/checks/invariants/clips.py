"""A clip's answer is its own, whatever clips it is beside: not finite, or of other lengths."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import torch
from torch import nn

from parity.checks.invariants import generic, in_double
from parity.checks.invariants.generic import once_each
from parity.checks.invariants.one_object import smallest_of
from parity.port import feature_masking, runner, told_lengths
from parity.spec import Array, LayerSpec, Question


def beside_nan(spec: LayerSpec) -> str:
    """The last clip of a small case, beside clips of NaN and infinities; on a poor device all."""
    case = smallest_of(spec)
    forward = in_double.forward_alone(spec, case.config)
    question = runner.ask(forward, case)
    names = [name for name in spec.sampling.batched if name in question.inputs]
    broken = {name: _broken(question.inputs[name]) for name in names}
    others = _with(question, broken)
    clips = {len(array) for array in broken.values()}
    answers = in_double.outputs(forward, others)
    pairs = zip(in_double.outputs(forward, question), answers, strict=True)
    for index, (alone, beside) in enumerate(pairs):
        if {*alone.shape[:1]} != clips:
            continue  # a penalty of the weights, say
        if problem := in_double.unlike(beside[-1:], alone[-1:]):
            return f"{case.name}: output/{index}: {problem}"
    lacking = in_double.outputs(forward, others, feature_masking.DROPPING_NAN)
    for index, (got, wanted) in enumerate(zip(lacking, answers, strict=True)):
        if problem := in_double.unlike(got, wanted):
            return f"{case.name}: output/{index} of a device that lacks everything: {problem}"
    return ""


def _broken(array: Array) -> Array:
    """All clips but the last one in turns NaN, infinity and minus infinity."""
    broken = array.copy()
    broken[:-1] = np.resize([np.nan, np.inf, -np.inf], broken[:-1].shape)
    return broken


def _with(question: Question, inputs: dict[str, Array]) -> Question:
    return dataclasses.replace(question, inputs={**question.inputs, **inputs})


def takes_lengths(spec: LayerSpec) -> bool:
    """Whether the class of a declaration is told how long the clips of a batch are."""
    classes = (each.port for each in spec.signatures if inspect.isclass(each.port))
    forward = (each.forward for each in classes if issubclass(each, nn.Module))
    return any("lengths" in inspect.signature(each).parameters for each in forward)


def of_lengths(spec: LayerSpec) -> str:
    """Padded clips of told lengths give what each alone gives, then zeros."""
    for case in once_each(spec):
        layer = runner.build(spec, case)
        assert isinstance(layer, nn.Module)  # noqa: S101
        (given,) = runner.ask(spec, case).inputs.values()
        clip = torch.from_numpy(given[:1])
        for dtype, rounding in ((torch.float32, 1e-4), (torch.float64, in_double.ROUNDING)):
            with generic.recorded() as caught:
                problems = told_lengths.unlike_alone(layer.to(dtype), clip.to(dtype), rounding)
                problem = next(problems, "") or generic.heard(caught)
            if problem:
                return f"{case.name}: in {dtype} {problem}"
    return ""
