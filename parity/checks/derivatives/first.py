"""Forward mode against reverse mode: ``v (J u)`` is ``(v J) u``."""

from __future__ import annotations

from parity.checks.derivatives import ways
from parity.checks.derivatives.asked import Asked, Found
from parity.checks.derivatives.function import Values
from parity.checks.derivatives.rounding import Sum, totals


def check(asked: Asked) -> Found:
    """Of all that is differentiated at once; where that is off, one by one, to name it.

    Each moves the answer equally, so that none hides behind another.
    """
    sizes = {name: asked.slopes[name].size for name in asked.telling}
    equal = {name: step / sizes[name] for name, step in asked.direction(1).items()}
    if not equal:
        return Found("")
    if problem := _apart(asked, equal):
        each = (_apart(asked, {name: step}) for name, step in equal.items())
        return Found(next(filter(None, each), problem))
    return Found("", frozenset(equal))


def _apart(asked: Asked, direction: Values) -> str:
    each = (asked.slopes[name] for name in direction)
    backwards = sum((one.times(1.0 / one.size) for one in each), start=Sum(0.0, 0.0, 0.0))
    forwards = _forwards(asked, direction)
    allowed = forwards.rounding + backwards.rounding
    if abs(forwards.value - backwards.value) <= allowed:
        return ""
    return (
        f"{', '.join(direction)}: {forwards.value!r} by forward mode, {backwards.value!r} by "
        f"reverse mode: rounding allows {allowed:.1e}"
    )


def _forwards(asked: Asked, direction: Values) -> Sum:
    double, single = (ways.forward(f, direction) for f in asked.both)
    return totals(zip(double, single, asked.double.cotangents(double), strict=True))
