"""Makes the recorded checkpoints: the project's own command, with the official code, never by hand.

Each is a folder of ``recordings/``: the official files as they were written (of a SavedModel only
``variables/``), ``answers.safetensors`` with the features and logits that the official model gave
for the probe clips, for some ``next_step.safetensors`` (the gradients of one more step, and the
weights after it, in the order of ``model.trainable_variables``), and ``manifest.json``: the recipe,
versions, hashes of all files, and type, shape and hash of every tensor as TensorFlow read it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from safetensors.numpy import save_file

from leaf_port import _publish
from leaf_port.errors import LeafError
from weight_conversion.reference.probe import clips
from weight_conversion.reference.recipes import LABELS, RECIPES, Recipe
from weight_conversion.reference.session import Official, packed
from weight_conversion.reference.worker import unpack

RECORDINGS = Path(__file__).parents[1] / "recordings"
MANIFEST = "manifest.json"
ANSWERS = "answers.safetensors"
NEXT_STEP = "next_step.safetensors"

BATCH, EPOCHS, TRAINED = 2, 2, 8
SHARDS = "shards"


def record(names: Iterable[str], folder: Path, console: Console) -> None:
    """Has the official code make checkpoints, and keeps them.

    Args:
        names: of recipes, or ``"shards"``; all where there are none.
        folder: where; a recording of the same name there is replaced when the new one is whole.
        console: for a line about each.

    Raises:
        LeafError: no such recipe, no official implementation, or one that fails.
    """
    recipes = {recipe.name: recipe for recipe in RECIPES}
    wanted = list(names) or [*recipes, SHARDS]
    for name in wanted:
        if name not in recipes and name != SHARDS:
            known = ", ".join([*recipes, SHARDS])
            raise LeafError("record", "name", f"one of {known}", name, "give one of them")
    folder.mkdir(parents=True, exist_ok=True)
    with Official() as official:
        for name in wanted:
            with _publish.new_folder(folder / name, _is_part) as made:
                manifest = _shards(official, made) if name == SHARDS else None
                manifest = manifest or _model(official, recipes[name], made)
                _write_manifest(made, {**manifest, "versions": official.versions})
                _publish.publish(made, folder / name, _refuse_others)
            size = sum(path.stat().st_size for path in _files(folder / name))
            console.print(f"{name}: {size / 1e3:.0f} kB")


def _model(official: Official, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Trains and saves a recipe's model; what its manifest says."""
    probe = {"seed": recipe.seed + 1000, "batch": BATCH, "samples": recipe.samples}
    labels = np.random.PCG64(recipe.seed).random_raw(TRAINED) % LABELS
    reply = official.do(
        "make",
        folder=str(folder),
        model=recipe.model,
        optimizer=recipe.optimizer,
        forms=list(recipe.forms),
        seed=recipe.seed,
        epochs=EPOCHS,
        clips=packed(clips(recipe.seed, TRAINED, recipe.samples)),
        labels=[int(label) for label in labels],
        probe=packed(clips(**probe)),
        next_step=recipe.next_step,
    )
    answers = {name: unpack(each).copy() for name, each in reply["answers"].items()}
    if not all(np.isfinite(value).all() for value in answers.values()):
        expected, fix = "finite features and logits", "change the recipe"
        raise LeafError("record", recipe.name, expected, "others", fix)
    save_file(answers, folder / ANSWERS)
    if recipe.next_step:
        step = {name: unpack(each).copy() for name, each in reply["next_step"].items()}
        save_file(step, folder / NEXT_STEP)
    made = {"model": recipe.model, "optimizer": recipe.optimizer}
    about = {"about": recipe.about} if recipe.about else {}
    return {**about, **made, "probe": probe, "checkpoints": reply["checkpoints"]}


def _shards(official: Official, folder: Path) -> dict[str, Any]:
    """A checkpoint of no model: every type, odd shapes, pieces, three data files."""
    raw = np.random.PCG64(7)
    tensors: list[dict[str, Any]] = []

    def add(key: str, value: Any, *, spec: str = "", bfloat16: bool = False) -> None:
        item = {"key": key, "value": packed(value), "slice": spec, "bfloat16": bfloat16}
        tensors.append({**item, "shard": len(tensors) % 3})

    kinds = "float32 float64 float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool"
    for kind in [*kinds.split(), "complex64", "complex128"]:
        numbers = np.asarray(raw.random_raw(6) % 100).reshape(2, 3)
        add(f"types/{kind}", (numbers % 2 if kind == "bool" else numbers).astype(kind))
    add("types/bfloat16", np.array([1.5, -2.0, 3e38, 1e-40], np.float32), bfloat16=True)
    texts = np.array([b"", b"a\x00b", b"x" * 300], object)
    add("types/string", texts)
    add("shapes/scalar", np.float32(2.5))
    add("shapes/empty", np.zeros((3, 0, 2), np.float32))
    add("shapes/no_strings", np.array([], object))
    for i in range(60):
        add(f"many/layer_{i}/kernel", np.array([i], np.float32))
    whole = np.asarray(raw.random_raw(300 * 7) % 1000).reshape(300, 7).astype(np.float32)
    for start, length in ((0, 64), (64, 200), (264, 36)):
        spec = f"300 7 {start},{length}:-"
        add("pieces/rows", whole[start : start + length], spec=spec)
    for start, length in ((3, 4), (0, 3)):
        add("pieces/columns", whole[:5, start : start + length], spec=f"5 7 -:{start},{length}")
    prefix = folder / "bundle"
    checkpoints = official.do("write", prefix=str(prefix), tensors=tensors)["checkpoints"]
    for left in folder.glob("bundle.part*"):
        left.unlink()
    return {"about": "no model: every type, odd shapes, pieces", "checkpoints": checkpoints}


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    hashes = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(_files(folder))
    }
    text = json.dumps({**manifest, "files": hashes}, indent=1)
    (folder / MANIFEST).write_text(f"{text}\n")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _is_part(folder: Path) -> bool:
    """Whether a folder of a run that was killed is a recording, whole or in part."""
    return not any(path.is_symlink() for path in folder.rglob("*"))


def _refuse_others(folder: Path) -> None:
    """Refuses to replace what is no recording."""
    if folder.is_symlink() or not (folder / MANIFEST).is_file():
        fix = "move it away: recordings alone are replaced"
        raise LeafError("record", str(folder), "an earlier recording", "something else", fix)
