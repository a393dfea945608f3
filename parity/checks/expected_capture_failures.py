"""What cannot be captured as a graph, or not for every size, or computes something else then.

One table, beside that of the divergences. An entry speaks for a result only where the attempt
fails as the entry says: each is tried without it first. An entry that none of its cases needs any
more fails (:func:`unneeded`).
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator

from parity.checks.expected_divergences import NON_FINITE
from parity.checks.gradients import Skip
from parity.checks.result import Result
from parity.port.graph_capture import CaptureError
from parity.port.runner import Run
from parity.port.trace_shapes import LONGER
from parity.spec import Case, LayerSpec, Question

NOTHING_GOES_IN = "no tensor goes in"


def _any(_case: Case, _arithmetic: str | None) -> bool:
    return True


def _training(case: Case, _arithmetic: str | None) -> bool:
    return case.training


def _one_frame(case: Case, _arithmetic: str | None) -> bool:
    """One window of a frontend, or one segment of an overlap-add, and more when traced."""
    config = case.config
    at_two = config.get("rate", 16000) // 100 + 1  # SAME: every 10 ms
    if case.layer == "time_domain_filterbanks":
        at_two = 401 + 160
    if case.layer == "overlap_add_conv1d":
        at_two = config["fft"] - config["taps"] + 2
    return config["samples"] < at_two <= config["samples"] + LONGER["time"]


def _not_finite(case: Case, _arithmetic: str | None) -> bool:
    return case.signal in NON_FINITE


def _complex(_case: Case, arithmetic: str | None) -> bool:
    return arithmetic == "complex"


@dataclasses.dataclass(frozen=True)
class NotCaptured:
    """One entry of the table.

    Attributes:
        name: by which results name it.
        layers: the declarations that it holds for.
        backends: where.
        reason: what it is in the layer or in torch.
        error: a regular expression: what is raised. Empty for numbers that are off.
        fixed: the axes that are captured as constants instead; none: nothing is captured.
        off: a regular expression: the arrays whose values are off.
        most: by how many units at most; beyond that they fail as any other. Infinite where NaN and
            infinities are treated otherwise.
        cases: to which cases it is confined, in which arithmetic.
    """

    name: str
    layers: Collection[str]
    backends: Collection[str]
    reason: str
    error: str = ""
    fixed: Collection[str] = ()
    off: str = ""
    most: float = 0.0
    cases: Callable[[Case, str | None], bool] = _any

    def holds(self, layer: str, backend: str, case: Case, arithmetic: str | None) -> bool:
        """Whether it is about a case somewhere."""
        of_layer = layer in self.layers and backend in self.backends
        return of_layer and self.cases(case, arithmetic)


_GRAPHS = ("exported", "onnx")
_CONSTANT = "[Cc]onstraints violated|inferred a static shape"  # the exporters' words for it

TABLE = (
    NotCaptured(
        name="complex numbers in ONNX",
        layers=(
            "amplitude",
            "gabor_conv1d",
            "gabor_filters",
            "gabor_impulse_response",
            "leaf",
            "overlap_add_conv1d",
        ),
        backends=("onnx",),
        reason="torch's exporter has no complex unsqueeze, among others. The arithmetic 'auto' is "
        "real in an export, and the real arithmetic is compared",
        error="No ONNX function found|No decompositions registered",
        cases=_complex,
    ),
    NotCaptured(
        name="a transform of the next power of two",
        layers=("fft_conv1d", "fft_conv1d_layer", "frequency_penalty"),
        backends=_GRAPHS,
        reason="the length of the clip decides the size of the transform, as in the official code, "
        "and with it which factors it is computed by",
        error=_CONSTANT,
        fixed=("time",),
    ),
    NotCaptured(
        name="parts of a clip in NumPy's float32",
        layers=("spec_augment",),
        backends=_GRAPHS,
        reason="the longest mask and shift are parts of the length, rounded as the official code "
        "rounds them. It augments training data, of which no graph is exported",
        error=_CONSTANT,
        fixed=("time",),
    ),
    NotCaptured(
        name="a single frame",
        layers=("leaf", "overlap_add_conv1d", "sincnet", "sincnet_plus", "time_domain_filterbanks"),
        backends=("exported",),
        reason="torch.export takes a size of 1 for a constant: a graph of several frames, or of "
        "several segments, does not serve a clip of a single one",
        error="Guard failed",
        fixed=("time",),
        cases=_one_frame,
    ),
    NotCaptured(
        name="NaN in maxima",
        layers=("sincnet",),
        backends=("onnx",),
        reason="onnxruntime's MaxPool drops NaN, as TensorFlow's does on a CPU; the port keeps it",
        off="^output/",
        most=math.inf,
        cases=_not_finite,
    ),
    NotCaptured(
        name="a step of an optimiser",
        layers=("constrain_after_step",),
        backends=("compiled", *_GRAPHS),
        reason="it builds a layer and an optimiser, and changes weights: no graph of tensors",
        error="data-dependent|posix.sysconf",
    ),
    NotCaptured(
        name="a variance in two steps",
        layers=("conv_net",),
        backends=("compiled",),
        reason="of fewer than 1024 numbers inductor takes the mean first, then the deviations "
        "(cpp.use_two_step_variance_threshold). Three normalisations of a batch upon each other "
        "are 11.4 units off by that; by Welford's recurrence in its place 3.3, by torch's own "
        "kernels 1.6",
        off="^(output|gradients)/",
        most=23.0,
        cases=_training,
    ),
)


def _of(spec: LayerSpec, case: Case, run: Run) -> list[NotCaptured]:
    return [e for e in TABLE if e.holds(spec.name, run.backend.name, case, run.arithmetic)]


def attempt(
    spec: LayerSpec, question: Question, run: Run, compute: Callable[[Run], Result]
) -> Result:
    """What comes of a case on a backend that captures, with the entries that it cannot do without.

    Args:
        spec: the declaration.
        question: the case.
        run: where and how.
        compute: computes and compares; raises CaptureError.
    """
    case = question.case
    nothing = Result(spec.name, case.name, run.arithmetic, backend=run.backend.name)
    if not question.inputs:
        return dataclasses.replace(nothing, left_out=NOTHING_GOES_IN)
    left, needed = _of(spec, case, run), list[str]()
    while True:
        try:
            result = compute(run)
            break
        except CaptureError as error:
            entry = next((e for e in left if e.error and re.search(e.error, str(error))), None)
            if entry is None:
                return dataclasses.replace(nothing, error=str(error))
        left.remove(entry)
        needed.append(entry.name)
        if not entry.fixed:
            told = dataclasses.replace(nothing, not_captured=tuple(needed))
            return dataclasses.replace(told, left_out=f"not captured: {entry.name}")
        run = dataclasses.replace(run, free=[axis for axis in run.free if axis not in entry.fixed])
    result = dataclasses.replace(result, not_captured=tuple(needed))
    for entry in left:
        result = _excused(result, entry)
    return result


def _excused(result: Result, entry: NotCaptured) -> Result:
    """The result without the values that an entry says are off."""
    if not entry.off:
        return result
    off = [
        each
        for each in result.differences
        if not each.ok
        and each.aspect in ("values", "finite")
        and (each.units <= entry.most or entry.most == math.inf)  # units of NaN are NaN
        and re.search(entry.off, each.array)
    ]
    if not off:
        return result
    return dataclasses.replace(
        result,
        differences=[each for each in result.differences if each not in off],
        skips=[*result.skips, *(Skip(each.array, f"{entry.name}: off there") for each in off)],
        not_captured=(*result.not_captured, entry.name),
    )


def unneeded(spec: LayerSpec, cases: Iterable[Case], results: Iterable[Result]) -> Iterator[str]:
    """What is wrong with the table after a run of a layer, a line each.

    Args:
        spec: the layer.
        cases: its cases.
        results: what came of those that were run. An entry can be told where one of its own was.
    """
    named = {case.name: case for case in cases}
    found = list(results)
    for entry in TABLE:
        for backend in sorted(entry.backends):
            own = [
                each
                for each in found
                if each.backend == backend
                and not each.error
                and entry.holds(spec.name, backend, named[each.case], each.arithmetic)
            ]
            if own and not any(entry.name in each.not_captured for each in own):
                yield (
                    f"{spec.name}: no case on {backend} needs {entry.name!r} of "
                    "parity/checks/expected_capture_failures.py any more: remove the layer or the "
                    "backend from it"
                )
