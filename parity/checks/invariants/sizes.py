"""One or two clips, frames, samples, taps, filters or channels: the exact oracle's answer.

Or a refusal. Most recorded cases are of usual sizes. An axis of one element is where a
``squeeze()`` eats too much, where a count less one is zero, where a hop exceeds its window. A hop
of two is the smallest that leaves something out, and two are the smallest even size.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator

from leaf_port.errors import LeafError
from parity.checks.invariants import in_double
from parity.checks.invariants.generic import PACKAGE
from parity.checks.invariants.one_object import smallest_of_each
from parity.oracles import exact_answer
from parity.port import runner
from parity.spec import Case, Config, LayerSpec

# What a refused size is beside small; a map is smaller where it is pooled than where it comes in.
_OTHER_REASONS = ("odd", "even", "pooled")


def of(few: int, spec: LayerSpec) -> str:
    """A small case of each choice, each of its sizes in turn being few: the first problem."""
    for case in smallest_of_each(spec):
        for name, config in _with_few(few, spec, case.config):
            if problem := _unlike_exact(spec, dataclasses.replace(case, config=config), few):
                return f"{case.name}: {name} of {few}: {problem}"
    return ""


def at_edges(spec: LayerSpec) -> str:
    """The declared edges: the first problem."""
    for config in spec.sampling.edges:
        case = Case(spec.name, config)
        if problem := _unlike_exact(spec, case):
            return f"{case.name}: {problem}"
    return ""


def _with_few(few: int, spec: LayerSpec, config: Config) -> Iterator[tuple[str, Config]]:
    """The configuration with one of its greater sizes being few, those of shapes included."""
    for name, value in {**config, "batch": config.get("batch", 2)}.items():
        if name in (*spec.sampling.sizes, "batch") and isinstance(value, int) and value > few:
            yield name, {**config, name: few}
        if isinstance(value, (list, tuple)):
            for index, size in enumerate(value):
                changed = (*value[:index], few, *value[index + 1 :])
                if isinstance(size, int) and size > few:
                    yield f"{name}[{index}]", {**config, name: changed}


def _refused_wrongly(error: LeafError, few: int) -> str:
    """How a size is refused that is large enough by what the error tells, or by nobody."""
    least = re.search(r"at least \(?(\d+)", error.expected)
    enough = least is not None and int(least.group(1)) <= few
    if enough and not any(other in error.expected for other in _OTHER_REASONS):
        return f"refused, though it is enough: {error}"
    return (
        "" if is_known(error.owner) else f"refused by {error.owner}, which is nothing of the port"
    )


def is_known(name: str) -> bool:
    """Whether a class or function of the port has a name."""
    modules = [module for path, module in sys.modules.items() if path.startswith(f"{PACKAGE}.")]
    return any(callable(getattr(module, name, None)) for module in modules)


def _unlike_exact(spec: LayerSpec, case: Case, few: int | None = None) -> str:
    """How the port answers otherwise than the exact oracle, or refuses a size that is enough.

    ``few`` is the size that it may refuse; None where it must not.
    """
    try:
        forward = in_double.forward_alone(spec, case.config)
        question = runner.ask(forward, case)
        ours = in_double.outputs(forward, question)
    except LeafError as error:
        return f"refused: {error}" if few is None else _refused_wrongly(error, few)
    exact = exact_answer.answer(spec, question).outputs
    if len(ours) != len(exact):
        return f"{len(ours)} outputs, not {len(exact)}"
    problems = (in_double.unlike(*pair) for pair in zip(ours, exact, strict=True))
    return next((problem for problem in problems if problem), "")
