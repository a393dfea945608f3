"""Runs a case of the port against an oracle."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import torch

from leaf_port.errors import LeafError
from parity import compare, port, rounding
from parity.compare import Difference
from parity.layers import all_specs
from parity.oracles import recorded
from parity.spec import Answer, Case, ErrorCase, LayerSpec


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one case in one arithmetic.

    Attributes:
        layer: name of the declaration.
        case: name of the case.
        arithmetic: of the port's filters; None where it has no choice.
        differences: one an array.
        error: what was raised instead of an answer.
    """

    layer: str
    case: str
    arithmetic: str | None
    differences: Sequence[Difference] = ()
    error: str = ""

    @property
    def failures(self) -> list[str]:
        """What is wrong, a line each; empty when all is well."""
        lines = [f"{d.array}: {d.aspect}: {d.message}" for d in self.differences if not d.ok]
        return lines + [self.error] * bool(self.error)

    @property
    def again(self) -> str:
        """The command that runs this case alone."""
        return f"python -m parity run --layer {self.layer} --case '{self.case}'"


def arithmetics(spec: LayerSpec) -> Sequence[str | None]:
    """The arithmetics to run a layer in."""
    return spec.arithmetics or (None,)


def check(
    spec: LayerSpec,
    case: Case,
    recording: recorded.Recording,
    rounded: compare.Rounded | None = None,
) -> Iterator[Result]:
    """Compares the port's float32 answers, in each arithmetic, with the recorded one.

    Args:
        spec: the declaration.
        case: one of its cases.
        recording: of the layer.
        rounded: float64 answer and units of rounding, where they are at hand already.
    """
    question = port.ask(spec, case)
    expected = recording.answer(spec, question)
    if rounded is None:
        rounded = rounding.units(spec, question, arithmetics(spec)[0])
    drawn = {
        f"initial/{path}" for path, weight in spec.weights(case.config).items() if weight.random
    }
    for arithmetic in arithmetics(spec):
        got = port.answer(spec, question, port.Run(arithmetic=arithmetic))
        _drop_weights_that_were_given(got, case)
        differences = compare.compare(got, expected, rounded, spec.budget, drawn)
        yield Result(spec.name, case.name, arithmetic, differences)


def _drop_weights_that_were_given(got: Answer, case: Case) -> None:
    """Initial weights are compared in the cases that run with them; recordings hold no others."""
    if not case.initial:
        got.initial = {}


def check_named(layer: str, case_name: str) -> list[Result]:
    """The results of one case, found by names: what a worker process is asked."""
    spec = all_specs()[layer]
    case = next(each for each in spec.cases() if each.name == case_name)
    torch.set_num_threads(1)
    return list(checked(spec, case))


def checked(
    spec: LayerSpec,
    case: Case,
    recording: recorded.Recording | None = None,
    rounded: compare.Rounded | None = None,
) -> Iterator[Result]:
    """:func:`check`, where an exception is a failing result; the other cases still run."""
    try:
        yield from check(spec, case, recording or recorded.load(spec), rounded)
    except Exception as error:
        what = f"raised {type(error).__name__}: {error}"
        yield Result(spec.name, case.name, None, error=what)


def check_error(error_case: ErrorCase) -> str | None:
    """None if the port refuses with a LeafError about the declared argument; else what happened."""
    try:
        error_case.act()
    except LeafError as error:
        if error.argument == error_case.argument:
            return None
        return f"the error names {error.argument}, not {error_case.argument}: {error}"
    except Exception as error:
        return f"{error_case.argument}: raised {type(error).__name__}, not LeafError: {error}"
    return f"{error_case.argument}: accepted"
