"""Settings by layer: what moved, and how much of its bound the worst answer uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from leaf_port.errors import LeafError
from parity.commands.machines.outcome import Outcome
from parity.layers import all_specs
from parity.port.processor import AS_IT_IS, Setting

Found = Mapping[str, Outcome | LeafError]

HEADS = ("setting", "passed", "failed", "layers that moved", "worst of what moved, in units")


def _moved(outcome: Outcome, usual: Outcome | LeafError | None) -> list[str]:
    """The layers with other distances than in the plain setting."""
    if not isinstance(usual, Outcome):
        return []
    return [name for name, digest in outcome.digests.items() if usual.digests.get(name) != digest]


def _worst(outcome: Outcome, layers: Sequence[str]) -> str:
    """The layer and the bound with the greatest distance; ``-`` where nothing moved."""
    seen = [
        (each.units, layer, place)
        for layer in layers
        for place, each in outcome.worst.get(layer, {}).items()
        if "official" not in place  # its answers are recorded: no setting of ours moves them
    ]
    if not seen:
        return "-"
    units, layer, place = max(seen)
    return f"{units:.1f} ({layer}: {place})"


def lines(all_: Sequence[Setting], found: Found) -> Iterator[tuple[str, ...]]:
    """One line a setting: run, not run with the reason, or lost."""
    usual = found.get(AS_IT_IS.name)
    for setting in all_:
        outcome = found.get(setting.name)
        if outcome is None:
            yield setting.name, "-", "-", "not run", setting.missing or "not in this part"
        elif isinstance(outcome, LeafError):
            yield setting.name, "-", "1", "no outcome", str(outcome)
        else:
            moved = _moved(outcome, usual)
            told = ", ".join(moved) if 0 < len(moved) <= 4 else str(len(moved))
            if setting.name == AS_IT_IS.name:
                told = "-"
            elif not isinstance(usual, Outcome):
                told = f"{AS_IT_IS.name} was not run"
            figures = str(outcome.passed), str(len(outcome.failures))
            worst = _worst(outcome, moved or list(outcome.digests))
            yield setting.name, *figures, told, worst


def table(title: str, all_: Sequence[Setting], found: Found) -> Table:
    """The rich table."""
    made = Table(title=title)
    for head in HEADS:
        made.add_column(head, justify="right" if head in ("passed", "failed") else "left")
    for line in lines(all_, found):
        made.add_row(*line)
    return made


def markdown(title: str, all_: Sequence[Setting], found: Found) -> str:
    """Both tables for documentation: the settings, and each layer in each of them."""
    return "\n".join([title, "", *_as_markdown(HEADS, lines(all_, found)), "", *_by_layer(found)])


def _as_markdown(heads: Sequence[str], rows: Iterator[tuple[str, ...]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return [line(heads), line(["---"] * len(heads)), *(line(row) for row in rows)]


def _by_layer(found: Found) -> list[str]:
    """Layer by setting: greatest distance of the port in units, ``=`` where nothing moved."""
    run = {name: each for name, each in found.items() if isinstance(each, Outcome)}
    usual = run.get(AS_IT_IS.name)

    def cell(layer: str, outcome: Outcome) -> str:
        same = usual is not None and outcome is not usual
        if same and usual is not None and usual.digests.get(layer) == outcome.digests.get(layer):
            return "="
        return _worst(outcome, [layer]).partition(" ")[0]

    layers = [name for name in all_specs() if any(name in each.digests for each in run.values())]
    rows = ((layer, *(cell(layer, each) for each in run.values())) for layer in layers)
    return _as_markdown(("layer", *run), rows)
