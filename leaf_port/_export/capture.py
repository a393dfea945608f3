"""A graph of a model that serves any batch and length, without complex numbers."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from leaf_port import frontend, models
from leaf_port.convolution import FFTConv1d
from leaf_port.errors import LeafError

OWNER = "export"
FRONTENDS = (frontend.Leaf, frontend.MelFilterbanks)  # the others are subclasses of Leaf
OFFICIAL_RATE = 16000

_TRACED = (3, 5003)  # batch and samples beyond every model's shortest; of no rounder lengths
_LONGEST_WORDS = 400
_MOST_SAMPLES = 1 << 20  # no model's shortest waveform is longer


@dataclass(frozen=True)
class Subject:
    """What is exported.

    Attributes:
        model: a copy in evaluation mode, float32, on the CPU.
        kind: its class.
        output: ``"features"`` or ``"logits"``.
        sample_rate: of its waveforms in Hz; None where the model tells none.
        hop: samples between frames, about; what lengths are drawn by.
        shortest: the fewest samples that the model takes.
    """

    model: nn.Module
    kind: str
    output: str
    sample_rate: int | None
    hop: int
    shortest: int


def subject(model: nn.Module) -> Subject:
    """The model to export, if it can be.

    Raises:
        LeafError: no frontend or classifier, or one of which no graph can be made.
    """
    if not isinstance(model, (*FRONTENDS, models.AudioClassifier)):
        expected, fix = "a frontend or an AudioClassifier", "give one of them"
        raise LeafError(OWNER, "model", expected, type(model).__name__, fix)
    made = copy.deepcopy(model).cpu().eval()
    _refuse_other_dtypes(made)
    _refuse_what_cannot_be_captured(made)
    first = made.frontend if isinstance(made, models.AudioClassifier) else made
    rate = getattr(first, "sample_rate", None)
    output = "logits" if isinstance(made, models.AudioClassifier) else "features"
    return Subject(made, type(model).__name__, output, rate, _hop(first, rate), _shortest(made))


def _refuse_other_dtypes(model: nn.Module) -> None:
    others = {each.dtype for each in model.state_dict().values() if each.is_floating_point()}
    if others - {torch.float32}:
        got = ", ".join(sorted(str(each) for each in others))
        raise LeafError(OWNER, "model", "float32 weights", got, "call model.float()")


def _refuse_what_cannot_be_captured(model: nn.Module) -> None:
    for name, layer in model.named_modules():
        where = f"model.{name}" if name else "model"
        if getattr(layer, "arithmetic", "auto") == "complex":
            got, fix = "arithmetic='complex'", "build it with 'auto' or 'real'"
            expected = "real numbers: ONNX has no complex operators"
            raise LeafError(OWNER, where, expected, got, fix)
        if getattr(layer, "energies_by", "auto") == "fft":
            got, fix = "energies='fft'", "build it with 'auto' or 'direct'"
            raise LeafError(OWNER, where, "energies that a graph can compute", got, fix)
        if isinstance(layer, FFTConv1d):
            got = "FFTConv1d, whose length decides the size of a transform"
            expected, fix = "layers that a graph of any length can compute", "take Conv1d"
            raise LeafError(OWNER, where, expected, got, fix)


def _hop(first: nn.Module | None, rate: int | None) -> int:
    if isinstance(first, frontend.MelFilterbanks):
        return int(first.window_stride)
    strides = getattr(getattr(first, "pooling", None), "strides", None)
    return strides if isinstance(strides, int) else (rate or OFFICIAL_RATE) // 100


def _shortest(model: nn.Module) -> int:
    """The fewest samples of which the model gives anything."""

    def takes(samples: int) -> bool:
        try:
            with torch.inference_mode():
                return bool(model(torch.zeros(1, samples)).numel())
        except (LeafError, RuntimeError):
            return False

    found = fewest(takes)
    if found is None:
        expected = "a model of waveforms, (batch, samples)"
        got = f"one that takes none of up to {_MOST_SAMPLES} samples"
        raise LeafError(OWNER, "model", expected, got, "give a classifier with its frontend")
    return found


def fewest(takes: Callable[[int], bool], least: int = 1) -> int | None:
    """The smallest number from ``least`` that is taken, if all above it are; None for none."""
    high = least
    while not takes(high):
        high *= 2
        if high > _MOST_SAMPLES:
            return None
    low = max(least, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if takes(middle) else (middle + 1, high)
    return high


def capture(what: Subject) -> ExportedProgram:
    """The graph by torch.export, of any batch and of any length from some length on.

    Raises:
        LeafError: none can be made, or there is a complex number in it.
    """
    batch, samples = _TRACED
    traced = torch.zeros(batch, max(samples, 8 * what.shortest + 3))
    with quietly(), told("torch.export"):
        shapes = ({0: Dim.DYNAMIC, 1: Dim.DYNAMIC},)
        program = torch.export.export(what.model, (traced,), dynamic_shapes=shapes)
    found = [node.name for node in program.graph.nodes if _is_complex(node.meta.get("val"))]
    found += [name for name, each in program.state_dict.items() if each.is_complex()]
    if found:
        got = f"complex numbers in {', '.join(found[:3])}"
        fix = "build its layers with arithmetic='real'"
        raise LeafError(OWNER, "model", "a graph of real numbers", got, fix)
    return program


def _is_complex(value: object) -> bool:
    several = value if isinstance(value, (list, tuple)) else [value]
    return any(isinstance(each, Tensor) and each.is_complex() for each in several)


def shortest_of(program: ExportedProgram, least: int) -> int:
    """The fewest samples that a program of torch.export takes.

    It takes a size of 1 for a constant: a graph of several frames refuses a clip of a single one.

    Args:
        program: of :func:`capture`.
        least: the fewest that the model takes.
    """
    called = program.module()

    def takes(samples: int) -> bool:
        try:
            with torch.inference_mode():
                called(torch.zeros(1, samples))
        except Exception:  # a guard's
            return False
        return True

    found = fewest(takes, least)
    if found is None:
        got = f"one that takes no waveform of up to {_MOST_SAMPLES} samples"
        raise LeafError(OWNER, "model", "a graph of any length", got, "export it to ONNX")
    return found


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """What torch tells of itself while it captures is nobody's concern; errors are raised."""
    logs = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    before = [log.level for log in logs]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for log in logs:
            log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for log, level in zip(logs, before, strict=True):
                log.setLevel(level)


@contextlib.contextmanager
def told(tool: str) -> Iterator[None]:
    """Whatever a tool raises, as one line: in the words of its first cause."""
    try:
        yield
    except LeafError:
        raise
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        words = " ".join(str(cause).split())[:_LONGEST_WORDS]
        got = f"{type(cause).__name__}: {words}"
        fix = "build the model of this package's layers; docs/backends.md has what is exported"
        raise LeafError(OWNER, "model", f"one that {tool} takes", got, fix) from error
