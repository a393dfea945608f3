"""Writes a model to a folder that ``from_pretrained`` loads, whole or not at all.

What was written is loaded before the folder gets its name, and compared with the model: layers,
settings, constants and weights, bit by bit (``leaf_port/_same.py``). What cannot be loaded the same
is not written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port import _card
from leaf_port._description import described
from leaf_port._model_folder import CARD, CONFIG, FORMAT_VERSION, WEIGHTS, Place, sha256
from leaf_port._same import difference, same_state
from leaf_port.errors import LeafError

OWNER = "save_pretrained"
_PACKAGES = ("leaf-port", "torch", "numpy", "safetensors")

Load = Callable[[Path], Any]


def save(
    model: nn.Module,
    folder: Path,
    overwrite: bool,
    load: Load,
    name: str | None = None,
    others: Mapping[str, str] | None = None,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Writes a folder.

    Args:
        model: a frontend or a classifier.
        folder: its name; the folder above it must exist.
        overwrite: whether an earlier one is replaced.
        load: what ``from_pretrained`` does.
        name: by which the card says that it is loaded; the folder's by default.
        others: further files, their text by name.
        training: how the weights came about, for ``config.json`` and the card.

    Raises:
        LeafError: a model that cannot be written so that it is loaded the same, or a place that is
            taken or cannot be written to. Then nothing is left behind.
    """
    place = Place(folder, OWNER, "overwrite=True", "model's folder")
    place.refuse_existing(overwrite)
    tree, weights = described(model, "model"), _weights(model)
    with place.new_folder(overwrite) as made:
        write_tensors(made, WEIGHTS, weights)
        config = {"format_version": FORMAT_VERSION, **tree, "versions": versions()}
        if training is not None:
            config["training"] = dict(training)
        config["weights"] = {WEIGHTS: sha256(made / WEIGHTS)}
        text = json.dumps(config, indent=1)
        (made / CONFIG).write_text(f"{text}\n", encoding="utf-8")
        for other, content in (others or {}).items():
            (made / other).write_text(content, encoding="utf-8")
        (made / CARD).write_text(_card.card(config, name or folder.name), encoding="utf-8")
        _compare(model, made, load)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all weights on the CPU.

    Raises:
        LeafError: weights that are not float32, not finite, on the meta device or used twice.
    """
    _refuse_shared(model)
    state = model.state_dict()
    for name, value in state.items():
        got, fix = _obstacle(value)
        if got:
            expected = "finite float32 weights, each a tensor of its own"
            raise LeafError(OWNER, f"model: {name}", expected, got, fix)
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.items()}


def _obstacle(value: Any) -> tuple[str, str]:
    """Why a weight cannot be written, and what to do; empty where it can."""
    if type(value) not in (Tensor, nn.Parameter) or value.layout != torch.strided:
        return f"a {type(value).__name__}", "gather it into plain tensors first"
    if value.is_meta:
        return "one on the meta device", "give it values first"
    if value.dtype.is_floating_point and value.dtype != torch.float32:
        fix = "save a rounded copy, if that is what you want: copy.deepcopy(model).float()"
        return str(value.dtype), fix
    if not bool(torch.isfinite(value).all()):
        return "NaN or infinity", "train it again"
    return "", ""


def _refuse_shared(model: nn.Module) -> None:
    """Of two names for one weight, loading makes two weights, which training moves apart."""
    names: dict[int, str] = {}
    for name, value in model.named_parameters(remove_duplicate=False):
        other = names.setdefault(id(value), name)
        if other != name:
            got, fix = f"one that is {other} too", "build the model with a layer for each place"
            raise LeafError(OWNER, f"model: {name}", "a weight of its own", got, fix)


def _compare(model: nn.Module, made: Path, load: Load) -> None:
    """Loads what was written as its users will.

    Raises:
        LeafError: it cannot be loaded, or is another model.
    """
    expected = "a model that its constructor makes, and weights of it"
    fix = "build it with these arguments; of what was changed since, keep the state_dict()"
    try:
        loaded = load(made)
    except LeafError as error:
        got = f"{error.argument}: {error.got}".replace(f"{made}/", "").replace(str(made), "it")
        raise LeafError(OWNER, "model", expected, got, fix) from error
    apart = difference(model, loaded)
    if apart:
        raise LeafError(OWNER, "model", expected, apart, fix)
    if not same_state(model, loaded):
        fix = "check the disk, and report it if it happens again"
        raise LeafError(OWNER, "model", "the weights that were written", "others", fix)


def versions() -> dict[str, str]:
    """Of the packages that take part, by name."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout
            continue
    return found


def write_tensors(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Writes a safetensors file; an OSError where the system refuses."""
    # Here, so that whoever writes no weights needs no safetensors.
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), folder / name, metadata={"format": "pt"})
        # safetensors makes files that their owner alone may read.
        (folder / name).chmod(folder.stat().st_mode & 0o666)
    except SafetensorError as error:  # what safetensors makes of the system's errors
        raise OSError(str(error)) from error
