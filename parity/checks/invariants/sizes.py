"""One clip, frame, sample, tap, filter or channel: the exact oracle's answer, or a refusal.

Most recorded cases are of usual sizes. An axis of one element is where a ``squeeze()`` eats too
much, where a count less one is zero, where a hop exceeds its window.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from leaf_port.errors import LeafError
from parity.checks.invariants import in_double
from parity.checks.invariants.one_object import smallest_of_each
from parity.oracles import exact_answer
from parity.port import runner
from parity.spec import Case, Config, LayerSpec


def of_one(spec: LayerSpec) -> str:
    """A small case of each choice, each of its sizes in turn being 1: the first problem."""
    for case in smallest_of_each(spec):
        for name, config in _with_a_size_of_one(spec, case.config):
            if problem := _unlike_exact(spec, dataclasses.replace(case, config=config)):
                return f"{case.name}: {name} of 1: {problem}"
    return ""


def _with_a_size_of_one(spec: LayerSpec, config: Config) -> Iterator[tuple[str, Config]]:
    """The configuration with one of its sizes being 1, those of shapes included."""
    for name, value in {**config, "batch": config.get("batch", 2)}.items():
        if name in (*spec.sampling.sizes, "batch") and isinstance(value, int) and value > 1:
            yield name, {**config, name: 1}
        if isinstance(value, (list, tuple)):
            for index, size in enumerate(value):
                one = (*value[:index], 1, *value[index + 1 :])
                if isinstance(size, int) and size > 1:
                    yield f"{name}[{index}]", {**config, name: one}


def _unlike_exact(spec: LayerSpec, case: Case) -> str:
    """How the port answers otherwise than the exact oracle; empty where it refuses."""
    try:
        forward = in_double.forward_alone(spec, case.config)
        question = runner.ask(forward, case)
        ours = in_double.outputs(forward, question)
    except LeafError:
        return ""
    exact = exact_answer.answer(spec, question).outputs
    if len(ours) != len(exact):
        return f"{len(ours)} outputs, not {len(exact)}"
    problems = (in_double.unlike(*pair) for pair in zip(ours, exact, strict=True))
    return next((problem for problem in problems if problem), "")
