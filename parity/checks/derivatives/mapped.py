"""``vmap`` over stacked inputs, over stacked weights and over both, against a loop.

Of each sample the outputs, the statistics that a call in training moves, and the gradients, which
``torch.func.grad`` takes inside. Each sample has its own statistics, whatever else is stacked: one
can't move what it shares with others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.func import grad, vmap

from parity.checks.derivatives.asked import Asked, Found
from parity.checks.derivatives.function import Function, Values
from parity.checks.derivatives.rounding import DROWNED, of_norm
from parity.port import runner

INPUTS, WEIGHTS, STATE = "inputs", "weights", "state"
SAMPLES = 2
FAR = 104729  # from one sample's draw to the next: beyond what is declared

# A loop inside torch, where an operation has no rule: slow, not wrong.
_SLOW = "There is a performance drop because we have not yet implemented the batching rule"


class _Loop:
    """The samples one by one, each once.

    Attributes:
        samples: the numbers of each, by name.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        draws = [asked.case.draw + FAR * index for index in range(SAMPLES)]
        cases = [dataclasses.replace(asked.case, draw=draw) for draw in draws]
        self.samples = [asked.double.read(runner.ask(asked.spec, case)) for case in cases]
        self._answers: dict[tuple[int, ...], tuple[Values, Values]] = {}

    def answer(self, index: int, stacked: set[str]) -> tuple[Values, Values]:
        """That of a sample, in float64 and in float32: what is not stacked is the first one's."""
        which = {kind: index if kind in stacked else 0 for kind in (INPUTS, WEIGHTS, STATE)}
        key = tuple(which.values())
        if key not in self._answers:
            kinds = kinds_of(self._asked.double).items()
            double = {name: self.samples[which[kind]][name] for name, kind in kinds}
            own = self._asked.single.values
            single = {name: value.to(own[name].dtype) for name, value in double.items()}
            given = zip(self._asked.both, (double, single), strict=True)
            one, other = (of_sample(f, values) for f, values in given)
            self._answers[key] = one, other
        return self._answers[key]


def kinds_of(f: Function) -> dict[str, str]:
    """What each of the numbers is."""
    weights = {name: WEIGHTS for name in f.values if name.startswith("weight/")}
    return dict.fromkeys(f.values, INPUTS) | weights | dict.fromkeys(f.state, STATE)


def of_sample(f: Function, given: Mapping[str, Tensor]) -> Values:
    """Outputs, moved statistics and gradients by name."""
    rest = {**f.values, **given}
    watched = {name: rest.pop(name) for name in f.watched}

    def loss(watched: Values, rest: Values) -> tuple[Tensor, tuple[list[Tensor], list[Tensor]]]:
        outputs, state = f.answered({**rest, **watched})
        return f.loss(outputs), (outputs, state)

    gradients, (outputs, state) = grad(loss, has_aux=True)(watched, rest)
    found = {f"output/{index}": output for index, output in enumerate(outputs)}
    found |= {f"moved {name}": moved for name, moved in zip(f.state, state, strict=True)}
    return {**found, **gradients}


def check(asked: Asked) -> Found:
    """All ways to stack; the first problem."""
    loop, told = _Loop(asked), frozenset[str]()
    there = set(kinds_of(asked.double).values())
    for stacked in ({INPUTS}, {WEIGHTS}, {INPUTS, WEIGHTS}):
        if stacked <= there:
            found = _stacked(asked, loop, stacked | {STATE})
            if found.problem:
                return found
            told |= found.told
    return Found("", told)


def _stacked(asked: Asked, loop: _Loop, stacked: set[str]) -> Found:
    names = [name for name, kind in kinds_of(asked.double).items() if kind in stacked]
    stack = {name: torch.stack([sample[name] for sample in loop.samples]) for name in names}
    with _silent():
        mapped = vmap(functools.partial(of_sample, asked.double))(stack)
    told = set[str]()
    answers = [loop.answer(index, stacked) for index in range(SAMPLES)]
    for index, (double, single) in enumerate(answers):
        other = answers[index - 1][0]
        for name, wanted in double.items():
            allowed = 2.0 * of_norm(wanted, single[name])  # either is rounded
            if not (apart := _norm(mapped[name][index] - wanted)) <= allowed:
                head = f"{name} of sample {index}, {' and '.join(sorted(stacked))} stacked"
                return Found(f"{head}: {apart:.1e} from the loop's, rounding allows {allowed:.1e}")
            if allowed < DROWNED * _norm(other[name] - wanted):  # a sample for another shows
                told.add(name)
    return Found("", frozenset(told))


def _norm(of: Tensor) -> float:
    return torch.linalg.vector_norm(of).item()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_SLOW)
        yield
