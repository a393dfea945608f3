"""A case with its official and its exact answer: the four checks of what the port answers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np

from parity.checks import compare, expected_divergences, gradients, ground_truth, monte_carlo
from parity.checks.compare import Difference, Rounded
from parity.checks.expected_divergences import NON_FINITE
from parity.checks.gradients import Skip
from parity.checks.ground_truth import COMPARED, compared_part
from parity.oracles import exact_answer
from parity.port import runner
from parity.port.backends import CPU, Backend
from parity.spec import Answer, Array, Budget, Case, LayerSpec, Question

Compared = tuple[list[Difference], tuple[str, ...], list[Skip]]
"""Differences, the divergences that explain some, and what is not compared, with the reason."""


@dataclasses.dataclass(frozen=True)
class CheckedCase:
    """What the port's answers to one case are compared with.

    Attributes:
        spec: the declaration.
        question: the case with its numbers.
        official: the official answer, as far as it is compared.
        truth: the exact answer, with the unit of rounding of each element, of the official side
            too where that differs.
    """

    spec: LayerSpec
    question: Question
    official: Answer
    truth: Rounded

    @property
    def case(self) -> Case:
        """The case."""
        return self.question.case

    def port_to_exact(self, answer: Answer, backend: Backend) -> list[Difference]:
        """Check 1: the port's float32 answer is within its budget of the exact one."""
        budget = self._budget(backend)
        bounds = budget.port.allowed, budget.port_gradient.allowed
        return self._side(compare.PORT, answer, self._port_truth(self.truth, backend), *bounds)

    def official_to_exact(self) -> list[Difference]:
        """Check 2: the official answer is within its budget of the exact one."""
        budget = self._budget(CPU)
        bounds = budget.reference.allowed, budget.reference_gradient.allowed
        return self._side(compare.REFERENCE, self.official, self.truth.of_official, *bounds)

    def port_to_official(self, answer: Answer, run: runner.Run) -> Compared:
        """Check 3: the port's answer is within its budget of the official one.

        Where it is not, the expected divergences of the case are tried one after the other: the
        port answers as the official code does, and that is compared.
        """
        ours = self.official.pick(answer.arrays())
        found, needed, skips = self._compared(ours, self.truth, run), list[str](), list[Skip]()
        for entry in expected_divergences.of(self.spec, self.case):
            if all(difference.ok for difference in found):
                break
            needed.append(entry.name)
            context = entry.like_official()
            like = self.official.pick(self._like_official(context, run).arrays())
            ours = expected_divergences.nearest(ours, like, self.official, context.undetermined)
            within = monte_carlo.units(
                self.spec, self.question, run.arithmetic, within=entry.like_official
            )
            truth = ground_truth.at_least_rounded(within, self.official)
            found = [_without_distance(each) for each in self._compared(ours, truth, run)]
            if context.undetermined:
                skips = [
                    Skip(each.array, f"it is not finite, as the known divergence {entry.name} says")
                    for each in found
                ]
        return found, tuple(needed), skips

    def float64_to_exact(self, arrays: Mapping[str, Array]) -> list[Difference]:
        """Check 4: the port's float64 answer is the exact one, to the rounding of float64."""
        truth = self._where_finite(arrays, self.truth)
        unit = 1.0 if self.spec.exceptions.answers_in_double else compare.DOUBLE_UNIT
        allowed = self.spec.budget.double.allowed
        return [
            compare.to_exact(compare.DOUBLE, name, got, truth, allowed, unit)
            for name, got in arrays.items()
            if name.startswith(COMPARED)
        ]

    def gradients_to_exact(self, port_float64: Rounded) -> tuple[list[Difference], list[Skip]]:
        """The float64 port's gradients against differences of the exact oracle."""
        ours = {
            name.removeprefix("gradients/"): array
            for name, array in port_float64.exact.items()
            if name.startswith("gradients/")
        }
        if self.case.signal in NON_FINITE:
            return [], [Skip(f"gradients/{name}", "the input is not finite") for name in ours]
        pinned = exact_answer.pinned(self.question, self.official)
        return gradients.confirm(self.spec, pinned, exact_answer.given(pinned), ours, self.truth)

    def _budget(self, backend: Backend) -> Budget:
        budget = self.spec.budget_of(self.case)
        return budget.off_the_cpu() if backend.own_order else budget

    def _port_truth(self, truth: Rounded, backend: Backend) -> Rounded:
        """With the port's units: off the CPU, of other libraries' transforms too, as its bounds."""
        budget = self.spec.budget_of(self.case)
        return ground_truth.wider(truth, budget.bounds) if backend.own_order else truth

    def _where_finite(self, arrays: Mapping[str, Array], truth: Rounded) -> Rounded:
        finite = self.case.signal not in NON_FINITE
        return truth if finite else ground_truth.where_both_finite(arrays, truth)

    def _side(
        self, check: str, answer: Answer, truth: Rounded, forward: float, gradient: float
    ) -> list[Difference]:
        """The distance of one side's arrays from the exact ones."""
        masks = self.spec.exceptions.ties(self.case.config)
        ties = answer.pick({f"gradients/{name}": mask for name, mask in masks.items()})
        truth = self._where_finite(answer.arrays(), ground_truth.picked(truth, answer))
        return [
            compare.to_exact(
                check,
                name,
                np.where(ties[name], truth.exact[name], got) if name in ties else got,
                truth,
                gradient if name.startswith("gradients/") else forward,
            )
            for name, got in answer.arrays().items()
            if name.startswith(COMPARED) and name in truth.exact
        ]

    def _compared(
        self, ours: Mapping[str, Array], truth: Rounded, run: runner.Run
    ) -> list[Difference]:
        weights = self.spec.weights(self.case.config)
        drawn = {f"initial/{path}" for path, weight in weights.items() if weight.random}
        budget = self._budget(run.backend)
        apart = ground_truth.between(self._port_truth(truth, run.backend), budget.bounds)
        return compare.compare(ours, self.official, apart, budget, drawn)

    def _like_official(self, context: expected_divergences.LikeOfficial, run: runner.Run) -> Answer:
        """The port's answer in a context in which it does as the official code does."""
        like = dataclasses.replace(run, noise=functools.partial(_itself, context))
        if run.backend.capture is not None:  # no graph holds it: it is a context of each operation
            like = dataclasses.replace(like, backend=CPU)
        return compared_part(runner.answer(self.spec, self.question, like), self.case)


def _itself(context: expected_divergences.LikeOfficial) -> expected_divergences.LikeOfficial:
    return context


def _without_distance(difference: Difference) -> Difference:
    """Clears the distances to the exact answer, which mean nothing for an expected divergence."""
    return dataclasses.replace(difference, port_to_exact=0.0, official_to_exact=0.0)
