"""What a verification found, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from leaf_port._cli import tables
from leaf_port._cli.text import printable, shortened
from weight_conversion.verification.backends import FEATURES
from weight_conversion.verification.verify import Row, Verification
from weight_conversion.verification.weights import WeightsRow

HEADER = ("output", "compared", "units", "allowed", "relative", "worst on", "verdict")
Cells = tuple[str, ...]

_OFF, _NOT_JUDGED, _OK = "off", "–", "ok"
_STYLES = {_OFF: "red", _NOT_JUDGED: "yellow", _OK: "green"}
_NAME = 14  # characters of a clip's name
_WRONG = 5  # messages and names of weights that are shown


def show(found: Verification, console: Console) -> None:
    """Prints the worst clip of each output and pair, what is wrong, what was not run, the sum."""
    rows = [("weights", *_weights(found.weights))]
    rows += [(each[0].output, _pair(each[0]), *_figures(each)) for each in _groups(found)]
    tables.show(HEADER, rows, _table(rows), console)
    for line in _told(found):
        console.print(line, markup=False, soft_wrap=True)


def _table(rows: Iterable[Cells]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in HEADER[:2]:
        made.add_column(head)
    for head in HEADER[2:5]:
        made.add_column(head, justify="right", no_wrap=True)
    made.add_column(HEADER[5], overflow="fold")
    made.add_column("")
    for *cells, verdict in rows:
        made.add_row(*map(Text, cells), Text(verdict, _STYLES[verdict]))
    return made


def _groups(found: Verification) -> list[list[Row]]:
    """The clips of each output and pair, features first, as they come first in the model."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in found.rows:
        groups.setdefault((row.output, row.first, row.second), []).append(row)
    return sorted(groups.values(), key=lambda rows: rows[0].output != FEATURES)


def _pair(row: Row) -> str:
    return f"{row.first} – {row.second}"


def _weights(row: WeightsRow) -> Cells:
    relative = "–" if row.relative is None else _short(row.relative)
    return (f"folder – {printable(row.against)}", "", "", relative, "", _verdict([row.ok]))


def _figures(rows: list[Row]) -> Cells:
    worst = max(rows, key=_badness)
    units = "–" if worst.units is None else f"{worst.units:.3g}"
    allowed = "–" if worst.allowed is None else f"{worst.allowed:.3g}"
    relative = _short(max(row.relative for row in rows))
    name = shortened(printable(worst.clip), _NAME)
    return (units, allowed, relative, name, _verdict(row.ok for row in rows))


def _badness(row: Row) -> tuple[bool, float, float]:
    return (row.ok is False, row.units if row.units is not None else 0.0, row.relative)


def _short(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")


def _verdict(said: Iterable[bool | None]) -> str:
    each = list(said)
    if False in each:
        return _OFF
    return _NOT_JUDGED if None in each else _OK


def _told(found: Verification) -> list[Text]:
    lines = []
    worst = (max(rows, key=_badness) for rows in _groups(found))
    off = [row for row in worst if row.ok is False]
    if found.weights.wrong:
        lines.append(f"off: weights: {_some(found.weights.wrong)}")
    lines += [
        f"off: {row.output}, {row.first} – {row.second}, {row.clip}: {row.message}"
        for row in off[:_WRONG]
    ]
    if len(off) > _WRONG:
        lines.append(f"off: {len(off) - _WRONG} more lines of the table")
    lines += [f"not run: {name}: {reason}" for name, reason in found.not_run.items()]
    return [Text(printable(line)) for line in [*lines, _sum(found)]]


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _WRONG} more" if len(names) > _WRONG else ""
    return f"{', '.join(names[:_WRONG])}{more}"


def _sum(found: Verification) -> str:
    clips = len({row.clip for row in found.rows})
    count = f"{len(found.rows)} comparisons on {clips} clips"
    if not found.ok:
        off = sum(row.ok is False for row in found.rows)
        weights = "" if found.weights.ok is not False else " and the weights"
        return f"not verified: {off} of {count}{weights} are off"
    if not found.judged:
        return f"not judged: {count} have no bounds here; what needs none is as it should be"
    return f"verified: {count} are within the declared bounds"
