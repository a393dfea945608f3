"""Runs the suite once a setting, each in a process: libraries choose kernels when they load."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from leaf_port.errors import LeafError
from parity.checks import kept_units
from parity.commands.machines import outcome
from parity.commands.machines.outcome import Outcome
from parity.port.processor import Setting

SECONDS = 3600.0  # a run that hangs is told from one that is slow


def run(setting: Setting, layers: Sequence[str], folder: Path) -> Outcome:
    """The outcome of one setting; ``folder`` keeps it, and the units of rounding for all of them.

    Raises:
        LeafError: the process ended without one.
    """
    path = folder / f"{len(list(folder.glob('*.json')))}.json"
    only = [part for layer in layers for part in ("--layer", layer)]
    command = [sys.executable, "-P", "-m", "parity", "run", "--backend", "cpu", *only]
    units = {kept_units.FOLDER: str(folder / "units")}
    environment = {**units, **os.environ, **setting.environment}
    try:
        done = subprocess.run(
            [*command, "--worst", str(path)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        got = f"none within {SECONDS:.0f} s"
        raise _lost(setting, got) from error
    if not path.exists():
        said = (done.stderr.strip() or done.stdout.strip())[-300:]
        raise _lost(setting, f"exit code {done.returncode}: {said}")
    return outcome.read(path)


def _lost(setting: Setting, got: str) -> LeafError:
    variables = " ".join(f"{name}='{value}'" for name, value in setting.environment.items())
    fix = f"run it by hand: {variables} python -m parity run"
    return LeafError("machines", setting.name, "a run of the suite", got, fix)


def run_all(
    playable: Sequence[Setting],
    layers: Sequence[str],
    minutes: float | None,
    advance: Callable[[Setting, Outcome | LeafError, float], None],
) -> dict[str, Outcome | LeafError]:
    """Runs settings one after the other; what came of each, by its name.

    Args:
        playable: the settings, in their order.
        layers: only these; all where there are none.
        minutes: no further setting is begun where it would likely end later; at least one is run.
        advance: is told each setting, what came of it, and the seconds it took.
    """
    found: dict[str, Outcome | LeafError] = {}
    begun, longest = time.monotonic(), 0.0
    with tempfile.TemporaryDirectory(prefix="parity-machines-") as folder:
        for setting in playable:
            spent = time.monotonic() - begun
            if minutes is not None and found and spent + longest > 60.0 * minutes:
                break
            try:
                found[setting.name] = run(setting, layers, Path(folder))
            except LeafError as error:
                found[setting.name] = error
            took = time.monotonic() - begun - spent
            longest = max(longest, took)
            advance(setting, found[setting.name], took)
    return found


def rotated(playable: Sequence[Setting], day: int | None = None) -> list[Setting]:
    """The settings but the plain one, beginning with another one each day."""
    others = [setting for setting in playable if setting.environment]
    if not others:
        return list(playable)
    today = datetime.datetime.now(datetime.UTC).date().toordinal() if day is None else day
    start = today % len(others)
    return [*others[start:], *others[:start]]
