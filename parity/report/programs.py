"""What the compiled programs of a run told, in a few lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from parity.checks.case_checks import Result
from parity.port.xla_program import Program
from parity.report.rows import Row

Compiled = tuple[Result, Program]


def notes(rows: Sequence[Row]) -> list[str]:
    """What stands below the table, for each backend that compiles."""
    by_backend: dict[str, list[Compiled]] = defaultdict(list)
    for row in rows:
        for result in row.results:
            if result.program is not None:
                by_backend[result.backend].append((result, result.program))
    return [line for name, found in by_backend.items() for line in _of_backend(name, found)]


def _of_backend(name: str, found: Sequence[Compiled]) -> list[str]:
    real = [each for each in found if each[0].arithmetic != "complex"]
    in_complex = [each for each in found if each[0].arithmetic == "complex"]
    backward = sum(program.reduced_backward > 0 for _, program in found)
    lines = [
        f"{name}, without complex arithmetic: {len(real)} programs, forward and backward; "
        f"{_fallen(real)}; complex types in {_with_complex(real)} of them; each was compiled at "
        f"most {_compilations(real)} times in two calls",
        f"{name}, in complex arithmetic: {len(in_complex)} programs; {_fallen(in_complex)}",
        f"{name}: {_most(found)}",
    ]
    if backward:
        lines.append(
            f"{name}: in {backward} programs the gradient of a convolution does not ask for full "
            "float32 precision, whatever is set: on a TPU it is multiplied in bfloat16"
        )
    return lines


def _most(found: Sequence[Compiled]) -> str:
    """What takes longest, and most memory."""

    def named(what: str, figure: Callable[[Program], float], unit: str) -> str:
        result, program = max(found, key=lambda each: figure(each[1]))
        return f"{what} at most {figure(program):.2g} {unit} ({result.layer}: {result.case})"

    told = [
        named("compiled in", lambda program: program.compile_seconds, "s"),
        named("a second call in", lambda program: program.seconds, "s"),
    ]
    if any(program.peak_bytes is not None for _, program in found):
        grown = named("the process grew by", lambda program: (program.peak_bytes or 0) / 1e6, "MB")
        told.append(grown)
    return "; ".join(told)


def _fallen(found: Sequence[Compiled]) -> str:
    """Which layers' operators fell back to the CPU."""
    layers: dict[str, set[str]] = defaultdict(set)
    for result, program in found:
        for name in program.fallbacks:
            layers[result.layer].add(name.removeprefix("aten::"))
    told = "; ".join(f"{layer}: {', '.join(sorted(names))}" for layer, names in layers.items())
    return f"fell back to the CPU: {told or 'nothing'}"


def _with_complex(found: Sequence[Compiled]) -> int:
    return sum(program.complex_types for _, program in found)


def _compilations(found: Sequence[Compiled]) -> int:
    return max((program.compilations for _, program in found), default=0)
