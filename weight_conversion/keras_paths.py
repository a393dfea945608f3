"""The names in Keras' ``.h5`` files, translated to the paths of the official object graph.

Keras names what is in these files after layers or attributes, and differently in each of its
layouts (see ``weight_conversion.keras_h5``). The checkpoints' paths are the one vocabulary that
the rest of the package speaks. What is not known keeps its own name: it is told as unexpected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leaf_port.errors import LeafError

Shape = tuple[int, ...]

_CONTAINERS = {"_layer_checkpoint_dependencies", "layers"}
_ENCODERS = ("conv_net", "pann", "wave_gram")
_NUMBERED = re.compile(r"^(.*?)(?:_(\d+))?$")
# Members of a Sequential that were made in turns: kinds in the order of one turn.
_TURN = ("conv1d", "conv2d", "batch_normalization")
# Of the frontends' layers by class, as tf-keras 2.21 names them: the official attributes.
_FRONTEND = {
    "gabor_conv1d": "_complex_conv",
    "sinc_conv1d": "_complex_conv",
    "normalized_conv1d": "_complex_conv",
    "gaussian_lowpass": "_pooling",
    "learnable_pooling1d": "_pooling",
    "channel_wise_learnable_pooling1d": "_pooling",
    "pcen_layer": "_compress_fn",
    "layer_normalization": "_compress_fn",
    "instance_normalization": "_instance_norm",
}
_WAVEGRAM = {
    "conv1d": "pre_conv0",
    "batch_normalization": "pre_bn0",
    "sequential": "pre_blocks",
    "pann_conv_block": "last_block",
}


@dataclass
class _Layer:
    """A group of the file: its members by name, and its own arrays in order."""

    members: dict[str, _Layer] = field(default_factory=dict)
    arrays: list[str] = field(default_factory=list)


def by_attribute(path: Path, shapes: Mapping[str, Shape]) -> dict[str, str]:
    """Keys of a ``.weights.h5`` file by official path.

    Args:
        path: the file, for errors.
        shapes: of its arrays, by key; without an optimiser's and the metrics'.

    Raises:
        LeafError: two arrays that would have one path.
    """
    root = _Layer()
    for key in sorted(shapes, key=_natural):
        at = root
        for name in key.rpartition("/vars/")[0].split("/"):
            if name not in _CONTAINERS:
                at = at.members.setdefault(name, _Layer())
        at.arrays.append(key)
    found: list[tuple[str, str]] = []
    if not any(name.startswith("_") for name in root.members):
        root = _by_attributes(root)
    elif "sequential" in root.members.get("_encoder", _Layer()).members:
        root.members["_encoder"] = _wavegram(root.members["_encoder"])
    _walk(root, "", shapes, found)
    return _unique(path, found)


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", key)]


def _by_attributes(root: _Layer) -> _Layer:
    """A model whose members have the names of classes, with those of attributes."""
    if any(name.startswith(tuple(_FRONTEND)) for name in root.members):
        return _frontend(root)
    made = _Layer()
    for name, layer in root.members.items():
        if name == "dense":
            made.members["_head"] = layer
        elif name in _ENCODERS:
            made.members["_encoder"] = _wavegram(layer) if name == "wave_gram" else layer
        else:
            made.members["_frontend"] = _frontend(layer)
    return made


def _wavegram(layer: _Layer) -> _Layer:
    return _Layer({_WAVEGRAM.get(name, name): each for name, each in layer.members.items()})


def _frontend(layer: _Layer) -> _Layer:
    """Plain convolutions come first: the pre-emphasis if there are other filters beside it."""
    made = _Layer(arrays=layer.arrays)
    plain = [name for name in layer.members if name in ("conv1d", "conv1d_1")]
    others = {_FRONTEND.get(name) for name in layer.members}
    for name, each in layer.members.items():
        if name in plain:
            first = name == "conv1d" and ("_complex_conv" in others or len(plain) == 2)
            made.members["_preemp_conv" if first else "_complex_conv"] = each
        else:
            made.members[_FRONTEND.get(name, name)] = each
    return made


def _walk(
    layer: _Layer, path: str, shapes: Mapping[str, Shape], found: list[tuple[str, str]]
) -> None:
    for key, name in zip(layer.arrays, _array_names(layer, path, shapes), strict=True):
        found.append((path + name, key))
    names = list(layer.members)
    if names and all(_NUMBERED.sub(r"\1", name) in _MEMBERS for name in names):
        ordered = sorted(names, key=_turn)
        steps = {name: f"layer_with_weights-{i}" for i, name in enumerate(ordered)}
    else:
        steps = {name: name for name in names}
    for name, member in layer.members.items():
        _walk(member, f"{path}{steps[name]}/", shapes, found)


_MEMBERS = {*_TURN, "conv_block", "pann_conv_block", "pann_wav_block"}


def _turn(name: str) -> tuple[int, int]:
    """Where a member stands: Keras 2.13 counts by twos, later versions by ones."""
    found = _NUMBERED.match(name)
    if found is None:
        raise AssertionError
    kind, number = found[1], int(found[2] or 0)
    return number, _TURN.index(kind) if kind in _TURN else len(_TURN)


def _array_names(layer: _Layer, path: str, shapes: Mapping[str, Shape]) -> list[str]:
    """The variables' names, by how many a layer has and of which rank."""
    count = len(layer.arrays)
    rank = len(shapes[layer.arrays[0]]) if count else 0
    known: dict[int, list[str]] = {
        1: ["kernel"] if rank > 1 else ["smooth"],
        2: ["kernel", "bias"] if rank > 1 else ["gamma", "beta"],
        3: ["alpha", "delta", "root"],
        4: ["gamma", "beta", "moving_mean", "moving_variance"],
    }
    if path.endswith("/cell/") and count == 2:
        return ["kernel", "recurrent_kernel"]
    return known.get(count, layer.arrays)


def by_layer(path: Path, shapes: Mapping[str, Shape]) -> dict[str, str]:
    """Keys of a ``.h5`` file by official path.

    Args:
        path: the file, for errors.
        shapes: of its arrays by key, in the order of the file: layer by layer, trained first.

    Raises:
        LeafError: two arrays that would have one path.
    """
    layers: dict[str, list[str]] = {}
    for key in shapes:
        layers.setdefault(key.partition("/")[0], []).append(key)
    found: list[tuple[str, str]] = []
    for name, keys in layers.items():
        if re.fullmatch(r"dense(_\d+)?", name):
            found += [(f"_head/{_last(key)}", key) for key in keys]
        elif name.startswith(_ENCODERS):
            found += _flat_encoder(name, keys, shapes)
        else:
            found += [(f"_frontend/{_of_frontend(key, shapes[key])}", key) for key in keys]
    return _unique(path, found)


def _last(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(":0")


def _of_frontend(key: str, shape: Shape) -> str:
    """Which of a frontend's weights it is, by name and shape."""
    name = _last(key)
    if name in ("alpha", "delta", "root"):
        return f"_compress_fn/{name}"
    if name == "smooth":
        return "_compress_fn/ema/smooth"
    if name in ("gamma", "beta"):
        return f"{'_instance_norm' if 'instancenorm' in key else '_compress_fn'}/{name}"
    if name == "recurrent_kernel" or "rnn" in key:
        return f"_compress_fn/ema/cell/{name}"
    if len(shape) == 4:
        return "_pooling/kernel" if shape[1] == 1 else "_pooling/pool/kernel"
    if shape == (2, 1, 1):
        return "_preemp_conv/kernel"
    return "_pooling/kernel" if "pooling" in key else "_complex_conv/kernel"


def _flat_encoder(name: str, keys: list[str], shapes: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """An encoder's layers, in the order in which they were made, put into their blocks."""
    layers: dict[str, list[str]] = {}
    for key in keys:
        layers.setdefault(key.rpartition("/")[0], []).append(key)
    flat = list(layers.values())
    if name.startswith("wave_gram"):
        steps = ["pre_conv0", "pre_bn0"]
        blocks = ((f"pre_blocks/layer_with_weights-{i}", 4) for i in range(3))
    elif name.startswith("pann"):
        steps = ["layer_with_weights-0"]
        blocks = ((f"layer_with_weights-{i + 1}", 4) for i in range(len(flat) // 4))
    else:
        normalised = any(_last(key) == "gamma" for key in keys)
        size = 4 if normalised else 2
        steps, blocks = [], ((f"layer_with_weights-{i}", size) for i in range(len(flat) // size))
    for block, size in blocks:
        steps += [f"{block}/layer_with_weights-{i}" for i in range(size)]
    steps += [f"last_block/layer_with_weights-{i}" for i in range(4)]  # of WaveGram alone
    steps += [members[0] for members in flat[len(steps) :]]  # too many: by their own names
    return [
        (f"_encoder/{step}/{_last(key)}", key)
        for step, members in zip(steps[: len(flat)], flat, strict=True)
        for key in members
    ]


def _unique(path: Path, found: list[tuple[str, str]]) -> dict[str, str]:
    made: dict[str, str] = {}
    for official, key in found:
        if official in made:
            expected = f"one array for {official}"
            fix = "save the weights as a TensorFlow checkpoint: model.save_weights(prefix)"
            raise LeafError("checkpoint", str(path), expected, f"{made[official]} and {key}", fix)
        made[official] = key
    return made
