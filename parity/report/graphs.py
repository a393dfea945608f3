"""What the backends that capture left out, in a few lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from parity.checks.case_checks import Result
from parity.checks.expected_capture_failures import NOTHING_GOES_IN
from parity.port.backends import TABLE
from parity.report.rows import Row


def notes(rows: Sequence[Row]) -> list[str]:
    """What stands below the table, for each such backend."""
    by_backend: dict[str, list[Result]] = defaultdict(list)
    for row in rows:
        for result in row.results:
            if result.backend in TABLE and TABLE[result.backend].capture is not None:
                by_backend[result.backend].append(result)
    return [line for name, found in by_backend.items() for line in _of_backend(name, found)]


def _of_backend(name: str, found: Sequence[Result]) -> list[str]:
    entries: dict[str, list[str]] = defaultdict(list)
    for result in found:
        for entry in result.not_captured:
            entries[entry].append(result.layer)
    told = "; ".join(f"{entry}: {_counted(layers)}" for entry, layers in sorted(entries.items()))
    empty = {each.layer for each in found if each.left_out == NOTHING_GOES_IN}
    lines = [
        f"{name}: {sum(not each.left_out for each in found)} of {len(found)} results were "
        "compared. Known failures to capture (parity/checks/expected_capture_failures.py): "
        f"{told or 'none was met'}."
    ]
    if empty:
        lines.append(f"{name}: {NOTHING_GOES_IN}: {', '.join(sorted(empty))}")
    if reason := TABLE[name].outputs_only:
        lines.append(f"{name}: {reason}: no gradient and no moving statistics were compared")
    return lines


def _counted(layers: Sequence[str]) -> str:
    return ", ".join(f"{layer} {layers.count(layer)}" for layer in dict.fromkeys(layers))
