"""From an official checkpoint to a folder that ``leaf_port`` loads.

The folder holds ``model.safetensors``, ``config.json`` (see ``leaf_port.pretrained``; it also says
where the weights come from) and, where the checkpoint has Adam's moments, ``optimizer.safetensors``
(see ``weight_conversion.adam``). It appears whole, after its weights were read again and compared
with the checkpoint's bit by bit, or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from leaf_port import pretrained
from leaf_port.errors import LeafError
from weight_conversion import adam
from weight_conversion.detect import Tree, detect
from weight_conversion.folder import sha256
from weight_conversion.mapping import Row, match, table
from weight_conversion.settings import Settings
from weight_conversion.source import Source, open_source

VERIFICATION = "verification.json"
_OURS = frozenset({pretrained.CONFIG, pretrained.WEIGHTS, adam.FILE, VERIFICATION})
_PACKAGES = ("leaf-port", "torch", "numpy", "safetensors")


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
        return _title(self.tree)


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
    source = open_source(source_path, wanted)
    said = optimizer if isinstance(optimizer, str) else None
    chosen = adam.choose(source, said) if optimizer else adam.Chosen()
    slots = chosen.moments
    tree = detect(source, settings, adam.trained(source))
    model = pretrained.build(tree)
    rows = table(model)
    match(rows, source.described(), str(source_path), _title(tree))
    left_out = (*source.beside, *chosen.notes)
    config = _config(source, tree, chosen, left_out)
    with new_folder(folder, force) as made:
        write_tensors(
            made,
            pretrained.WEIGHTS,
            {row.key: row.to_torch(source.tensor(row.path)) for row in rows},
        )
        if slots:
            write_tensors(made, adam.FILE, adam.tensors(source, rows, slots))
        config["weights"] = {pretrained.WEIGHTS: sha256(made / pretrained.WEIGHTS)}
        (made / pretrained.CONFIG).write_text(f"{json.dumps(config, indent=1)}\n", encoding="utf-8")
        _compare(made, model, source, rows, slots)
        if check is not None:
            check(made)
    found = (chosen.kind if slots else None, source.chosen, left_out, source.notes)
    return Converted(tree, rows, len(slots), *found)


def _title(tree: Tree) -> str:
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


def versions() -> dict[str, str]:
    """Of the packages that take part, by name."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout
            continue
    return found


def write_tensors(folder: Path, name: str, tensors: dict[str, Tensor]) -> None:
    """Writes a safetensors file; an OSError where the system refuses."""
    try:
        save_file(tensors, folder / name, metadata={"format": "pt"})
        # safetensors makes files that their owner alone may read.
        (folder / name).chmod(folder.stat().st_mode & 0o666)
    except SafetensorError as error:  # what safetensors makes of the system's errors
        raise OSError(str(error)) from error


def _compare(
    folder: Path, model: nn.Module, source: Source, rows: list[Row], slots: adam.Moments
) -> None:
    """Loads what was written as its users will, and compares it with the checkpoint, bit by bit."""
    path = folder / pretrained.WEIGHTS
    pretrained.load_exactly(model, pretrained.read_weights(path), path)
    state = model.state_dict()
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
            for name, key in zip((adam.FIRST, adam.SECOND), slots.get(row.path, ()), strict=False):
                if not _same(row, kept.get_tensor(name + row.key), source.reader.tensor(key)):
                    wrong.append(name + row.key)
    return wrong


def _same(row: Row, tensor: Tensor, value: Any) -> bool:
    """Whether both are the same bits, NaN included."""
    return row.to_official(tensor).tobytes() == np.ascontiguousarray(value).tobytes()


def refuse_existing(folder: Path, force: bool) -> None:
    """Refuses a place that is taken, or where there is none.

    Raises:
        LeafError: no parent folder; something of this name, unless it is an earlier conversion
            and ``force`` is given.
    """
    if not folder.parent.is_dir():
        fix = "make the folder above it first"
        raise LeafError("convert", str(folder), "a path in a folder that exists", "none", fix)
    if not os.path.lexists(folder):
        return
    if not force:
        fix = "give another name, or --force to replace an earlier conversion"
        raise LeafError("convert", str(folder), "a name that is free", "one that is taken", fix)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if folder.is_symlink() or pretrained.CONFIG not in names or not names <= _OURS:
        fix = "give another name: --force replaces earlier conversions alone"
        raise LeafError("convert", str(folder), "an earlier conversion", "something else", fix)


@contextmanager
def new_folder(folder: Path, force: bool) -> Iterator[Path]:
    """A folder under a temporary name, which gets its own when the block ends well.

    Raises:
        LeafError: the system refuses (permissions, a full disk).
    """
    made = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        made.mkdir()
        try:
            yield made
            _publish(made, folder, force)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        fix = "check the folder's permissions and the free space"
        got = error.strerror or error
        raise LeafError("convert", str(folder), "a place to write to", got, fix) from error


def _publish(made: Path, folder: Path, force: bool) -> None:
    """Gives the new folder its name; an older one of that name goes when the new one stands."""
    refuse_existing(folder, force)  # again: it may have come since
    old = made.with_suffix(".old")
    taken = folder.exists()
    if taken:
        folder.rename(old)
    try:
        made.rename(folder)
    except OSError:
        if taken:
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
