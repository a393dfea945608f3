"""Drawn examples of a primitive against the live TensorFlow: the four checks of every layer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import hypothesis
from hypothesis import strategies as st

from leaf_port.errors import LeafError
from parity.checks import case_checks, sampling
from parity.checks.case_checks import Ask, Result
from parity.commands.live import Stop
from parity.commands.primitives._common import Primitive
from parity.oracles.official import NotRunError
from parity.spec import Case


def cases(primitive: Primitive) -> st.SearchStrategy[Case]:
    """Drawn cases; half of them are plain."""
    spec, odd = primitive.spec, primitive.signals[1:]

    def made(config: dict[str, object], training: bool, signal: str, draw: int) -> Case:
        return Case(spec.name, config, False, training and spec.training, signal, draw)

    signals = st.sampled_from(["plain"] * max(len(odd), 1) + odd)
    return st.builds(made, sampling.configs(spec), st.booleans(), signals, st.integers(1, 2**30))


def results(primitive: Primitive, case: Case, ask: Ask) -> Sequence[Result]:
    """All checks of a case; an exception of either side is a failing result.

    Raises:
        LeafError: the port refuses the case.
        NotRunError: there is no answer; wrapped in a Stop where ``ask`` does so.
    """
    try:
        return list(case_checks.check(primitive.spec, case, ask))
    except (LeafError, NotRunError, Stop):
        raise
    except Exception as error:
        what = f"raised {type(error).__name__}: {error}"
        return [Result(case.layer, case.name, None, error=what)]


def again(case: Case) -> str:
    """The command that runs a case alone."""
    return f"python -m parity primitives --primitive {case.layer} --case '{case.as_json()}'"


def from_text(text: str) -> Case:
    """The case that :func:`again` printed.

    Raises:
        LeafError: it is none.
    """
    try:
        return Case(**json.loads(text))
    except (ValueError, TypeError) as error:
        fix = "copy the command that the failure printed"
        raise LeafError("parity", "--case", "a case as JSON", repr(text), fix) from error


def failures(found: Sequence[Result]) -> list[str]:
    """What is wrong, a line each."""
    return [line for result in found for line in result.failures]


def check(
    primitive: Primitive,
    ask: Ask,
    examples: int,
    seen: Callable[[Case, Sequence[Result]], object],
) -> None:
    """Draws examples and checks each; hypothesis shrinks the first that fails.

    Args:
        primitive: the declaration.
        ask: asks the live TensorFlow.
        examples: how many.
        seen: told every case with its results.

    Raises:
        AssertionError: naming the smallest failing case and the command that runs it.
    """

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        report_multiple_bugs=False,  # several would come as an ExceptionGroup
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(cases(primitive))
    def example(case: Case) -> None:
        try:
            found = results(primitive, case, ask)
        except LeafError:  # what the port refuses is no example
            hypothesis.reject()
        seen(case, found)
        wrong = failures(found)
        told = [f"{case.layer} [{case.name}]", *wrong, again(case)]
        if wrong:  # no assert: pytest would rewrite it, and its message
            raise AssertionError("\n".join(told))

    example()
