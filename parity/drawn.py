"""Drawn examples: the same declarations, configurations from hypothesis.

A declaration's listed configurations span its domain. An example starts from one of them; its
sizes (samples, taps, strides, filters …) are drawn anew between the smallest and the greatest
listed, so lengths fall everywhere modulo the stride, and its input may be a signal that breaks
careless code: silence, a click, denormals, huge values, NaN, infinity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import strategies as st

from leaf_port.errors import LeafError
from parity import checks, compare, port, rounding
from parity.compare import Difference
from parity.spec import SIGNALS, Answer, Case, Config, LayerSpec, Question

Ask = Callable[[LayerSpec, Question], Answer]

# Half of the examples are plain.
_SIGNALS = ("plain",) * (len(SIGNALS) - 1) + SIGNALS[1:]
LONGEST_CLIP = 4000  # samples: an example takes a fraction of a second


def ranges(spec: LayerSpec) -> dict[str, tuple[int, int]]:
    """Smallest and greatest listed value of every size that varies."""
    found: dict[str, tuple[int, int]] = {}
    for key in spec.sizes:
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


def differences(spec: LayerSpec, case: Case, official: Ask) -> list[Difference]:
    """Port against a live official answer, in every arithmetic.

    An example that the port refuses (a window longer than an unpadded clip, say) is discarded.
    """
    try:
        question = port.ask(spec, case)
        answers = [
            port.answer(spec, question, port.Run(arithmetic=arithmetic))
            for arithmetic in checks.arithmetics(spec)
        ]
    except LeafError:
        hypothesis.reject()
    expected = official(spec, question)
    rounded = rounding.units(spec, question, checks.arithmetics(spec)[0])
    weights = spec.weights(case.config)
    random = {f"initial/{path}" for path, weight in weights.items() if weight.random}
    found: list[Difference] = []
    for got in answers:
        if not case.initial:
            got.initial, expected.initial = {}, {}
        found += compare.compare(got, expected, rounded, spec.budget, random)
    return found


def check(
    spec: LayerSpec, official: Ask, examples: int, seen: Callable[[Case, list[Difference]], Any]
) -> None:
    """Draws examples of a layer and compares each; hypothesis shrinks the first that fails.

    Args:
        spec: the declaration.
        official: asks the live official implementation.
        examples: how many.
        seen: told every case with its differences.

    Raises:
        AssertionError: naming the smallest failing case and the command that runs it.
    """

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
    )
    @hypothesis.given(cases(spec))
    def example(case: Case) -> None:
        found = differences(spec, case, official)
        seen(case, found)
        wrong = [f"{d.array}: {d.aspect}: {d.message}" for d in found if not d.ok]
        again = f"python -m parity live --layer {spec.name} --case '{case.as_json()}'"
        assert not wrong, "\n".join([f"{spec.name} [{case.name}]", *wrong, again])  # noqa: S101

    example()
