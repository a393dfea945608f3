"""From a state dict of leaf-pytorch or SpeechBrain to a folder that ``Leaf.from_pretrained`` loads.

The folder is as ``weight_conversion.official.convert`` writes it, and appears whole after a
bit-for-bit comparison, or not at all. Its ``config.json`` says that the model is not the official
function, and in what.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leaf_port import Leaf, pretrained
from leaf_port._model_folder import sha256
from leaf_port._saving import versions, write_tensors
from leaf_port.errors import LeafError
from weight_conversion.foreign import ports
from weight_conversion.foreign.ports import DIFFERENCES, Found, Tree
from weight_conversion.formats import torch_file
from weight_conversion.formats.boundary import reading
from weight_conversion.official.consistency import check_finite
from weight_conversion.official.place import new_folder, refuse_existing
from weight_conversion.official.settings import Settings

IMPORTED = "imported"
"""The part of ``config.json`` that tells an imported model from an official one."""

# Of a shorter window the lower bound of a width is above the upper one: TensorFlow's clipping and
# torch.clamp then give different ones.
_SHORTEST = 4


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Attributes:
        tree: the model's description.
        found: whose frontend it was, and where in the file.
        rows: the port's name, our name and shape of each weight.
        left: how many entries were not imported, by the first part of their names.
        beside: what else the file holds.
        defaulted: arguments that a default answered.
    """

    tree: Tree
    found: Found
    rows: list[tuple[str, str, tuple[int, ...]]]
    left: Mapping[str, int] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    defaulted: list[str] = field(default_factory=list)


def import_port(
    source: Path,
    folder: Path,
    settings: Settings,
    *,
    state_dict: str | None = None,
    prefix: str | None = None,
    force: bool = False,
) -> Imported:
    """Writes the frontend of a port as a folder of safetensors files.

    Args:
        source: a file of ``torch.save`` or safetensors.
        folder: to be made; its parent must exist.
        settings: what the state dict cannot tell.
        state_dict: the name of the state dict in the file, where it holds several.
        prefix: of the frontend's keys, where there are several frontends.
        force: whether an earlier conversion of this name is replaced.

    Raises:
        LeafError: a file that cannot be read or holds no frontend of these ports, or several; an
            argument that is needed; a folder that exists or cannot be written. Then nothing is
            left behind.
    """
    refuse_existing(folder, force)
    with reading("import", source):
        held = torch_file.read(source)
        found = _chosen(source, held, state_dict, prefix)
        own = found.own
        compressed = any(key.startswith(found.port.compression) for key in own)
        tree = ports.tree(_filters(source, found), compressed, settings)
        keys = found.port.table(compressed)
        _match(source, found, keys, _shapes(tree))
        check_finite("import", source, {found.prefix + name: own[name] for name in keys})
    rows = [(found.prefix + name, ours, tuple(own[name].shape)) for name, ours in keys.items()]
    made = Imported(
        tree,
        found,
        rows,
        _counted(found.others),
        _beside(held, found.state_dict),
        list(settings.defaulted),
    )
    weights = {ours: own[name].detach().clone().contiguous() for name, ours in keys.items()}
    _write(source, folder, made, weights, force)
    return made


def frontends(held: Any) -> list[Found]:
    """All frontends of the ports that a file holds."""
    dictionaries = torch_file.state_dicts(held)
    return [each for name, state in dictionaries for each in ports.frontends(name, state)]


def _chosen(source: Path, held: Any, state_dict: str | None, prefix: str | None) -> Found:
    """The one frontend that the file holds, or that the user chose."""
    every = frontends(held)
    fits = [
        each
        for each in every
        if state_dict in (None, each.state_dict) and prefix in (None, each.prefix)
    ]
    if len(fits) == 1:
        return fits[0]
    names = " or ".join(f"…{port.filters}" for port in ports.PORTS)
    expected = f"one frontend of leaf-pytorch or SpeechBrain ({names})"
    if fits or every:
        got = f"{len(fits)} of these: {'; '.join(str(each) for each in every)}"
        fix = "choose one with --state-dict and --prefix"
    else:
        got, fix = _described(held), "official checkpoints: python -m weight_conversion convert"
    raise LeafError("import", str(source), expected, got, fix)


def _described(held: Any) -> str:
    """What a file without a frontend holds, in short."""
    keys = [key for _, state in torch_file.state_dicts(held) for key in state]
    if not keys:
        return f"no tensors, but a {torch_file.kind(held)}"
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return f"{', '.join(keys[:3])}{more}"


def _filters(source: Path, found: Found) -> int:
    """The number of filters: rows of the Gabor kernel."""
    kernel = found.own[found.port.filters]
    if kernel.ndim != 2 or kernel.shape[1] != 2 or kernel.shape[0] < 1 or not _dense(kernel):
        where = f"{source}: {found.prefix}{found.port.filters}"
        got, fix = _kind(kernel), "see what is in it: python -m weight_conversion inspect"
        raise LeafError("import", where, "float32 weights of shape (filters, 2)", got, fix)
    return int(kernel.shape[0])


def _dense(value: Any) -> bool:
    """Whether it is a tensor whose elements are all in the file, in float32."""
    if not isinstance(value, Tensor) or value.dtype != torch.float32:
        return False
    return torch_file.in_full(value)


def _kind(value: Any) -> str:
    """Shape and type of an entry, in words."""
    if not isinstance(value, Tensor):
        return f"a {torch_file.kind(value)}"
    named = torch_file.layout(value)
    layout = "" if named == "torch.strided" else f" {named}"
    return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}{layout}"


def _shapes(tree: Tree) -> dict[str, tuple[int, ...]]:
    """The shapes of the model's weights.

    Raises:
        LeafError: an argument out of its domain, or a window that the ports treat otherwise.
    """
    model = pretrained.skeleton(tree)
    taps = int(model.get_submodule("pooling").kernel_size)  # type: ignore[arg-type]
    if taps < _SHORTEST:
        expected = f"a window of at least {_SHORTEST} samples"
        fix = "narrower ones have no width within its bounds, which the ports resolve otherwise"
        raise LeafError("import", "--window-len", expected, f"{taps}", fix)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _match(
    source: Path, found: Found, keys: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuses a frontend whose weights are not exactly those of the port's Leaf."""
    own, both = found.own, sorted(keys.keys() & found.own.keys())
    tensors = [name for name in both if isinstance(own[name], Tensor)]
    groups = {
        "missing": sorted(keys.keys() - own.keys()),
        "unexpected": sorted(own.keys() - keys.keys()),
        "of another shape": [
            f"{name} {tuple(own[name].shape)} for {shapes[keys[name]]}"
            for name in tensors
            if tuple(own[name].shape) != shapes[keys[name]]
        ],
        "not plain float32": [
            f"{name} {_kind(own[name])}" for name in both if not _dense(own[name])
        ],
    }
    told = "; ".join(f"{title}: {', '.join(names)}" for title, names in groups.items() if names)
    if told:
        expected = (
            f"the weights of the Leaf of {found.port.name} under {found.prefix or 'no prefix'}"
        )
        fix = "import what the port itself saved"
        raise LeafError("import", str(source), expected, told, fix)


def _counted(keys: list[str]) -> dict[str, int]:
    return dict(sorted(Counter(key.partition(".")[0] for key in keys).items()))


def _beside(held: Any, state_dict: str) -> list[str]:
    """What the file holds beside the state dict, if it is not the file itself."""
    first = state_dict.partition("/")[0]
    return sorted(getattr(key, "kind", key) for key in held if key != first) if state_dict else []


def _config(source: Path, made: Imported) -> dict[str, Any]:
    found = made.found
    return {
        "format_version": pretrained.FORMAT_VERSION,
        **made.tree,
        IMPORTED: {
            "from": found.port.name,
            "state_dict": found.state_dict,
            "prefix": found.prefix,
            "official_function": False,
            "differences": {
                name: {"value": made.tree["arguments"][name], "meaning": text}
                for name, text in DIFFERENCES.items()
            },
            "not_imported": dict(made.left),
        },
        "source": {source.name: sha256(source)},
        "versions": versions(),
    }


def _write(
    source: Path, folder: Path, made: Imported, weights: dict[str, Tensor], force: bool
) -> None:
    with new_folder(folder, force) as place:
        write_tensors(place, pretrained.WEIGHTS, weights)
        config = _config(source, made)
        config["weights"] = {pretrained.WEIGHTS: sha256(place / pretrained.WEIGHTS)}
        text = json.dumps(config, indent=1)
        (place / pretrained.CONFIG).write_text(f"{text}\n", encoding="utf-8")
        _compare(place, weights)


def _compare(place: Path, weights: Mapping[str, Tensor]) -> None:
    """Loads what was written as its users will, and compares it with the file, bit by bit."""
    state = Leaf.from_pretrained(place).state_dict()
    wrong = [name for name, value in weights.items() if not _same_bits(state[name], value)]
    if wrong:
        fix = "check the disk, and report it if it happens again"
        got = ", ".join(sorted(wrong))
        raise LeafError("import", got, "the bits that were read", "others", fix)


def _same_bits(left: Tensor, right: Tensor) -> bool:
    """NaN included."""
    return left.numpy().tobytes() == right.numpy().tobytes()
