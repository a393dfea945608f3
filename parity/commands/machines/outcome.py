"""What one run of the suite writes for whoever compares several: its worst values, its failures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leaf_port.errors import LeafError
from parity.checks import worst_values
from parity.checks.worst_values import Worst
from parity.port import processor
from parity.report import files, rows
from parity.report.rows import Row


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one run.

    Attributes:
        passed: results, refusals and laws that are as they should be.
        failures: everything that is wrong.
        digests: by layer, of all its distances.
        worst: by layer and bound.
    """

    passed: int
    failures: Sequence[str]
    digests: Mapping[str, str]
    worst: Worst


def on() -> str:
    """Where a run was made: the processor, its setting, the versions."""
    setting = [f"{name}={value}" for name, value in processor.played().items()]
    versions = [f"torch {torch.__version__}", f"NumPy {np.__version__}"]
    return ", ".join([processor.processor(), *setting, *versions])


def of(checked: Sequence[Row], failures: Sequence[str]) -> Outcome:
    """The outcome of rows that were run whole."""
    return Outcome(
        rows.passed(checked),
        failures,
        {row.spec.name: worst_values.digest(row.results) for row in checked},
        {row.spec.name: worst_values.of(row.spec, row.results, on()) for row in checked},
    )


def writer(path: Path | None) -> Callable[[Sequence[Row], Sequence[str]], None]:
    """Writes the outcome to a new file; does nothing where there is none.

    Raises:
        LeafError: the file exists, or its folder does not.
    """
    if path is None:
        return lambda *_: None
    files.check("--worst", path, force=False)
    return lambda checked, failures: files.write({path: _text(of(checked, failures))}, force=False)


def _text(outcome: Outcome) -> str:
    plain = dataclasses.asdict(outcome) | {"worst": worst_values.as_json(outcome.worst)}
    return json.dumps(plain, ensure_ascii=False) + "\n"


def read(path: Path) -> Outcome:
    """Reads back what a run wrote.

    Raises:
        LeafError: there is nothing, or no outcome.
    """
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(**plain | {"worst": worst_values.from_json(plain["worst"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        fix = "see what the run printed"
        raise LeafError("machines", "--worst", "the outcome of a run", error, fix) from error
