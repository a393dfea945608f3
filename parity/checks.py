"""Runs a case of the port against the oracles: the four checks, and the one of gradients.

1. The port's float32 answer is within its budget of the exact one.
2. The official answer is within its budget of the exact one, which ties the oracle to the official
   code.
3. The port's answer is within its budget of the official one, directly.
4. The port in float64 is the exact oracle's answer, to the rounding of float64.

Outputs and moving statistics are the exact oracle's own. Gradients are the float64 port's, once
differences of the exact oracle have confirmed them on that very case (``parity/slopes.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from leaf_port.errors import LeafError
from parity import compare, exactness, port, rounding, slopes
from parity.compare import Difference, Rounded
from parity.layers import all_specs
from parity.oracles import recorded
from parity.slopes import Skip
from parity.spec import Answer, Array, Case, Config, ErrorCase, LayerSpec, Question


class Oracle(Protocol):
    """Gives official answers: recorded or live ones."""

    def answer(self, spec: LayerSpec, question: Question) -> Answer:
        """The official answer to a question; initial weights where the case runs with them."""
        ...


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one case in one arithmetic.

    Attributes:
        layer: name of the declaration.
        case: name of the case.
        arithmetic: of the port's filters; None where it has no choice.
        differences: one an array and check.
        skips: gradients that could not be confirmed, with the reason.
        single: why the port has no float64 answer to compare; empty where it was compared.
        error: what was raised instead of an answer.
    """

    layer: str
    case: str
    arithmetic: str | None
    differences: Sequence[Difference] = ()
    skips: Sequence[Skip] = ()
    single: str = ""
    error: str = ""

    @property
    def failures(self) -> list[str]:
        """What is wrong, a line each; empty when all is well."""
        lines = [
            f"{d.check}: {d.array}: {d.aspect}: {d.message}" for d in self.differences if not d.ok
        ]
        return lines + [self.error] * bool(self.error)

    @property
    def again(self) -> str:
        """The command that runs this case alone."""
        return f"python -m parity run --layer {self.layer} --case '{self.case}'"


def arithmetics(spec: LayerSpec) -> Sequence[str | None]:
    """The arithmetics to run a layer in."""
    return spec.arithmetics or (None,)


def check(spec: LayerSpec, case: Case, oracle: Oracle) -> Iterator[Result]:
    """All checks of a case, in each arithmetic of the port."""
    question = port.ask(spec, case)
    official = oracle.answer(spec, question)
    pinned = exactness.pinned(question, official)
    doubled = rounding.units(spec, pinned, arithmetics(spec)[0])
    rounded = exact(spec, pinned, doubled)
    once, skips = _once(spec, pinned, official, doubled, rounded)
    single = spec.single(case.config)
    for index, (arithmetic, differences) in enumerate(_port(spec, question, official, rounded)):
        if index == 0:
            differences += once
        elif not single:
            run = port.Run(torch.float64, arithmetic)
            differences += _double(spec, port.answer(spec, pinned, run).arrays(), rounded)
        told = skips if index == 0 else []
        yield Result(spec.name, case.name, arithmetic, differences, told, single)


def _port(
    spec: LayerSpec, question: Question, official: Answer, rounded: Rounded
) -> Iterator[tuple[str | None, list[Difference]]]:
    """What the port's float32 answers differ from the official and the exact one."""
    case = question.case
    weights = spec.weights(case.config)
    drawn = {f"initial/{path}" for path, weight in weights.items() if weight.random}
    for arithmetic in arithmetics(spec):
        got = port.answer(spec, question, port.Run(arithmetic=arithmetic))
        _drop_weights_that_were_given(got, case)
        differences = compare.compare(got, official, rounded, spec.budget, drawn)
        differences += _side(compare.PORT, spec, case.config, got, rounded)
        yield arithmetic, differences


def check_port(
    spec: LayerSpec, case: Case, recording: recorded.Recording, rounded: Rounded
) -> Iterator[Result]:
    """The checks of the port's float32 answers alone, with what :func:`ready` gives.

    An exception is a failing result.
    """
    try:
        question = port.ask(spec, case)
        official = recording.answer(spec, question)
        for arithmetic, differences in _port(spec, question, official, rounded):
            yield Result(spec.name, case.name, arithmetic, differences)
    except Exception as error:
        yield Result(spec.name, case.name, None, error=f"raised {type(error).__name__}: {error}")


def ready(spec: LayerSpec, case: Case, recording: recorded.Recording) -> tuple[Question, Rounded]:
    """The question of a case and its exact answer, with the units of rounding."""
    question = port.ask(spec, case)
    pinned = exactness.pinned(question, recording.answer(spec, question))
    return question, exact(spec, pinned, rounding.units(spec, pinned, arithmetics(spec)[0]))


_OWN = ("output/", "state/")  # what the exact oracle answers by itself
_TO_EXACT = (*_OWN, "gradients/")


def exact(spec: LayerSpec, pinned: Question, doubled: Rounded) -> Rounded:
    """The exact arrays of a question: the independent oracle's in the place of the port's.

    Where both sides answer in float64 (leaf_audio/utils.py), the units are those of float64.
    """
    answer = exactness.answer(spec, pinned).arrays()
    own = {name for name in doubled.exact if name.startswith(_OWN)}
    if own != set(answer):
        raise ValueError(f"{spec.name}: the exact oracle gives {sorted(answer)}, not {sorted(own)}")
    units = dict(doubled.units)
    if spec.answers_in_double:
        units |= {name: units[name] * compare.DOUBLE_UNIT for name in own}
    return Rounded(doubled.exact | answer, units)


def _side(
    check: str, spec: LayerSpec, config: Config, answer: Answer, rounded: Rounded
) -> list[Difference]:
    """The distance of one side's arrays from the exact ones."""
    ties = {f"gradients/{name}": mask for name, mask in spec.ties(config).items()}
    budget, ours = spec.budget, check == compare.PORT
    forward = (budget.port if ours else budget.reference).allowed
    gradient = (budget.port_gradient if ours else budget.reference_gradient).allowed
    return [
        compare.to_exact(
            check,
            name,
            np.where(ties[name], rounded.exact[name], got) if name in ties else got,
            rounded,
            gradient if name.startswith("gradients/") else forward,
        )
        for name, got in answer.arrays().items()
        if name.startswith(_TO_EXACT) and name in rounded.exact
    ]


def _double(spec: LayerSpec, arrays: Mapping[str, Array], rounded: Rounded) -> list[Difference]:
    """The port's float64 arrays and the exact ones."""
    unit = 1.0 if spec.answers_in_double else compare.DOUBLE_UNIT
    return [
        compare.to_exact(compare.DOUBLE, name, got, rounded, compare.DOUBLE_ALLOWED, unit)
        for name, got in arrays.items()
        if name.startswith(_TO_EXACT)
    ]


def _once(
    spec: LayerSpec, pinned: Question, official: Answer, doubled: Rounded, rounded: Rounded
) -> tuple[list[Difference], list[Skip]]:
    """What concerns a case and no arithmetic: the official answer, float64, gradients."""
    differences = _side(compare.REFERENCE, spec, pinned.case.config, official, rounded)
    if not spec.single(pinned.case.config):
        own = {name: array for name, array in doubled.exact.items() if name.startswith(_OWN)}
        differences += _double(spec, own, rounded)
    gradients = {
        name.removeprefix("gradients/"): array
        for name, array in doubled.exact.items()
        if name.startswith("gradients/")
    }
    found, skips = slopes.confirm(spec, pinned, exactness.given(pinned), gradients, rounded)
    return differences + found, skips


def _drop_weights_that_were_given(got: Answer, case: Case) -> None:
    """Initial weights are compared in the cases that run with them; recordings hold no others."""
    if not case.initial:
        got.initial = {}


def check_named(layer: str, case_name: str) -> list[Result]:
    """The results of one case, found by names: what a worker process is asked."""
    spec = all_specs()[layer]
    case = next(each for each in spec.cases() if each.name == case_name)
    torch.set_num_threads(1)
    try:
        return list(check(spec, case, recorded.load(spec)))
    except Exception as error:  # told with its case; the other cases still run
        what = f"raised {type(error).__name__}: {error}"
        return [Result(layer, case_name, None, error=what)]


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
