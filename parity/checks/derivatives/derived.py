"""All derivatives of a declaration, and what came of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import torch

from parity.checks.derivatives import first, mapped, second
from parity.checks.derivatives.asked import Asked, Found
from parity.checks.derivatives.chosen import chosen
from parity.spec import LayerSpec
from parity.spec.without_derivative import FORWARD, KINDS, MAPPED, NOTHING, SECOND, Without

CHECKS: Mapping[str, Callable[[Asked], Found]] = {
    FORWARD: first.check,
    SECOND: second.check,
    MAPPED: mapped.check,
}


@dataclasses.dataclass(frozen=True)
class Derived:
    """What came of a kind of derivatives.

    Attributes:
        layer: name of the declaration.
        kind: of derivatives: one of ``parity.spec.without_derivative.KINDS``.
        problem: what is off; empty where nothing is.
        without: why the layer has none of this kind; empty where it has.
    """

    layer: str
    kind: str
    problem: str
    without: str = ""


def _found(kind: str, asked: Asked) -> Found:
    """What a check found; an exception is a problem."""
    if not asked.double.watched:
        return Found(NOTHING)
    try:
        return CHECKS[kind](asked)
    except Exception as error:
        return Found(f"raised {type(error).__name__}: {error}")


def _foretold(entry: Without, found: Found) -> str:
    """How a declared exception does not apply; empty where it does."""
    if not found.problem:
        return f"declared to be without it ({entry.reason}), but has it"
    if entry.told not in found.problem:
        return f"declared to be without it for {entry.told!r}, but {found.problem}"
    return ""


def check(spec: LayerSpec, kind: str, cases: Sequence[Asked]) -> Derived:
    """A kind of derivatives in all cases: the first problem."""
    entries = [entry for entry in spec.exceptions.without if kind in entry.kinds]
    met, asked_of, told = list[Without](), set[str](), set[str]()
    for asked in cases:
        found = _found(kind, asked)
        entry = next((each for each in entries if each.where(asked.case.config)), None)
        problem = _foretold(entry, found) if entry else found.problem
        if problem:
            return Derived(spec.name, kind, f"{asked.name}: {problem}")
        met += [entry] if entry else []
        asked_of |= set() if entry else set(asked.double.watched)
        told |= found.told
    problem = _left_open(asked_of - told, [entry for entry in entries if entry not in met])
    without = "" if asked_of else "; ".join(dict.fromkeys(entry.reason for entry in met))
    return Derived(spec.name, kind, problem, without)


def _left_open(untold: set[str], unmet: Sequence[Without]) -> str:
    if untold:
        return f"{', '.join(sorted(untold))}: nothing beyond rounding to compare in any case"
    reasons = "; ".join(entry.reason for entry in unmet)
    return f"declared to be without it ({reasons}), but no case that is asked is" if unmet else ""


def derived(spec: LayerSpec) -> list[Derived]:
    """Every kind of derivatives of a layer."""
    cases = chosen(spec)
    return [check(spec, kind, cases) for kind in KINDS]


def check_named(layer: str) -> list[Derived]:
    """All derivatives of a layer, found by its name: what a worker process is asked."""
    from parity.layers import all_specs

    torch.set_num_threads(1)
    return derived(all_specs()[layer])
