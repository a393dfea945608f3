"""Are the weights of a folder those that were converted?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from leaf_port import pretrained
from leaf_port.errors import LeafError
from weight_conversion.official.folder import sha256
from weight_conversion.official.mapping import match, table
from weight_conversion.official.source import Source


@dataclass(frozen=True)
class WeightsRow:
    """How the weights of a folder were compared.

    Attributes:
        against: with what: the checkpoint, or the SHA-256 that ``config.json`` notes.
        ok: whether they are the same bits; None where there is nothing to compare them with.
        relative: the greatest relative difference of a weight (Frobenius); 0.0 of a right hash.
        wrong: the weights that differ, by official path, sorted; of a hash none are named.
    """

    against: str
    ok: bool | None
    relative: float | None = None
    wrong: tuple[str, ...] = ()


def by_hash(folder: Path, config: dict[str, Any]) -> WeightsRow:
    """The file beside the hash that its conversion noted."""
    noted = config.get("weights")
    expected = noted.get(pretrained.WEIGHTS) if isinstance(noted, dict) else None
    if expected is None:
        return WeightsRow("noted hash", None)
    return WeightsRow("noted hash", sha256(folder / pretrained.WEIGHTS) == expected)


def by_bits(model: nn.Module, source: Source) -> WeightsRow:
    """Every weight beside the checkpoint's, bit by bit.

    Raises:
        LeafError: the checkpoint holds other weights than the model has.
    """
    rows, state = table(model), model.state_dict()
    match(rows, source.described(), str(source.path), type(model).__name__)
    apart: dict[str, float] = {}
    for row in rows:
        got, expected = row.to_official(state[row.key]), source.tensor(row.path)
        if got.tobytes() != np.ascontiguousarray(expected).tobytes():
            size = float(np.linalg.norm(expected.astype(np.float64)))
            difference = float(np.linalg.norm(got.astype(np.float64) - expected))
            apart[row.path] = difference / size if size else difference
    greatest = max(apart.values(), default=0.0)
    return WeightsRow("checkpoint", not apart, greatest, tuple(sorted(apart)))


def refuse_another_source(folder: Path, config: dict[str, Any], source: Source) -> None:
    """Refuses a checkpoint whose files are not those that the folder was converted from.

    Raises:
        LeafError: they have other names or other bytes.
    """
    noted = config.get("source")
    found = {path.name: sha256(path) for path in source.files}
    if isinstance(noted, dict) and sorted(noted.values()) != sorted(found.values()):
        expected = f"the checkpoint that {folder.name} was converted from: {', '.join(noted)}"
        got = f"other bytes in {', '.join(found)}"
        fix = "give that checkpoint, or leave --source out"
        raise LeafError("verify", str(source.path), expected, got, fix)
