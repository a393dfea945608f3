"""Runs a case of the port against an oracle."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from leaf_port.errors import LeafError
from parity import compare, port, rounding
from parity.compare import Difference
from parity.oracles import recorded
from parity.spec import Answer, Case, ErrorCase, LayerSpec


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one case in one arithmetic.

    Attributes:
        spec: the declaration.
        case: the case.
        arithmetic: of the port's filters; None where it has no choice.
        differences: one an array.
        error: what was raised instead of an answer.
    """

    spec: LayerSpec
    case: Case
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
        return f"python -m parity run --layer {self.spec.name} --case '{self.case.name}'"


def arithmetics(spec: LayerSpec) -> Sequence[str | None]:
    """The arithmetics to run a layer in."""
    return spec.arithmetics or (None,)


def check(spec: LayerSpec, case: Case, arithmetic: str | None, recording: recorded.Recording) -> Result:
    """Compares the port's float32 answer with the recorded one."""
    question = port.ask(spec, case)
    expected = recording.answer(spec, question)
    got = port.answer(spec, question, port.Run(arithmetic=arithmetic))
    _, unit = rounding.units(spec, question, arithmetic)
    _drop_weights_that_were_given(got, expected, case)
    weights = spec.weights(case.config)
    drawn = {f"initial/{path}" for path, weight in weights.items() if weight.random}
    return Result(
        spec, case, arithmetic, compare.compare(got, expected, unit, spec.budget, drawn)
    )


def _drop_weights_that_were_given(got: Answer, expected: Answer, case: Case) -> None:
    """Initial weights are compared in the cases that run with them."""
    if not case.initial:
        got.initial, expected.initial = {}, {}


def check_all(spec: LayerSpec, only: str | None = None) -> Iterator[Result]:
    """All cases of a layer in all arithmetics, or the one named."""
    recording = recorded.load(spec)
    for case in spec.cases():
        if only is not None and case.name != only:
            continue
        for arithmetic in arithmetics(spec):
            try:
                yield check(spec, case, arithmetic, recording)
            except Exception as error:  # told with its case; the other cases still run
                what = f"raised {type(error).__name__}: {error}"
                yield Result(spec, case, arithmetic, error=what)


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
