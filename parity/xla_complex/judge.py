"""What an answer of the device amounts to."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from parity.xla_complex.probes import Probe

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
    expected = probe.expected
    arrays = zip(
        reply["results"], expected.exact, expected.units, expected.bounds, probe.dtypes, strict=True
    )
    # The worst verdict counts, and of several of a kind the greatest part of its bound.
    found = [_compare(*each) for each in arrays]
    worst = max(found, key=lambda each: (_GRAVITY.index(each.verdict), _part(each)))
    fell_back = tuple(reply["fell_back"])
    verdict = FALLS_BACK if worst.verdict == LOWERED and fell_back else worst.verdict
    units = _ratio(worst.error, worst.unit)
    detail = _detail(worst, fell_back, reply.get("warnings", ()))
    return Finding(*named, verdict, detail, units, _ratio(worst.bound, worst.unit), fell_back)


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
    sent: Mapping[str, Any], exact: Tensor, units: Tensor, bounds: Tensor, dtype: str
) -> _Apart:
    if tuple(sent["shape"]) != tuple(exact.shape):
        said = f"shape {tuple(sent['shape'])} instead of {tuple(exact.shape)}"
        return _Apart(WRONG_VALUE, torch.inf, 0.0, 0.0, said)
    got = _unpacked(sent)
    errors = (got - exact).abs()
    parts = torch.where(errors == 0, 0.0, errors / bounds).nan_to_num(torch.inf, torch.inf)
    at = int(parts.argmax())
    error, unit, bound = (float(each.flatten()[at]) for each in (errors, units, bounds))
    verdict, said = _sorted(got, exact, bounds, inside=bool(parts.max() <= 1.0)), ""
    dtypes = list(dict.fromkeys([sent["dtype"], sent["dtype_on_cpu"]]))
    if dtypes != [dtype]:
        said = _dtype_said(dtypes, dtype)
        if verdict != DROPS_IMAGINARY:
            said += f", values {'right' if verdict == LOWERED else 'wrong'}"
            verdict = WRONG_DTYPE if verdict == LOWERED else WRONG_VALUE
    return _Apart(verdict, error, unit, bound, said)


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


def _dtype_said(got: Sequence[str], expected: str) -> str:
    """``complex64 instead of float32``; both where device and copy differ."""
    first, *copy = (each.removeprefix("torch.") for each in got)
    told = f"{first} (its copy on the CPU: {copy[0]})" if copy else first
    return f"{told} instead of {expected.removeprefix('torch.')}"


def _detail(worst: _Apart, fell_back: Sequence[str], warnings: Sequence[str]) -> str:
    """Figures in units, then what else was seen."""
    parts = [worst.said, ", ".join(fell_back)]
    if worst.verdict in (WRONG_VALUE, DROPS_IMAGINARY):
        parts.append(f"off by {worst.error:.2g}")
    if worst.verdict != DROPS_IMAGINARY and worst.unit:
        allowed = worst.bound / worst.unit
        parts.append(f"{_ratio(worst.error, worst.unit):.2g} of {allowed:.2g} units")
    if not any(parts):
        parts.append("exact")
    return "; ".join([each for each in parts if each] + [f"warns: {each}" for each in warnings])
