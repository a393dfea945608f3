"""What runs found: the worst of each bound, on which machine; kept from run to run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leaf_port import _publish
from leaf_port.errors import LeafError
from parity.checks import tightness
from parity.checks.case_checks import Result
from parity.oracles.recorded import FOLDER
from parity.port.backends import CPU
from parity.spec import LayerSpec

FILE = FOLDER / "machines.json"
_WHERE = "worst values of machines"


@dataclasses.dataclass(frozen=True)
class Seen:
    """The worst that a bound has seen.

    Attributes:
        units: the distance.
        case: the recorded case.
        on: processor, setting and versions.
    """

    units: float
    case: str
    on: str


Worst = dict[str, dict[str, Seen]]  # by layer, by place


def place(used: tightness.Used) -> str:
    """The name of a bound within its layer."""
    return f"{'adverse' if used.adverse else 'plain'}, {used.check}, {used.kind}"


def over_machines(found: Sequence[tightness.Used], kept: Worst) -> list[tightness.Used]:
    """What a run used of each bound, or another machine did where that was more."""
    return [_greater(used, kept.get(used.layer, {}).get(place(used))) for used in found]


def _greater(used: tightness.Used, seen: Seen | None) -> tightness.Used:
    if seen is None or seen.units <= used.worst:
        return used
    return dataclasses.replace(used, worst=seen.units, case=f"{seen.case}; {seen.on}")


def of(spec: LayerSpec, results: Sequence[Result], on: str) -> dict[str, Seen]:
    """The worst of each bound in a run of all recorded cases of a layer."""
    return {
        place(used): Seen(used.worst, used.case, on)
        for used in tightness.used(spec, results)
        if used.case
    }


def digest(results: Sequence[Result]) -> str:
    """A hash of all distances of a layer on the CPU: another one where anything moved."""
    told = sorted(
        (
            result.case,
            str(result.arithmetic),
            str(result.lacking),
            d.check,
            d.array,
            f"{d.units:.4g}",
        )
        for result in results
        if result.backend == CPU.name
        for d in result.differences
    )
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def merged(one: Worst, other: Worst) -> Worst:
    """The greater of each."""
    found = {layer: dict(places) for layer, places in one.items()}
    for layer, places in other.items():
        own = found.setdefault(layer, {})
        for name, seen in places.items():
            if name not in own or own[name].units < seen.units:
                own[name] = seen
    return found


def as_json(worst: Worst) -> Any:
    """As plain data, in order."""
    return {
        layer: {name: dataclasses.asdict(seen) for name, seen in sorted(places.items())}
        for layer, places in sorted(worst.items())
    }


def from_json(plain: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Worst:
    """The inverse of :func:`as_json`."""
    return {
        layer: {name: Seen(**seen) for name, seen in places.items()}
        for layer, places in plain.items()
    }


def load(path: Path = FILE) -> Worst:
    """What all kept runs found; nothing where none was kept.

    Raises:
        LeafError: the file is no such record.
    """
    if not path.exists():
        return {}
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        fix = "restore it, or make it again: python -m parity machines --keep"
        raise LeafError(_WHERE, str(path.name), "worst values as JSON", error, fix) from error


def keep(worst: Worst, path: Path = FILE) -> None:
    """Adds what a run found to the record, whole or not at all."""
    text = json.dumps(as_json(merged(load(path), worst)), indent=1, ensure_ascii=False) + "\n"
    with _publish.new_file(path) as file:
        file.write_text(text, encoding="utf-8")
