"""The tables of ``python -m parity blame``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from leaf_port.errors import LeafError
from parity.checks import case_checks
from parity.commands.blame import sequential_sums
from parity.commands.blame.blame import Blame, Experiment
from parity.commands.blame.sequential_sums import Likeness
from parity.oracles import recorded
from parity.spec import Case, LayerSpec


def named(spec: LayerSpec, text: str) -> Case:
    """A recorded case by its name, or any as JSON.

    Raises:
        LeafError: neither.
    """
    if text.startswith("{"):
        return Case.from_json(text)
    for case in recorded.cases(spec):
        if case.name == text:
            return case
    fix = f"python -m parity run --layer {spec.name} names those that fail"
    raise LeafError("parity", "--case", f"a recorded case of {spec.name}, or JSON", text, fix)


_NONE = ("none alone takes it away", "")


def table(found: Sequence[Blame]) -> Table:
    """What is left of each array's distance, the telling operations first."""
    made = Table(title="Port to exact, in units; with one operation in float64")
    for head in ("array", "units", "operation in float64", "units then"):
        made.add_column(head, justify="right" if "units" in head else "left")
    for blame in found:
        rows = [(share.operation, f"{share.units:.2f}") for share in blame.shares]
        made.add_row(blame.array, f"{blame.units:.2f}", *(rows or [_NONE])[0])
        for operation, left in rows[1:]:
            made.add_row("", "", operation, left)
    return made


def official_table(found: Sequence[Likeness]) -> Table:
    """The official distances, and those that statistics in float32 make."""
    made = Table(
        title="To exact, in units: the official answer; the port in float64, but for statistics of "
        "maps added up one value after the other in float32"
    )
    for head in ("array", "official", "port so"):
        made.add_column(head, justify="left" if head == "array" else "right")
    for each in found:
        made.add_row(each.array, f"{each.official:.2f}", f"{each.serial:.2f}")
    return made


def run_official(spec: LayerSpec, case: str, arrays: int, console: Console) -> None:
    """Makes the experiment of :mod:`parity.commands.blame.sequential_sums` and prints it.

    Raises:
        LeafError: not a recorded case.
    """
    if case.startswith("{"):
        expected, fix = "a recorded case's name", "record it with `parity record --keep CASE`"
        raise LeafError("parity", "--case", expected, "a case as JSON", fix)
    with console.status("a hundred runs for the units"):
        found = sequential_sums.likeness(spec, named(spec, case))
    console.print(official_table(found[:arrays]))


def run(spec: LayerSpec, case: str, arithmetic: str | None, arrays: int, console: Console) -> None:
    """Makes the experiment and prints it.

    Raises:
        LeafError: an unknown case or arithmetic.
    """
    known = [each for each in case_checks.arithmetics(spec) if each is not None]
    if arithmetic is not None and arithmetic not in known:
        expected = f"one of {', '.join(known)}" if known else f"none, as {spec.name} has no choice"
        raise LeafError("parity", "--arithmetic", expected, arithmetic, "leave it out")
    with console.status("one run for each kind of operation"):
        found = Experiment(spec, named(spec, case), arithmetic).blame(arrays)
    console.print(table(found))
