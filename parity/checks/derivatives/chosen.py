"""Which cases of a declaration its derivatives are asked in: few, small, and telling."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from parity.checks.derivatives.asked import Asked
from parity.checks.invariants.generic import once_each
from parity.spec import Case, LayerSpec
from parity.spec.random_arrays import Source

# How many numbers go in. In a case of very few (a single frame, a single tap) much of a layer does
# nothing, and one of many takes long: such are asked only where a layer has no other.
FEW = 16
MOST = 750


def chosen(spec: LayerSpec) -> list[Asked]:
    """For each choice that a declaration has, a small case, in each arithmetic.

    A choice is what is no size: names, switches, training. A case is passed over for a larger one
    in which more of the inputs and weights move the answer; a choice is left out where no answer is
    finite (some are asked to see that NaN stays NaN) or nothing is differentiated, unless that is
    so of all of them.
    """
    first = spec.arithmetics[0] if spec.arithmetics else None
    found = [_most_telling(Asked(spec, case, first) for case in each) for each in _choices(spec)]
    some = [each for each in found if each.finite and each.double.watched] or found[:1]
    return [
        asked if arithmetic == asked.arithmetic else Asked(spec, asked.case, arithmetic)
        for asked in some
        for arithmetic in spec.arithmetics or (None,)
    ]


def _most_telling(cases: Iterator[Asked]) -> Asked:
    """The first in which all that is watched moves the answer, or as much of it as in any."""
    best = next(cases)
    while not best.finite or len(best.telling) < len(best.double.watched):
        asked = next(cases, None)
        if asked is None:
            break
        if asked.finite and (not best.finite or len(asked.telling) > len(best.telling)):
            best = asked
    return best


def _choices(spec: LayerSpec) -> list[list[Case]]:
    """The cases by choice, the smallest first."""
    every = sorted(_cases(spec), key=lambda case: _order(spec, case))
    small = [case for case in every if FEW <= _size(spec, case) <= MOST] or every[:1]
    found: dict[object, list[Case]] = {}
    for case in small:
        found.setdefault(_choice(case), []).append(case)
    return list(found.values())


def _cases(spec: LayerSpec) -> Iterator[Case]:
    for case in once_each(spec):
        yield case
        if spec.training:
            yield dataclasses.replace(case, training=True)


def _size(spec: LayerSpec, case: Case) -> int:
    return sum(array.size for array in spec.inputs(case.config, Source(0)).values())


def _order(spec: LayerSpec, case: Case) -> tuple[bool, int]:
    size = _size(spec, case)
    return size < FEW, size


def _choice(case: Case) -> object:
    named = {
        key: value
        for key, value in case.config.items()
        if value is None or isinstance(value, (str, bool))
    }
    return case.training, tuple(sorted(named.items()))
