"""What the checks need beside a port with a bug: exact answers and units of rounding, once a case.

They come from the exact oracle and the healthy port, do not depend on the bug, and are most of the
work: they are kept in a folder for the run and handed to the processes that run the mutants.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

from parity.checks.compare import Rounded
from parity.spec import Array


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A case that is ready to be run.

    Attributes:
        case: its name.
        size: numbers that go into it and come out of it, by which the cheapest is known.
        file: where its exact answer and its units are.
    """

    case: str
    size: int
    file: str


def file_of(folder: Path, layer: str, index: int) -> Path:
    """Where case ``index`` of a layer is kept."""
    return folder / f"{layer}.{index}.safetensors"


def prepare(layer: str, index: int, folder: str) -> Prepared:
    """Computes and keeps what float64 says of a case; its process has the healthy port.

    Declared cases come before drawn ones.
    """
    from parity.checks import case_checks
    from parity.layers import all_specs
    from parity.oracles import recorded
    from parity.port import processor

    processor.prepare()
    spec = all_specs()[layer]
    recording = recorded.load(spec)
    case = recorded.cases(spec, recording)[index]
    question, rounded = case_checks.ready(spec, case, recording)
    path = file_of(Path(folder), layer, index)
    safetensors.numpy.save_file(_flat(rounded), path)
    fed: list[Array] = [*question.inputs.values(), *question.weights.values()]
    size = sum(array.size for array in [*fed, *rounded.exact.values()])
    return Prepared(case.name, size, str(path))


def _flat(rounded: Rounded) -> dict[str, Array]:
    parts = {"exact": rounded.exact, "units": rounded.units, "official": rounded.official or {}}
    return {
        f"{part}|{name}": np.array(array, order="C")
        for part, arrays in parts.items()
        for name, array in arrays.items()
    }


def load(path: str) -> Rounded:
    """Reads back what :func:`prepare` kept."""
    arrays = safetensors.numpy.load_file(path)
    official = _below("official|", arrays) or None
    return Rounded(_below("exact|", arrays), _below("units|", arrays), official)


def _below(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
