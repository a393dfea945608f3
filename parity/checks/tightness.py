"""Whether budgets are tight: what they allow beside the most that a run used of them.

A bound that is many times what any case needs hides what it should show. It may be at most three
times the worst of a run over all recorded cases, on this machine or on any whose run was kept
(``parity/checks/worst_values.py``); of a layer whose worst case was found by drawing, that case is
recorded too (``Sampling.explicit``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from parity.checks.case_checks import Result
from parity.checks.compare import DOUBLE, PORT, REFERENCE
from parity.oracles import recorded
from parity.port.backends import CPU
from parity.spec import Case, LayerSpec
from parity.spec.budget import ELSEWHERE, NEVER_LOOSE, NOT_RECORDED, Budget

LOOSEST = 3.0

Place = tuple[bool, str, str]  # adverse, check, forward or gradient


@dataclasses.dataclass(frozen=True)
class Used:
    """What a run used of one bound.

    Attributes:
        layer: name of the declaration.
        adverse: whether it is of the budget for inputs that are not plain.
        check: which of the four checks.
        kind: ``forward``, ``gradient``, or ``both`` where one bound is for both.
        allowed: the bound, in units.
        worst: the greatest distance that the run saw, in units.
        case: where.
    """

    layer: str
    adverse: bool
    check: str
    kind: str
    allowed: float
    worst: float = 0.0
    case: str = ""

    @property
    def loose(self) -> bool:
        """Whether it allows far more than the run needed."""
        return self.allowed > max(LOOSEST * self.worst, NEVER_LOOSE)

    @property
    def message(self) -> str:
        """What is wrong with a loose one."""
        budget = "adverse budget" if self.adverse else "budget"
        seen = f"{self.worst:.4g} ({self.case})" if self.case else "nothing to compare"
        return (
            f"{self.layer}: {budget}, {self.check}, {self.kind}: {self.allowed:g} units are "
            f"allowed, and the worst of all machines is {seen}: tighten it to twice that, or "
            f"record the case that needs it"
        )


def _judged(budget: Budget) -> Iterator[tuple[str, str, float]]:
    """The bounds whose worst value a run over all recorded cases sees again."""
    bounds = {
        (PORT, "forward"): budget.port,
        (PORT, "gradient"): budget.port_gradient,
        (REFERENCE, "forward"): budget.reference,
        (REFERENCE, "gradient"): budget.reference_gradient,
    }
    for (check, kind), bound in bounds.items():
        if not bound.at.startswith((NOT_RECORDED, ELSEWHERE)):
            yield check, kind, bound.allowed


def used(
    spec: LayerSpec, results: Sequence[Result], cases: Sequence[Case] | None = None
) -> list[Used]:
    """What a run of all recorded cases of a layer on the CPU used of each of its bounds.

    Args:
        spec: the declaration.
        results: of the run.
        cases: the cases that were run; those that are recorded of the layer by default.
    """
    found: dict[Place, Used] = {}
    for adverse, budget in ((False, spec.budget), (True, spec.exceptions.adverse)):
        for check, kind, allowed in () if budget is None else _judged(budget):
            found[adverse, check, kind] = Used(spec.name, adverse, check, kind, allowed)
    double = spec.budget.double
    if not double.at.startswith((NOT_RECORDED, ELSEWHERE)):
        found[False, DOUBLE, "both"] = Used(spec.name, False, DOUBLE, "both", double.allowed)
    run = recorded.cases(spec) if cases is None else cases
    signals = {case.name: case.signal for case in run}
    for result in results:
        if result.backend != CPU.name:
            continue
        adverse = spec.exceptions.adverse is not None and signals[result.case] != "plain"
        for difference in result.differences:
            place = (adverse, difference.check, difference.kind)
            if difference.check == DOUBLE:
                place = (False, DOUBLE, "both")
            if place in found and found[place].worst < difference.units:
                found[place] = dataclasses.replace(
                    found[place], worst=difference.units, case=result.case
                )
    return list(found.values())
