"""What an answer of the device amounts to."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from parity.commands.xla_complex.probes import Probe

LOWERED = "lowered"
FALLS_BACK = "falls back"
WRONG_VALUE = "wrong value"
DROPS_IMAGINARY = "drops the imaginary part"
WRONG_DTYPE = "wrong dtype"
NO_AUTOGRAD = "no autograd"
RAISES = "raises"
DIES = "dies"
HANGS = "hangs"

RIGHT = frozenset([LOWERED, FALLS_BACK])
SILENT = frozenset([WRONG_VALUE, DROPS_IMAGINARY, WRONG_DTYPE])
"""Wrong, and nothing says so."""

# How torch says that it cannot differentiate.
_NO_AUTOGRAD = re.compile(
    r"does not support automatic differentiation|derivative for .* is not implemented"
    r"|does not require grad|not differentiable"
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What came of a probe.

    Attributes:
        operation: which.
        direction: ``forward`` or ``backward``.
        verdict: one of the constants above.
        detail: figures or message.
        units: greatest error of an element in units of its rounding, where there is one.
        allowed: its bound, in the same units.
        fell_back: operators that ran on the CPU.
    """

    operation: str
    direction: str
    verdict: str
    detail: str
    units: float | None = None
    allowed: float | None = None
    fell_back: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether the numbers are."""
        return self.verdict in RIGHT


@dataclasses.dataclass(frozen=True)
class _Apart:
    """One array against its exact one; ``error`` is the worst element's, ``bound`` its bound."""

    verdict: str
    error: float
    unit: float
    bound: float
    said: str


def lost(probe: Probe, hangs: bool, how: str) -> Finding:
    """The process ended or did not answer."""
    return Finding(probe.operation, probe.direction, HANGS if hangs else DIES, how)


def judge(probe: Probe, reply: Mapping[str, Any]) -> Finding:
    """Sorts the worker's reply into one of the classes."""
    named = probe.operation, probe.direction
    if "no_autograd" in reply:
        return Finding(*named, NO_AUTOGRAD, reply["no_autograd"])
    if "raised" in reply:
        said = reply["raised"]
        return Finding(*named, NO_AUTOGRAD if _NO_AUTOGRAD.search(said) else RAISES, said)
    worst = max(_all(probe, reply), key=lambda each: (_GRAVITY.index(each.verdict), _part(each)))
    fell_back = tuple(reply["fell_back"])
    unusable = f"once used again: {reply['unusable']}" if "unusable" in reply else ""
    verdict = worst.verdict
    if verdict == LOWERED:
        verdict = RAISES if unusable else FALLS_BACK if fell_back else LOWERED
    notes = [unusable, *(f"warns: {each}" for each in reply.get("warnings", ()))]
    units = _ratio(worst.error, worst.unit)
    allowed = _ratio(worst.bound, worst.unit)
    return Finding(*named, verdict, _detail(worst, fell_back, notes), units, allowed, fell_back)


def _all(probe: Probe, reply: Mapping[str, Any]) -> list[_Apart]:
    """Every result, as it came and as it was once used again."""
    expected = probe.expected
    arrays = list(zip(expected.exact, expected.units, expected.bounds, probe.dtypes, strict=True))
    found = [_compare(*pair) for pair in zip(reply["results"], arrays, strict=True)]
    for sent, array in zip(reply["used_again"], arrays, strict="unusable" not in reply):
        found.append(_compare(sent, array, "once used again: "))
    return found


_GRAVITY = (LOWERED, WRONG_DTYPE, WRONG_VALUE, DROPS_IMAGINARY)


def _ratio(a: float, b: float) -> float:
    return 0.0 if a == 0.0 else a / b if b else float("inf")


def _part(apart: _Apart) -> float:
    part = _ratio(apart.error, apart.bound)
    return part if part == part else float("inf")


def _unpacked(sent: Mapping[str, Any]) -> Tensor:
    values = torch.tensor(sent["values"], dtype=torch.float64)
    if sent["complex"]:
        return torch.view_as_complex(values.reshape([*sent["shape"], 2]))
    return values.reshape(sent["shape"])


def _compare(
    sent: Mapping[str, Any], array: tuple[Tensor, Tensor, Tensor, str], prefix: str = ""
) -> _Apart:
    exact, units, bounds, dtype = array
    if tuple(sent["shape"]) != tuple(exact.shape):
        said = f"{prefix}shape {tuple(sent['shape'])} instead of {tuple(exact.shape)}"
        return _Apart(WRONG_VALUE, torch.inf, 0.0, 0.0, said)
    got = _unpacked(sent)
    errors = (got - exact).abs()
    parts = torch.where(errors == 0, 0.0, errors / bounds).nan_to_num(torch.inf, torch.inf)
    at = int(parts.argmax())
    error, unit, bound = (float(each.flatten()[at]) for each in (errors, units, bounds))
    verdict = _sorted(got, exact, bounds, inside=bool(parts.max() <= 1.0))
    said = _dtypes_said(sent, dtype)
    if said and verdict == LOWERED:
        verdict, said = WRONG_DTYPE, f"{said}, values right"
    told = prefix + said if said or verdict != LOWERED else ""
    return _Apart(verdict, error, unit, bound, told)


def _sorted(got: Tensor, exact: Tensor, bounds: Tensor, inside: bool) -> str:
    if inside:
        return LOWERED
    return DROPS_IMAGINARY if _drops_imaginary(got, exact, bounds) else WRONG_VALUE


def _drops_imaginary(got: Tensor, exact: Tensor, bounds: Tensor) -> bool:
    """Whether the real part of something wrong is right, and the imaginary part zero or absent."""
    if not exact.is_complex():
        return False
    real, imaginary = (got.real, got.imag) if got.is_complex() else (got, torch.zeros(()))
    return bool((imaginary == 0).all() and ((real - exact.real).abs() <= bounds).all())


def _dtypes_said(sent: Mapping[str, Any], expected: str) -> str:
    """``complex64 instead of float32``, with the place where only that is off; empty if none is."""
    for place, dtype in {**sent["dtypes"], "on the CPU": sent["dtype"]}.items():
        if dtype != expected:
            where = "" if place == "as claimed" else f" {place}"
            got, wanted = (each.removeprefix("torch.") for each in (dtype, expected))
            return f"{got} instead of {wanted}{where}"
    return ""


def _detail(worst: _Apart, fell_back: Sequence[str], notes: Sequence[str]) -> str:
    """What is wrong, what ran on the CPU, figures, what else was seen."""
    parts = [worst.said, ", ".join(fell_back)]
    if worst.verdict in (WRONG_VALUE, DROPS_IMAGINARY):
        parts.append(f"off by {worst.error:.2g}")
    if worst.verdict != DROPS_IMAGINARY and worst.unit:
        allowed = worst.bound / worst.unit
        parts.append(f"{_ratio(worst.error, worst.unit):.2g} of {allowed:.2g} units")
    if not any(parts):
        parts.append("exact")
    return "; ".join(each for each in (*parts, *notes) if each)
