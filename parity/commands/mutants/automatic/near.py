"""Which layers are near to some edits: a change is tried in minutes, without tracing all layers.

The first case of each layer tells which functions it enters. Of each edited function the cheapest
layers are taken that enter it, and the layer that has its name or its class'; of one that none
enters, those that enter its file.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

from parity.commands.mutants import exchange
from parity.commands.mutants.automatic import sources
from parity.commands.mutants.automatic.edit import Edit
from parity.commands.mutants.lines import Lines, below_root, functions

EACH = 3
"""Layers of a function: what one does not see, another one does."""


@dataclasses.dataclass(frozen=True)
class Entered:
    """What the first case of a layer enters.

    Attributes:
        layer: its name.
        seconds: that the case takes.
        functions: of each file, the first lines of functions, decorators included.
    """

    layer: str
    seconds: float
    functions: Lines


def layers(edits: Iterable[Edit]) -> list[str]:
    """The layers near to any of the edits; none where no first case enters their files."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool:
        entered = pool.submit(of_first_cases).result()
    return sorted({each.layer for edit in edits for each in _near(edit, entered)})


def of_first_cases() -> list[Entered]:
    """Of all layers. The target of a new process."""
    from parity.layers import all_specs
    from parity.port import processor, runner

    processor.prepare()
    found = list[Entered]()
    for name, spec in all_specs().items():
        began = time.process_time()
        with functions(sources.PACKAGES) as seen:
            runner.answer(spec, runner.ask(spec, spec.cases()[0]), runner.Run())
        found.append(Entered(name, time.process_time() - began, below_root(seen)))
    return found


def _near(edit: Edit, entered: Sequence[Entered]) -> list[Entered]:
    text = sources.source(edit.file)
    place = exchange.place(text, edit.first, edit.last, ())
    of_file = [each for each in entered if edit.file in each.functions]
    inside = [each for each in of_file if place and place[1] in each.functions[edit.file]]
    near = sorted(inside or of_file, key=lambda each: each.seconds)
    scope = edit.scope.partition(".")[0]
    own = [each for each in near[EACH:] if _letters(each.layer) == _letters(scope)]
    return [*near[:EACH], *own]


def _letters(name: str) -> str:
    return name.replace("_", "").lower()
