"""What a report does not cover, and why."""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence

from parity.oracles import official
from parity.port.backends import default
from parity.report.rows import Row
from parity.spec import LayerSpec

MOST_NAMES = 8  # layers that a line names


@dataclasses.dataclass(frozen=True)
class NotRun:
    """Something that was not run.

    Attributes:
        what: what it is.
        why: why not.
        how: the command that runs it; empty where there is none.
    """

    what: str
    why: str
    how: str = ""


def _named(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    more = f" and {len(listed) - MOST_NAMES} more" if len(listed) > MOST_NAMES else ""
    return ", ".join(listed[:MOST_NAMES]) + more


def layers(rows: Sequence[Row], known: Iterable[str]) -> list[NotRun]:
    """The layers that were not chosen."""
    run = {row.spec.name for row in rows}
    left = [name for name in known if name not in run]
    if not left:
        return []
    what = f"{len(left)} other layers: {_named(left)}"
    return [NotRun(what, "not chosen with --layer", "python -m parity report")]


def backends(rows: Sequence[Row]) -> list[NotRun]:
    """The backends without a column."""
    seen = {result.backend for row in rows for result in row.results}
    left = {name: why for name, why in default().items() if name not in seen}
    return [
        NotRun(f"backend {name}", why, f"python -m parity run --backend {name}")
        for name, why in left.items()
    ]


def live(used: bool) -> NotRun:
    """The live official implementation, as far as this report did without it."""
    variables = official.PYTHON, official.CHECKOUT
    unset = [name for name in variables if not os.environ.get(name)]
    how = "python -m parity live --examples 20"
    if unset:
        are = "is not set" if len(unset) == 1 else "are not set"
        why = f"{' and '.join(unset)} {are}; its recorded answers stand for it"
        return NotRun("the live official implementation", why, how)
    why = "the checks compare recorded answers" + (", the clip alone was answered live" * used)
    return NotRun("drawn examples against the live official implementation", why, how)


def _by_reason(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Layers, once for each time, by reason."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for layer, reason in found:
        reasons[reason].append(layer)
    return dict(sorted(reasons.items()))


def gradients(rows: Sequence[Row]) -> list[NotRun]:
    """Gradients that differences of the exact oracle did not wholly confirm."""
    skips = [
        (result.layer, skip.reason)
        for row in rows
        for result in row.results
        for skip in result.skips
    ]
    return [
        NotRun(f"confirmation of {len(names)} whole gradients, in {_named(names)}", reason)
        for reason, names in _by_reason(skips).items()
    ]


def singles(rows: Sequence[Row]) -> list[NotRun]:
    """Results without a float64 answer of the port."""
    found = [(each.layer, each.single) for row in rows for each in row.results if each.single]
    return [
        NotRun(f"the port in float64 in {len(names)} results of {_named(names)}", reason)
        for reason, names in _by_reason(found).items()
    ]


def list_all(
    rows: Sequence[Row], specs: Iterable[LayerSpec], live_used: bool, more: Sequence[NotRun]
) -> list[NotRun]:
    """Everything, in the order in which it is told.

    Args:
        rows: what was run.
        specs: all declarations.
        live_used: whether the live official implementation answered the clip.
        more: what the clip was not run through.
    """
    return [
        *layers(rows, [spec.name for spec in specs]),
        *backends(rows),
        live(live_used),
        NotRun("planted bugs", "a command of their own", "python -m parity mutants"),
        *more,
        *gradients(rows),
        *singles(rows),
    ]
