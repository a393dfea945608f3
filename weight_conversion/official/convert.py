"""From an official checkpoint to a folder that ``leaf_port`` loads.

The folder holds ``model.safetensors``, ``config.json`` (see ``leaf_port.pretrained``; it also says
where the weights come from) and, where the checkpoint has Adam's moments, ``optimizer.safetensors``
(see ``weight_conversion.official.adam``). It appears whole, after its weights were read again and
compared with the checkpoint's bit by bit, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from torch import Tensor

from leaf_port import pretrained
from leaf_port._model_folder import sha256
from leaf_port._saving import versions, write_tensors
from leaf_port.errors import LeafError
from weight_conversion.formats.boundary import reading
from weight_conversion.official import adam
from weight_conversion.official.consistency import check_finite, check_size
from weight_conversion.official.detect import Tree, detect
from weight_conversion.official.mapping import Row, match, table
from weight_conversion.official.opening import open_source
from weight_conversion.official.place import VERIFICATION, new_folder, refuse_existing
from weight_conversion.official.settings import Settings
from weight_conversion.official.source import Source

__all__ = ["VERIFICATION", "Converted", "convert", "new_folder", "refuse_existing"]


@dataclass(frozen=True)
class Converted:
    """What was converted.

    Attributes:
        tree: the model's description.
        rows: its table of weights.
        moments: how many weights have Adam's moments.
        optimizer: the kind of the optimiser that was converted; None where none was.
        object: the object of the file that is the model, by the file's names; ``"."`` for all.
        left_out: what of the file was not converted, in words.
        notes: what to know about the file.
    """

    tree: Tree
    rows: list[Row]
    moments: int
    optimizer: str | None = None
    object: str = "."
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The model in short: ``"AudioClassifier(Leaf, ConvNet)"``."""
        return title(self.tree)


def convert(
    source_path: Path,
    folder: Path,
    settings: Settings,
    *,
    force: bool = False,
    optimizer: bool | str = True,
    wanted: str | None = None,
    check: Callable[[Path], None] | None = None,
) -> Converted:
    """Writes a checkpoint as a folder of safetensors files.

    Args:
        source_path: a checkpoint, SavedModel or Keras ``.h5``.
        folder: to be made; its parent must exist.
        settings: what the checkpoint cannot tell.
        force: whether an earlier conversion of this name is replaced.
        optimizer: whether to convert the optimiser's state too; ``"adam"`` or ``"adamw"`` where
            the checkpoint does not tell its kind. Another kind is left out, and that is told.
        wanted: the object of the file that is the model, by the file's names.
        check: called with the finished folder under its temporary name, before it gets its own.

    Raises:
        LeafError: a checkpoint that cannot be read or is of another model, an argument that is
            needed, a folder that exists or cannot be written. Then nothing is left behind.
    """
    refuse_existing(folder, force)
    with reading("convert", source_path):
        source = open_source(source_path, wanted)
        said = optimizer if isinstance(optimizer, str) else None
        chosen = adam.choose(source, said) if optimizer else adam.Chosen()
        slots = chosen.moments
        tree = detect(source, settings, adam.trained(source))
        model = pretrained.skeleton(tree, len(source.keys))
        rows = table(model)
        match(rows, source.described(), str(source_path), title(tree))
        check_size(source, rows)
        left_out = (*source.beside, *chosen.notes)
        config = _config(source, tree, chosen, left_out)
    with new_folder(folder, force) as made:
        with reading("convert", source_path, writes=True):
            _write(made, source, rows, slots, config)
            _compare(made, source, rows, slots)
        if check is not None:
            check(made)
    found = (chosen.kind if slots else None, source.chosen, left_out, source.notes)
    return Converted(tree, rows, len(slots), *found)


def _write(
    made: Path, source: Source, rows: list[Row], slots: adam.Moments, config: dict[str, Any]
) -> None:
    weights = {row.key: row.to_torch(source.tensor(row.path)) for row in rows}
    check_finite("convert", source.path, {row.path: weights[row.key] for row in rows})
    files = {pretrained.WEIGHTS: weights}
    if slots:
        files[adam.FILE] = adam.tensors(source, rows, slots)
    for name, tensors in files.items():
        write_tensors(made, name, tensors)
    noted = {"weights": {name: sha256(made / name) for name in files}}
    text = json.dumps(config | noted, indent=1)
    (made / pretrained.CONFIG).write_text(f"{text}\n", encoding="utf-8")


def title(tree: Tree) -> str:
    """The model in short: ``"AudioClassifier(Leaf, ConvNet)"``."""
    parts = [tree["arguments"].get(name) for name in ("frontend", "encoder")]
    kinds = [part["kind"] for part in parts if isinstance(part, dict)]
    return f"{tree['kind']}({', '.join(kinds)})" if kinds else str(tree["kind"])


def _config(
    source: Source, tree: Tree, chosen: adam.Chosen, left_out: tuple[str, ...]
) -> dict[str, Any]:
    told = {"kind": chosen.kind, **adam.described(source)} if chosen.moments else None
    return {
        "format_version": pretrained.FORMAT_VERSION,
        **tree,
        "optimizer": told,
        "source": {path.name: sha256(path) for path in source.files},
        "object": source.chosen,
        "not_converted": list(left_out),
        "versions": versions(),
    }


def _compare(folder: Path, source: Source, rows: list[Row], slots: adam.Moments) -> None:
    """Loads what was written as its users will, and compares it with the checkpoint, bit by bit."""
    config, data = pretrained.read(folder)
    state = pretrained.loaded(config, data, folder).state_dict()
    wrong = [row.path for row in rows if not _same(row, state[row.key], source.tensor(row.path))]
    if slots:
        wrong += _wrong_moments(folder / adam.FILE, source, rows, slots)
    if wrong:
        fix = "check the disk, and report it if it happens again"
        raise LeafError(
            "convert", ", ".join(sorted(wrong)), "the bits that were read", "others", fix
        )


def _wrong_moments(path: Path, source: Source, rows: list[Row], slots: adam.Moments) -> list[str]:
    wrong = []
    with safe_open(path, framework="pt") as kept:
        for row in rows:
            for name, key in zip(adam.KINDS, slots.get(row.path, ()), strict=False):
                if not _same(row, kept.get_tensor(name + row.key), source.reader.tensor(key)):
                    wrong.append(name + row.key)
    return wrong


def _same(row: Row, tensor: Tensor, value: Any) -> bool:
    """Whether both are the same bits, NaN included."""
    return row.to_official(tensor).tobytes() == np.ascontiguousarray(value).tobytes()
