"""``python -m parity training``: the recorded steps of the official training against the port's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from leaf_port.errors import LeafError
from parity.checks.compare import DIRECT, PORT, REFERENCE
from parity.commands.training import ask_official, budgets, free_run, recording, step
from parity.commands.training.models import STEPS, Model
from parity.commands.training.recording import Recording
from parity.commands.training.step import LIKE, Checked
from parity.port import backends, processor
from parity.port.backends import CPU, Backend


def record(models: Sequence[Model], console: Console) -> None:
    """Has the official code train, and keeps what it went through.

    Raises:
        LeafError: no official implementation, or no batch that is clear of kinks.
    """
    for model in models:
        path = recording.save(ask_official.record(model, console))
        console.print(f"training/{path.name}: {path.stat().st_size / 1e3:.0f} kB")


def run(
    models: Sequence[Model],
    number: int | None,
    names: Sequence[str],
    drift: bool,
    console: Console,
) -> bool:
    """Checks the recorded steps and prints tables; True if nothing is off.

    Args:
        models: of which.
        number: only this step; None for all.
        names: of backends; none for the CPU.
        drift: whether the port also trains by itself.
        console: for progress, failures and tables.

    Raises:
        LeafError: a recording is damaged, a step is not recorded, or a backend does not run here.
    """
    processor.prepare()
    where = [_ready(name) for name in names or (CPU.name,)]
    recordings = [recording.load(model) for model in models]
    if number is not None and not any(number in each.steps for each in recordings):
        known = ", ".join(map(str, sorted({n for each in recordings for n in each.steps})))
        raise LeafError("training", "--step", f"one of {known}", number, "give one of them")
    table, failed = _table(), list[str]()
    with Progress(console=console, transient=True) as progress:
        for each in progress.track(recordings, description="steps"):
            found = _steps(each, number, where)
            failed += [line for checked in found for line in _told(checked)]
            _add(table, each, found)
    for line in failed:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(table)
    console.print(_SAID, soft_wrap=True, highlight=False)
    if drift and number is None:
        console.print(_drift(recordings))
        console.print(_DRIFT_SAID, soft_wrap=True, highlight=False)
    return not failed


def _ready(name: str) -> Backend:
    backend = backends.named(name)
    missing = backend.missing()
    if not missing and (backend.capture is not None or backend.outputs_only):
        missing = "it runs graphs, and a step is none"
    if missing:
        fix = "leave --backend out"
        raise LeafError("training", "--backend", "one that runs here", f"{name}: {missing}", fix)
    backend.start()
    return backend


def _steps(recorded: Recording, number: int | None, where: Sequence[Backend]) -> list[Checked]:
    chosen = [each for n, each in recorded.steps.items() if number in (None, n)]
    return [found for each in chosen for found in step.check(recorded.model, each, *where)]


def _told(checked: Checked) -> list[str]:
    """What is off, and the command that shows it again."""
    if not checked.failures:
        return []
    where = "" if checked.backend == CPU.name else f" --backend {checked.backend}"
    again = f"python -m parity training --model {checked.model} --step {checked.number}{where}"
    head = f"{checked.model}, step {checked.number}, {checked.arithmetic or 'plain'}"
    return [f"{head}: {line}" for line in checked.failures] + [f"again: {again}"]


def _table() -> Table:
    table = Table(title="A step of training, from the official weights on the official batch")
    table.add_column("model")
    for head in (
        "steps",
        "port to\nexact",
        "gradients",
        "official to\nexact",
        "gradients",
        "port to\nofficial",
        "gradients",
        "so added up,\nto official",
        "gradients",
        "optimiser:\npart of bound",
        "nearest kink",
    ):
        table.add_column(head, justify="right")
    table.add_column("verdict")
    return table


_SAID = (
    "Units: of each element's own float32 rounding, largest found / allowed, of loss, logits and "
    "moving statistics, and of gradients; exact: the port in float64. So added up: the port with "
    "batch statistics in plain float32, one value after the other, as TensorFlow's fused kernel. "
    "Optimiser: weights and moments after the step, from the official gradients. Nearest kink: of "
    "any rectifier or maximum, in units of its argument's rounding."
)


def _add(table: Table, recorded: Recording, found: Sequence[Checked]) -> None:
    if not found:
        return
    bounds = budgets.of(recorded.model.name)
    budget = bounds.budget
    limits = (
        (PORT, budget.port.allowed, budget.port_gradient.allowed),
        (REFERENCE, budget.reference.allowed, budget.reference_gradient.allowed),
        (DIRECT, budget.forward, budget.gradient),
        (LIKE, bounds.like.allowed, bounds.like_gradient.allowed),
    )
    cells = [recorded.model.name, ", ".join(map(str, dict.fromkeys(each.number for each in found)))]
    for check, *allowed in limits:
        for kind, limit in zip(("forward", "gradient"), allowed, strict=True):
            worst = np.nanmax([each.worst(check, kind) for each in found])
            cells.append(f"{worst:.1f} / {limit:g}")
    used = max(each.used for checked in found for each in checked.moved)
    numbers = {each.number for each in found}
    margin = min(each.margin for n, each in recorded.steps.items() if n in numbers)
    skipped = sum(bool(each.skipped) for each in found)
    verdict = "[red]off[/red]" if any(each.failures for each in found) else "[green]ok[/green]"
    told = f", {skipped} without gradients" if skipped else ""
    table.add_row(*cells, f"{used:.2f}", f"{margin:.0f}", verdict + told)


def _drift(recordings: Sequence[Recording]) -> Table:
    table = Table(
        title="Trained weights, relative distance from the official ones after so many steps"
    )
    table.add_column("model")
    table.add_column("training")
    for number in STEPS:
        table.add_column(str(number), justify="right")
    for each in recordings:
        rows = {f"official, {name}": found for name, found in each.drift.items()}
        rows["port"] = free_run.drift(each)
        for at, (name, found) in enumerate(rows.items()):
            told = dict(zip(each.model.steps, found, strict=True))
            cells = [f"{told[n]:.1e}" if n in told else "" for n in STEPS]
            table.add_row("" if at else each.model.name, name, *cells)
    return table


_DRIFT_SAID = (
    "Nothing is checked here: a rounding grows from step to step, in the official training under "
    "another setting as in the port's."
)
