"""Drawn examples: the same declarations, configurations from hypothesis.

A declaration's listed configurations span its domain. An example starts from one of them; its
sizes (samples, taps, strides, filters …) are drawn anew between the smallest and the greatest
listed, so lengths fall everywhere modulo the stride, and its input may be a signal that breaks
careless code: silence, a click, denormals, huge values, NaN, infinity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
from hypothesis import strategies as st

from leaf_port.errors import LeafError
from parity.checks import case_checks
from parity.checks.case_checks import Result
from parity.port import runner
from parity.port.backends import CPU, Backend
from parity.spec import SIGNALS, Case, Config, LayerSpec

# Half of the examples are plain.
_SIGNALS = ("plain",) * (len(SIGNALS) - 1) + SIGNALS[1:]
LONGEST_CLIP = 4000  # samples: an example takes a fraction of a second


def ranges(spec: LayerSpec) -> dict[str, tuple[int, int]]:
    """Smallest and greatest listed value of every size that varies."""
    found: dict[str, tuple[int, int]] = {}
    for key in spec.sampling.sizes:
        listed = [config[key] for config in spec.configs if isinstance(config.get(key), int)]
        if listed and min(listed) < max(listed):
            greatest = min(max(listed), LONGEST_CLIP) if key == "samples" else max(listed)
            found[key] = (min(listed), greatest)
    return found


@st.composite
def configs(draw: st.DrawFn, spec: LayerSpec) -> Config:
    """Configurations within a declaration's domain."""
    config = dict(draw(st.sampled_from(list(spec.configs))))
    for key, (low, high) in ranges(spec).items():
        if key in config:
            config[key] = draw(st.integers(low, high), label=key)
    return config


def cases(spec: LayerSpec) -> st.SearchStrategy[Case]:
    """Drawn cases of a layer."""

    def made(config: Config, initial: bool, training: bool, signal: str, draw: int) -> Case:
        initial = initial and spec.initial and bool(spec.weights(config))
        return Case(spec.name, config, initial, training and spec.training, signal, draw)

    signals = st.sampled_from(_SIGNALS)
    return st.builds(
        made, configs(spec), st.booleans(), st.booleans(), signals, st.integers(1, 2**30)
    )


def refused(spec: LayerSpec, case: Case) -> bool:
    """Whether the port refuses a drawn case (a window longer than an unpadded clip, say), or the
    official code fails at it as declared.
    """
    if spec.sampling.unanswered(case):
        return True
    try:
        runner.answer(
            spec, runner.ask(spec, case), runner.Run(arithmetic=case_checks.arithmetics(spec)[0])
        )
    except LeafError:
        return True
    return False


def sample(spec: LayerSpec, count: int, seed: int) -> list[Case]:
    """Different drawn cases that the port does not refuse; fewer where there are fewer."""
    found: dict[str, Case] = {}

    @hypothesis.seed(seed)
    @_settings(4 * count, [hypothesis.Phase.generate])
    @hypothesis.given(cases(spec))
    def example(case: Case) -> None:
        if len(found) < count and case.name not in found and not refused(spec, case):
            found[case.name] = case

    example()
    return list(found.values())


def _settings(examples: int, phases: Sequence[hypothesis.Phase]) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        phases=phases,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,  # the smallest of one; several come as an exception group
    )


class _Judge:
    """Runs examples, and remembers the failing ones: a shrink asks for them again.

    Args:
        spec: the declaration.
        ask: asks the live official implementation.
        seen: told every case and its results.
        patience: examples that are tried after the first failure, to find a smaller one.
        backend: where the port runs.
    """

    def __init__(
        self,
        spec: LayerSpec,
        ask: case_checks.Ask,
        seen: Callable[[Case, list[Result]], Any],
        patience: int,
        backend: Backend,
    ) -> None:
        self._spec, self._ask, self._seen, self._backend = spec, ask, seen, backend
        self._left = patience
        self._failed: dict[str, str] = {}

    def __call__(self, case: Case) -> None:
        told = self._failed.get(case.as_json(), "")
        if not told:
            if self._failed:
                self._left -= 1
            hypothesis.assume(self._left >= 0 and not refused(self._spec, case))
            results = case_checks.check(self._spec, case, self._ask, self._backend)
            self._seen(case, results)
            told = _failure(self._spec, case, results)
        if told:
            self._failed[case.as_json()] = told
            raise AssertionError(told)


def _failure(spec: LayerSpec, case: Case, results: Sequence[Result]) -> str:
    wrong = [failure for result in results for failure in result.failures]
    again = f"python -m parity live --layer {spec.name} --case '{case.as_json()}'"
    return "\n".join([f"{spec.name} [{case.name}]", *wrong, again]) if wrong else ""


PATIENCE = 60


def check(
    spec: LayerSpec,
    ask: case_checks.Ask,
    examples: int,
    seed: int,
    seen: Callable[[Case, list[Result]], Any],
    patience: int = PATIENCE,
    backend: Backend = CPU,
) -> None:
    """Draws examples of a layer and runs all checks on each; hypothesis shrinks one that fails.

    Args:
        spec: the declaration.
        ask: asks the live official implementation.
        examples: how many.
        seed: of the draws.
        seen: told every case and its results.
        patience: how many more examples a failure is worth, to find a smaller one.
        backend: where the port runs.

    Raises:
        AssertionError: naming the smallest failing case and the command that runs it.
    """
    judge = _Judge(spec, ask, seen, patience, backend)
    phases = [hypothesis.Phase.generate, hypothesis.Phase.shrink]

    @hypothesis.seed(seed)
    @_settings(examples, phases)
    @hypothesis.given(cases(spec))
    def example(case: Case) -> None:
        judge(case)

    example()
