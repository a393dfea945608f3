"""What follows from the findings for the port: is it right where it computes in complex numbers?

Which operators those computations are made of is read off the port, by running it on the CPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from leaf_port import MelFilterbanks, impulse_responses
from leaf_port.convolution import GaborConv1d, fft_conv1d
from parity.commands.xla_complex import judge, operators
from parity.commands.xla_complex.judge import Finding
from parity.commands.xla_complex.probes import SINGLE, both

Findings = Mapping[tuple[str, str], Finding]
WORKAROUND = "Gabor filters"


@dataclasses.dataclass(frozen=True)
class Use:
    """A place where the port computes with complex numbers.

    Attributes:
        operation: the probe that does the same.
        where: in the port.
        port: gives the port's function and its inputs.
    """

    operation: str
    where: str
    port: Callable[[], tuple[Callable[..., Any], tuple[Tensor, ...]]]

    def operators(self, backward: bool) -> frozenset[str]:
        """On complex numbers, of one direction; as the port runs them here."""
        function, inputs = self.port()
        return operators.seen(function, inputs, backward)


def _gabor() -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    layer = GaborConv1d(6, 9, arithmetic="complex")

    def run(kernel: Tensor, inputs: Tensor) -> Any:
        return torch.func.functional_call(layer, {"kernel": kernel}, (inputs,))

    return run, (torch.tensor([[0.5, 1.0], [1.0, 2.0], [2.0, 3.0]]), torch.ones(1, 20, 1))


def _mel() -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    return MelFilterbanks(n_filters=4), (torch.ones(1, 800),)


def _fft() -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    return fft_conv1d, (torch.ones(2, 16, 1), torch.ones(5, 1, 2))


def _amplitude() -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    filters = torch.ones(8, 2, dtype=torch.complex64)
    return lambda given: impulse_responses.amplitude(given, 0), (filters,)


USES = (
    Use(WORKAROUND, "GaborConv1d", _gabor),
    Use("mel spectrum", "MelFilterbanks", _mel),
    Use("FFT convolution", "fft_conv1d", _fft),
    Use("amplitude", "impulse_responses.amplitude", _amplitude),
)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Of one use.

    Attributes:
        use: its probe.
        where: in the port.
        needed: whether real arithmetic is needed for right numbers: ``no``, ``for speed`` (the
            numbers are right, by way of the CPU) or ``yes``.
        silent: how complex arithmetic is wrong there with nothing to say so; else empty.
        text: why.
    """

    use: str
    where: str
    needed: str
    silent: str
    text: str


def _witnesses(operator: str, findings: Findings) -> list[Finding]:
    """What came of the single operations that contain the operator, fewest operators first."""
    probes = [probe for name in SINGLE for probe in both(name)]
    inside = [probe for probe in probes if operator in probe.operators]
    inside.sort(key=lambda probe: len(probe.operators))
    return [findings[probe.operation, probe.direction] for probe in inside]


def suspects(use: Use, findings: Findings) -> list[str]:
    """The operators of the use that came out right in no single operation, and how they did."""
    told = []
    for operator in sorted(use.operators(False) | use.operators(True)):
        found = _witnesses(operator, findings)
        if not found:
            told.append(f"{operator} (not probed)")
        elif not any(each.right for each in found):
            first = found[0]
            told.append(f"{operator} ({first.operation}, {first.direction}: {first.verdict})")
    return told


def _side(finding: Finding) -> str:
    told = f"{finding.direction} {finding.verdict}"
    return told if finding.right else f"{told} ({finding.detail})"


def of_use(use: Use, findings: Findings) -> Verdict:
    """Whether the port's complex arithmetic can be used there."""
    sides = [findings[use.operation, direction] for direction in ("forward", "backward")]
    silent = ", ".join(
        f"{each.verdict} {each.direction}" for each in sides if each.verdict in judge.SILENT
    )
    fell_back = list(dict.fromkeys(name for each in sides for name in each.fell_back))
    alone = suspects(use, findings)
    parts = [", ".join(map(_side, sides))]
    if fell_back:
        parts.append(f"on the CPU: {', '.join(fell_back)}")
    if alone:
        parts.append(f"not right alone: {', '.join(alone)}")
    needed = "for speed" if fell_back else "no"
    if not all(each.right for each in sides):
        needed = "yes"
    return Verdict(use.operation, use.where, needed, silent, "; ".join(parts))


def all_verdicts(findings: Sequence[Finding]) -> list[Verdict]:
    """Of every use of the port."""
    by_name = {(each.operation, each.direction): each for each in findings}
    return [of_use(use, by_name) for use in USES]


_SENTENCES = {
    "no": "complex arithmetic is right and lowered, forward and backward; real is not needed",
    "for speed": "complex arithmetic is right, but part of it runs on the CPU; real is faster",
    "yes": "real arithmetic, or the CPU, is needed",
}


def sentence(verdict: Verdict) -> str:
    """In plain words."""
    silently = f" (nothing says so: {verdict.silent})" if verdict.silent else ""
    what = f"{_SENTENCES[verdict.needed]}{silently}"
    return f"{verdict.use} ({verdict.where}): {what}: {verdict.text}"


def headline(verdicts: Sequence[Verdict], versions: Mapping[str, str]) -> str:
    """Whether the workaround is needed on this version for this backend."""
    gabor = next(each for each in verdicts if each.use == WORKAROUND)
    answer = {"no": "not needed", "for speed": "needed for speed only", "yes": "needed"}
    return (
        f"The real-arithmetic workaround of pytorch/xla #3070 is {answer[gabor.needed]} for Gabor "
        f"filters on torch_xla {versions['torch_xla']}, {versions['device']}."
    )
