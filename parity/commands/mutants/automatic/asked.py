"""Each check of the suite by itself: a case, a refusal, a law, a kind of derivatives.

Exact answers and units of rounding are the healthy port's (``parity/commands/mutants/prepare.py``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from parity.checks.derivatives.asked import Asked as Derivative
    from parity.oracles.recorded import Recording
    from parity.spec import Case, LayerSpec
    from parity.spec.invariant import Law

CASE, REFUSAL, LAW, DERIVATIVES = "case", "refusal", "law", "derivatives"
TEST = "test"


@dataclasses.dataclass(frozen=True, order=True)
class Asked:
    """A check.

    Attributes:
        layer: name of the declaration; a test's file.
        kind: one of the five above.
        name: of the case, law, kind of derivatives or test; the number of the refusal.
        kernel: of ``LEAF_PORT_KERNEL``; empty for what the machine has.
    """

    layer: str
    kind: str
    name: str
    kernel: str = ""

    def __str__(self) -> str:
        if self.kind == TEST:
            return self.name
        where = f" (LEAF_PORT_KERNEL={self.kernel})" if self.kernel else ""
        return f"{self.layer}: {self.kind} {self.name}{where}"


class Layer:
    """The checks of a layer, in a process that has the port as it is to be checked."""

    def __init__(self, name: str, folder: Path, kernel: str = "") -> None:
        from parity.layers import all_specs

        self.spec: LayerSpec = all_specs()[name]
        self._kernel = kernel
        self._folder = folder

    @cached_property
    def cases(self) -> Mapping[str, tuple[int, Case]]:
        """Each case with its number, which names its prepared file."""
        from parity.oracles import recorded

        return {case.name: (index, case) for index, case in enumerate(recorded.cases(self.spec))}

    @cached_property
    def _laws(self) -> Mapping[str, Law]:
        from parity.checks.invariants import checker

        return {law.name: law for law in checker.laws(self.spec)}

    @cached_property
    def _derivatives(self) -> list[Derivative]:
        from parity.checks.derivatives import chosen

        return chosen.chosen(self.spec)

    @cached_property
    def _recording(self) -> Recording:
        from parity.oracles import recorded

        return recorded.load(self.spec)

    def all(self) -> Iterator[Asked]:
        """Every check."""
        from parity.spec.without_derivative import KINDS

        named = {
            CASE: list(self.cases),
            REFUSAL: [str(index) for index in range(len(self.spec.errors))],
            LAW: list(self._laws),
            DERIVATIVES: list(KINDS),
        }
        for kind, names in named.items():
            yield from (Asked(self.spec.name, kind, each, self._kernel) for each in names)

    def problem(self, asked: Asked) -> str:
        """What a check finds; empty where all is as it should be."""
        from parity.checks import case_checks
        from parity.checks.derivatives import derived
        from parity.checks.invariants import checker

        if asked.kind == REFUSAL:
            return case_checks.check_error(self.spec.errors[int(asked.name)]) or ""
        if asked.kind == LAW:
            return checker.check(self.spec, self._laws[asked.name]).problem
        if asked.kind == DERIVATIVES:
            return derived.check(self.spec, asked.name, self._derivatives).problem
        return self._of_case(asked.name)

    def _of_case(self, name: str) -> str:
        from parity.checks import case_checks
        from parity.commands.mutants import prepare

        index, case = self.cases[name]
        rounded = prepare.load(str(prepare.file_of(self._folder, self.spec.name, index)))
        for result in case_checks.check_port(self.spec, case, self._recording, rounded):
            if result.error:
                return result.error
            if result.failures:
                return "; ".join(result.failures)
        return self._in_double(case)

    def _in_double(self, case: Case) -> str:
        """The float64 answers, which differences of float32 cannot tell from others."""
        import torch

        from parity.checks import case_checks, ground_truth
        from parity.checks.checked_case import CheckedCase
        from parity.commands.mutants import prepare
        from parity.oracles import exact_answer
        from parity.port import runner

        spec = self.spec
        if spec.exceptions.single(case.config):
            return ""
        question = runner.ask(spec, case)
        official = ground_truth.compared_part(self._recording.answer(spec, question), case)
        pinned = exact_answer.pinned(question, official)
        index, _ = self.cases[case.name]
        rounded = prepare.load(str(prepare.file_of(self._folder, spec.name, index)))
        checked = CheckedCase(spec, question, official, rounded)
        for arithmetic in case_checks.arithmetics(spec):
            run = runner.Run(torch.float64, arithmetic)
            with np.errstate(all="ignore"):
                arrays = runner.answer(spec, pinned, run).arrays()
            for each in checked.float64_to_exact(arrays):
                if not each.ok:
                    return f"{each.check}: {each.array}: {each.aspect}: {each.message}"
        return ""
