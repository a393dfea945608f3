"""``python -m parity ports``: imported models against the port itself, or what it answered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.table import Table

from leaf_port.errors import LeafError
from parity.checks import case_checks, sampling, tightness
from parity.checks.case_checks import Ask, Result
from parity.checks.compare import DIRECT, PORT, REFERENCE
from parity.checks.tightness import Used
from parity.commands.ports.foreign import ForeignPort, name_of
from parity.commands.ports.spec import PORTS, RECORDED, SPECS
from parity.oracles import recorded
from parity.port import runner
from parity.report import steps
from parity.spec import Case, LayerSpec

FOLDER = recorded.FOLDER / "ports"


def asked(spec: LayerSpec, examples: int, seed: int) -> list[Case]:
    """The declared cases and drawn ones.

    Drawn before the port is imported: hypothesis looks through all modules of the process, and some
    of SpeechBrain's raise when they are looked at.
    """
    return [*spec.cases(), *(sampling.sample(spec, examples, seed) if examples else [])]


def run(
    target: str | None,
    examples: int,
    seed: int,
    case: str | None,
    console: Console,
    tight: bool = False,
) -> bool:
    """Checks and prints a table; True if nothing is off.

    Args:
        target: ``"speechbrain"`` or a checkout of leaf-pytorch; None for the recorded answers.
        examples: how many cases are drawn beside the declared ones.
        seed: of the draws.
        case: the one case to run, as a failure prints it.
        console: for the table.
        tight: whether a bound that no recorded answer of any port needs is a failure.

    Raises:
        LeafError: the port cannot be imported, or bounds are to be judged by a part of the cases.
    """
    if tight and target is not None:
        expected, fix = "the recorded answers of all ports", "leave out TARGET, or --tight"
        raise LeafError("ports", "--tight", expected, target, fix)
    torch.set_num_threads(1)  # its sums in the same order on every machine
    table, failed, skipped = _table(), list[str](), Counter[str]()
    used: list[Used] = []
    for name in PORTS if target is None else [name_of(target)]:
        spec = RECORDED[name] if target is None else SPECS[name]
        if target is None:
            recording = recorded.load(spec, FOLDER / name)
            cases = [*spec.cases(), *recording.drawn]
            ask, versions = recording.answer, recording.versions
        else:
            cases = [Case.from_json(case)] if case else asked(spec, examples, seed)
            foreign = ForeignPort(target)
            ask, versions = foreign.answer, foreign.versions
        results = check(spec, cases, ask, console)
        told = [f"{r.case} {r.arithmetic}: {line}" for r in results for line in r.failures]
        failed += told
        used += tightness.used(spec, results, cases) if tight else []
        skipped.update(skip.reason for result in results for skip in result.skips)
        _add(table, spec, results, versions, bool(told))
    failed += [each.message for each in _worst_of_all(used) if each.loose]
    for line in failed:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    told_skips = ", ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
    console.print(f"{_SAID} {told_skips or 'none'}", soft_wrap=True, highlight=False)
    return not failed


def _worst_of_all(used: Sequence[Used]) -> list[Used]:
    """Of each bound, which all ports share, the one that needs most of it."""
    places = dict.fromkeys((each.adverse, each.check, each.kind) for each in used)
    return [
        max(
            (each for each in used if (each.adverse, each.check, each.kind) == place),
            key=lambda each: each.worst,
        )
        for place in places
    ]


_SAID = (
    "Imported models in complex and real arithmetic. Units: of each element's own float32 "
    "rounding, largest found / allowed; exact: float64, written from the formulas. Gradients that "
    "differences of the exact oracle could not confirm:"
)


def check(spec: LayerSpec, cases: Sequence[Case], ask: Ask, console: Console) -> list[Result]:
    """All four checks of each case, and those of gradients."""
    found: list[Result] = []
    with steps.bars(console) as progress:
        for each in progress.track(cases, description=spec.name):
            results = case_checks.check(spec, each, ask)
            steps.line(console, f"{spec.name}: {each.name}")
            found += results
            for failing in (result for result in results if result.failures):
                again = f"again: python -m parity ports TARGET --case '{each.as_json()}'"
                console.print(f"{failing.case}\n{again}", markup=False, soft_wrap=True)
    return found


def record(target: str | None, examples: int, seed: int, console: Console) -> None:
    """Keeps what a port answers.

    Raises:
        LeafError: no port is given, or it cannot be imported.
    """
    if target is None:
        fix = "give speechbrain, or a checkout of leaf-pytorch"
        raise LeafError("ports", "TARGET", "a port whose code is at hand", "none", fix)
    torch.set_num_threads(1)
    spec = SPECS[name_of(target)]
    cases = asked(spec, examples, seed)
    foreign = ForeignPort(target)
    questions = {case.name: runner.ask(spec, case) for case in cases}
    answers = {name: (each, foreign.answer(spec, each)) for name, each in questions.items()}
    path = recorded.save(spec, answers, foreign.versions, FOLDER / foreign.name)
    console.print(
        f"{foreign.name}/{path.name}: {len(answers)} cases, {path.stat().st_size / 1e3:.0f} kB"
    )


def _table() -> Table:
    table = Table(title="Imported models against the port that they come from")
    for head in ("port", "results", "relative", "units", "gradients:\nrelative", "units"):
        table.add_column(head, justify="left" if head == "port" else "right")
    for head in ("imported to\nexact", "port to\nexact"):
        table.add_column(head, justify="right")
    table.add_column("verdict")
    return table


def _add(
    table: Table, spec: LayerSpec, results: Sequence[Result], versions: dict[str, str], off: bool
) -> None:
    budget = spec.budget
    cells = [", ".join(f"{name} {value}" for name, value in versions.items()), str(len(results))]
    for kind, allowed in (("forward", budget.forward), ("gradient", budget.gradient)):
        relative, units = _worst(results, DIRECT, kind)
        cells += [f"{relative:.1e}", f"{units:.1f} / {allowed:g}"]
    for side, bound in ((PORT, budget.port), (REFERENCE, budget.reference)):
        cells.append(f"{_worst(results, side, 'forward')[1]:.1f} / {bound.allowed:g}")
    table.add_row(*cells, "[red]off[/red]" if off else "[green]ok[/green]")


def _worst(results: Sequence[Result], check: str, kind: str) -> tuple[float, float]:
    """Greatest relative difference, where rounding does not explain it, and units."""
    found = [
        each
        for result in results
        for each in result.differences
        if each.check == check and each.kind == kind
    ]
    if not found:
        return math.nan, math.nan
    relative = max((each.relative for each in found if not each.explained), default=0.0)
    return relative, max(each.units for each in found)
