"""``python -m parity cases``: the cases that ``--case`` takes."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence

from parity.oracles import recorded
from parity.spec import Case, LayerSpec


@dataclasses.dataclass(frozen=True)
class Listed:
    """A case as it is listed.

    Attributes:
        layer: name of the declaration.
        case: its name, as ``--case`` takes it.
        about: what it is in few words.
    """

    layer: str
    case: str
    about: str


def listed(specs: Sequence[LayerSpec]) -> Iterator[Listed]:
    """The cases that ``run`` runs, in its order."""
    for spec in specs:
        declared = {case.name for case in spec.cases()}
        for case in recorded.cases(spec):
            yield Listed(spec.name, case.name, about(case, case.name in declared))


def about(case: Case, declared: bool) -> str:
    """Few words: where it comes from, its weights, mode and input."""
    return ", ".join(
        [
            "declared" if declared else "drawn",
            "initial weights" if case.initial else "drawn weights",
            *["training mode"] * case.training,
            "plain input" if case.signal == "plain" else f"input: {case.signal}",
        ]
    )


def show(specs: Sequence[LayerSpec], as_json: bool) -> None:
    """Prints them: layer, case and few words between tabs, or JSON."""
    found = list(listed(specs))
    if as_json:
        print(json.dumps([dataclasses.asdict(each) for each in found], indent=1))
        return
    for each in found:
        print(each.layer, each.case, each.about, sep="\t")
    layers = "1 layer" if len(specs) == 1 else f"{len(specs)} layers"
    told = f"{len(found)} cases of {layers}; python -m parity run --layer LAYER --case 'CASE'"
    print(told, file=sys.stderr)
