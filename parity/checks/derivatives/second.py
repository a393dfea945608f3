"""Second order: two ways to ``w (H u)``, and the difference of first gradients.

``H`` are the second derivatives of a loss of the layer's outputs. The gradient of a gradient is
compared with the derivative of a gradient in forward mode, and with
``w (g(x + h u) - g(x - h u)) / 2h``, which needs first gradients alone.

A central difference of step ``h`` is off by ``c h^2``; with a kink within the step, by ``c / h``.
Of two steps, the smaller an eighth of the other, it is at most 8/7 times as far off as they are
apart: twice that is allowed, and what rounding does to ``g``, over the step.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from parity.checks.derivatives import ways
from parity.checks.derivatives.asked import Asked, Found
from parity.checks.derivatives.function import Values
from parity.checks.derivatives.rounding import Sum, total

STEPS = tuple(2.0**-power for power in (21, 18, 15, 12))

# A difference that step and rounding may take off by more than this part of it tells nothing.
VAGUE = 2.0**-9


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference of gradients, and how far step and rounding may take it."""

    value: float
    off: float


def check(asked: Asked) -> Found:
    """Of every name, along a direction of all of them."""
    along, by = asked.direction(1), asked.direction(2)
    if not along:
        return Found("")
    reverse = _sums(asked, by, *(ways.reverse_over_reverse(f, along) for f in asked.both))
    forward = _sums(asked, by, *(ways.forward_over_reverse(f, along) for f in asked.both))
    for name in by:
        if problem := _apart(reverse[name], forward[name]):
            return Found(f"{name}: {problem}")
    told = {name for name in by if reverse[name].tells}
    return _confirmed(asked, along, by, {name: reverse[name] for name in told})


def _sums(asked: Asked, by: Values, double: Values, single: Values) -> dict[str, Sum]:
    return {name: total(double[name], single[name], by[name]) for name in by}


def _apart(reverse: Sum, forward: Sum) -> str:
    allowed = reverse.rounding + forward.rounding
    if abs(reverse.value - forward.value) <= allowed:
        return ""
    return (
        f"{forward.value!r} by forward over reverse mode, {reverse.value!r} by reverse over "
        f"reverse mode: rounding allows {allowed:.1e}"
    )


def _confirmed(asked: Asked, along: Values, by: Values, sums: dict[str, Sum]) -> Found:
    """Whether some step agrees with each, of those that tell anything."""
    left, problems = dict(sums), dict[str, str]()
    for differences in _differences(asked, along, by):
        for name, second in list(left.items()):
            difference = differences[name]
            if not difference.off <= VAGUE * second.size:
                continue
            allowed = difference.off + second.rounding
            if abs(difference.value - second.value) <= allowed:
                del left[name]
                problems.pop(name, None)
            else:
                problems[name] = (
                    f"{name}: {second.value!r}, by differences of the first gradient "
                    f"{difference.value!r}: step and rounding allow {allowed:.1e}"
                )
        if not left:
            break
    return Found(next(iter(problems.values()), ""), frozenset(sums.keys() - left.keys()))


def _differences(asked: Asked, along: Values, by: Values) -> Iterator[dict[str, Difference]]:
    """By name, of each step but the last: the next tells how far it is off."""
    first = _sums(asked, by, *(ways.gradient(f, {}) for f in asked.both))
    slopes = (_slopes(asked, step, along, by) for step in STEPS)
    for step, (fine, coarse) in zip(STEPS, itertools.pairwise(slopes), strict=False):
        yield {
            name: Difference(
                fine[name], 2.0 * abs(fine[name] - coarse[name]) + first[name].rounding / step
            )
            for name in by
        }


def _slopes(asked: Asked, step: float, along: Values, by: Values) -> dict[str, float]:
    ahead, behind = (
        ways.gradient(asked.double, {name: sign * step * u for name, u in along.items()})
        for sign in (1.0, -1.0)
    )
    return {n: ((ahead[n] - behind[n]) * by[n]).sum().item() / (2.0 * step) for n in by}
