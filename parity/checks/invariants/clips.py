"""A clip's answer is its own, whatever clips it is beside: not finite, or of other lengths."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.checks.invariants import generic, in_double
from parity.checks.invariants.generic import once_each
from parity.checks.invariants.one_object import smallest_of
from parity.port import feature_masking, runner
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
                problems = _unlike_alone(layer.to(dtype), clip.to(dtype), rounding)
                problem = next(problems, "") or generic.heard(caught)
            if problem:
                return f"{case.name}: in {dtype} {problem}"
    return ""


@torch.no_grad()
def _unlike_alone(layer: nn.Module, clip: Tensor, rounding: float) -> Iterator[str]:
    """How a clip of several lengths, padded with noise, is answered otherwise than alone."""
    samples = clip.shape[1]
    lengths = {1, samples // 3 + 1, samples - 1, samples} - {0}
    answers = {each: layer(clip[:, :each])[0] for each in lengths if _is_taken(layer, clip, each)}
    shorter = {each: answer for each, answer in answers.items() if each < samples - 1}
    for some in (answers, shorter):  # all are padded where the longest is left out
        if not some:
            continue
        together = layer(clip.expand(len(some), *clip.shape[1:]), lengths=list(some))
        if together.shape[1] != max(map(len, some.values())):
            yield f"{together.shape[1]} frames of clips of {list(some)} samples"
        for (length, alone), row in zip(some.items(), together, strict=True):
            frames = len(alone)
            if row[frames:].any():
                yield f"{length} samples: it is not zero behind its {frames} frames"
            off = (row[:frames] - alone).abs().max().item()
            if not off <= rounding * alone.abs().max().item():
                yield f"{length} samples: off by {off:.1e}"
    yield from _other_frames(layer, {each: len(answer) for each, answer in answers.items()})


def _other_frames(layer: nn.Module, known: Mapping[int, int]) -> Iterator[str]:
    """What a layer that tells its frames tells otherwise, in each way to ask it."""
    told: Any = getattr(layer, "frames", None)
    if "lengths" not in (inspect.signature(told).parameters if callable(told) else {}):
        return
    for lengths in (list(known), tuple(known)[:1], []):
        wanted = torch.tensor([known[each] for each in lengths], dtype=torch.int64)
        for given in (lengths, torch.tensor(lengths, dtype=torch.int64), np.array(lengths, int)):
            got = told(given)
            if got.dtype != wanted.dtype or not torch.equal(got, wanted):
                yield f"frames({given!r}) is {got}, not {wanted}"
    for length, frames in known.items():
        if (got := told(length)) != frames:
            yield f"frames({length}) is {got}, not {frames}"


def _is_taken(layer: nn.Module, clip: Tensor, length: int) -> bool:
    """Whether the start of a clip is long enough."""
    try:
        layer(clip[:, :length])
    except LeafError:
        return False
    return True
