"""``python -m parity machines``: which settings, how they are run, what is told of them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from leaf_port.errors import LeafError
from parity.checks import worst_values
from parity.commands.machines import outcome as outcomes
from parity.commands.machines import runner, table
from parity.commands.machines.outcome import Outcome
from parity.port import processor
from parity.port.processor import Setting
from parity.report import files


@dataclasses.dataclass(frozen=True)
class Options:
    """How settings are run.

    Attributes:
        layers: only these; all where there are none.
        rotate: minutes for a part that is another one each day; None for all.
        keep: whether the worst values are added to the record.
        markdown: where the table goes too; None for nowhere.
    """

    layers: Sequence[str] = ()
    rotate: float | None = None
    keep: bool = False
    markdown: Path | None = None


def chosen(names: Sequence[str] | None) -> list[Setting]:
    """The settings of these names; all where none is given.

    Raises:
        LeafError: there is no setting of a name.
    """
    table_ = {setting.name: setting for setting in processor.settings()}
    for name in names or ():
        if name not in table_:
            known = "; ".join(table_)
            raise LeafError("machines", "--setting", f"one of {known}", name, "see --list")
    return [setting for name, setting in table_.items() if not names or name in names]


def show(chosen_: Sequence[Setting], console: Console) -> None:
    """Prints the settings and what is missing."""
    for setting in chosen_:
        line = f"{setting.name}: {setting.missing or 'can be played here'}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def run(chosen_: Sequence[Setting], options: Options, console: Console) -> bool:
    """Runs all that can be played here, and prints the table; True if nothing is off.

    Raises:
        LeafError: the table cannot be written, or a part of the suite was to be kept.
    """
    if options.markdown is not None:
        files.check("--markdown", options.markdown, force=False)
    if options.keep and options.layers:
        fix = "leave out --layer, or --keep"
        raise LeafError("machines", "--keep", "a run of all layers", options.layers, fix)
    playable = [setting for setting in chosen_ if not setting.missing]
    todo = runner.rotated(playable) if options.rotate is not None else playable

    def advance(setting: Setting, came: Outcome | LeafError, seconds: float) -> None:
        told = str(came)
        if isinstance(came, Outcome):
            told = f"{came.passed} passed, {len(came.failures)} failed"
        line = f"{setting.name}: {told} ({seconds:.0f} s)"
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    console.print(f"{len(todo)} settings on {outcomes.on()}", highlight=False, soft_wrap=True)
    found = runner.run_all(todo, options.layers, options.rotate, advance)
    return _told(chosen_, found, options, console)


def _told(
    chosen_: Sequence[Setting], found: table.Found, options: Options, console: Console
) -> bool:
    runs = {name: each for name, each in found.items() if isinstance(each, Outcome)}
    for name, each in runs.items():
        for failure in each.failures:
            line = f"{name}: {failure}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    title = f"{outcomes.on()}, {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    console.print(table.table(title, chosen_, found))
    if options.markdown is not None:
        text = table.markdown(title, chosen_, found) + "\n"
        files.write({options.markdown: text}, force=False)
    if options.keep:
        for each in runs.values():
            worst_values.keep(each.worst)
    failed = sum(not isinstance(each, Outcome) or bool(each.failures) for each in found.values())
    console.print(f"{len(found) - failed} passed, {failed} failed", highlight=False)
    return not failed
