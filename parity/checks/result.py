"""What came of one case."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from parity.checks.compare import Difference
from parity.checks.gradients import Skip
from parity.port.backends import CPU
from parity.port.xla_program import Program


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of one case in one arithmetic.

    Attributes:
        layer: name of the declaration.
        case: name of the case.
        arithmetic: of the port's filters; None where it has no choice.
        differences: one an array and check.
        skips: gradients that could not be confirmed, with the reason.
        single: why the port has no float64 answer to compare; empty where it was compared.
        error: what was raised instead of an answer.
        needed: the known divergences without which it would fail.
        backend: where the port ran.
        program: what was compiled there; None where nothing is.
        not_captured: the entries of ``parity/checks/expected_capture_failures.py`` without which it
            would fail.
        left_out: why nothing was compared; empty where something was.
        lacking: features that it was told to lack, where the port goes other ways.
    """

    layer: str
    case: str
    arithmetic: str | None
    differences: Sequence[Difference] = ()
    skips: Sequence[Skip] = ()
    single: str = ""
    error: str = ""
    needed: tuple[str, ...] = ()
    backend: str = CPU.name
    program: Program | None = None
    not_captured: tuple[str, ...] = ()
    left_out: str = ""
    lacking: tuple[str, ...] = ()

    @property
    def failures(self) -> list[str]:
        """What is wrong, a line each; empty when all is well."""
        way = f"without {', '.join(self.lacking)}: " if self.lacking else ""
        lines = [
            f"{way}{d.check}: {d.array}: {d.aspect}: {d.message}"
            for d in self.differences
            if not d.ok
        ]
        if self.program is not None:
            lines += self.program.failures(complex_allowed=self.arithmetic == "complex")
        return lines + [self.error] * bool(self.error)

    @property
    def again(self) -> str:
        """The command that runs this case alone."""
        where = "" if self.backend == CPU.name else f" --backend {self.backend}"
        return f"python -m parity run --layer {self.layer} --case '{self.case}'{where}"
