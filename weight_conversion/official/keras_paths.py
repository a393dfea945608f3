"""The names in Keras' ``.h5`` files, translated to those of the official object graph.

Keras names what is in these files after layers or attributes, and differently in each of its
layouts (see ``weight_conversion.formats.keras_h5``). The checkpoints' paths are the one vocabulary
that the rest of the package speaks. What is not known keeps its own name: it has no place in an
official class (``weight_conversion.official.structure``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from weight_conversion.official import efficientnet
from weight_conversion.official.layers import Layer
from weight_conversion.official.structure import FRONTENDS, PARTS

Shape = tuple[int, ...]

ENCODERS = ("conv_net", "pann", "wave_gram", *efficientnet.KINDS)
_MODEL = "model_weights/"
_CONTAINERS = {"_layer_checkpoint_dependencies", "layers"}
_NO_LAYERS = {"optimizer", "metrics", "compile_metrics", "_compile_metrics", "vars"}
_NUMBERED = re.compile(r"^(.*?)(?:_(\d+))?$")
# Members of a Sequential that were made in turns: kinds in the order of one turn.
_TURN = ("conv1d", "conv2d", "batch_normalization")
# Of the frontends' layers by class, as tf-keras 2.21 names them: the official attributes.
_FRONTEND = {
    "gabor_conv1d": "_complex_conv",
    "sinc_conv1d": "_complex_conv",
    "normalized_conv1d": "_complex_conv",
    "squared_modulus": "_activation",
    "leaky_re_lu": "_activation",
    "gaussian_lowpass": "_pooling",
    "learnable_pooling1d": "_pooling",
    "channel_wise_learnable_pooling1d": "_pooling",
    "max_pooling1d": "_pooling",
    "pcen_layer": "_compress_fn",
    "layer_normalization": "_compress_fn",
    "instance_normalization": "_instance_norm",
    "spec_augment": "_spec_augment_fn",
}
_WAVEGRAM = {
    "conv1d": "pre_conv0",
    "batch_normalization": "pre_bn0",
    "sequential": "pre_blocks",
    "pann_conv_block": "last_block",
}
# Of a frontend saved by itself, by layers: names that its constructor gives, or Keras.
_LAYERS = {
    "tfbanks_preemp": "_preemp_conv",
    "tfbanks_complex_conv": "_complex_conv",
    "squared_modulus": "_activation",
    "leaky_re_lu": "_activation",
    "learnable_pooling": "_pooling",
    "max_pooling1d": "_pooling",
    "tfbanks_instancenorm": "_instance_norm",
    "PCEN": "_compress_fn",
    "layer_normalization": "_compress_fn",
    "SpecAugment": "_spec_augment_fn",
}


def by_attribute(groups: Iterable[str], shapes: Mapping[str, Shape]) -> Layer:
    """The layers of a ``.weights.h5`` file, by the file's names.

    Args:
        groups: all of the file's, the empty ones too.
        shapes: of its arrays, by key.
    """
    root = Layer()
    for path in sorted({*groups, *(key.rpartition("/")[0] for key in shapes)}, key=_natural):
        if path and path.partition("/")[0] not in _NO_LAYERS:
            _at(root, path)
    for key in sorted(shapes, key=_natural):
        if key.partition("/")[0] in _NO_LAYERS - {"vars"}:
            continue
        layer = _at(root, key.rpartition("/")[0])
        layer.arrays[str(len(layer.arrays))] = key
    _name_arrays(root, "", shapes)
    return root


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", key)]


def _at(root: Layer, path: str) -> Layer:
    """The layer of a group, made where there is none yet."""
    at, contained = root, False
    for name in path.split("/"):
        if name == "vars":
            break
        if name not in _CONTAINERS:
            kind = _kind(name) if contained else ""
            at = at.members.setdefault(name, Layer(kind))
        contained = name in _CONTAINERS
    return at


def _kind(name: str) -> str:
    found = _NUMBERED.match(name)
    return found[1] if found else name


def _name_arrays(layer: Layer, name: str, shapes: Mapping[str, Shape]) -> None:
    keys = list(layer.arrays.values())
    layer.arrays = dict(zip(_array_names(keys, name, shapes), keys, strict=True))
    for each, member in layer.members.items():
        _name_arrays(member, each, shapes)


def _array_names(keys: list[str], name: str, shapes: Mapping[str, Shape]) -> list[str]:
    """The variables' names, by how many a layer has and of which rank."""
    count = len(keys)
    rank = len(shapes[keys[0]]) if count else 0
    known: dict[int, list[str]] = {
        1: ["kernel"] if rank > 1 else ["smooth"],
        2: ["kernel", "bias"] if rank > 1 else ["gamma", "beta"],
        3: ["alpha", "delta", "root"],
        4: ["gamma", "beta", "moving_mean", "moving_variance"],
    }
    if _kind(name) == "depthwise_conv2d" and count == 1:
        return ["depthwise_kernel"]
    if _kind(name) == "normalization" and count == 3:
        return ["mean", "variance", "count"]
    if name == "cell" and count == 2:
        return ["kernel", "recurrent_kernel"]
    return known.get(count, keys)


def classifier(root: Layer) -> Layer | None:
    """A group by attributes as an AudioClassifier, rightly or not; None where it is like none."""
    if "_head" in root.members:
        members = dict(root.members)
    else:
        kinds = {_role(each.kind): name for name, each in root.members.items()}
        if not {"_head", "_pool"} <= kinds.keys():
            return None
        members = _renamed(root.members, {name: role for role, name in kinds.items() if role})
    if "_frontend" in members:
        members["_frontend"] = frontend(members["_frontend"]) or members["_frontend"]
    if "_encoder" in members:
        members["_encoder"] = _encoder(members["_encoder"])
    return Layer(root.kind, members, root.arrays)


def _renamed(members: Mapping[str, Layer], official: Mapping[str, str]) -> dict[str, Layer]:
    """Layers by official names; none is lost where two have one, or one is called so already."""
    made: dict[str, Layer] = {}
    for name, each in members.items():
        wanted = official.get(name, name)
        taken = wanted in made or (wanted != name and wanted in members)
        made[name if taken else wanted] = each
    return made


def _role(kind: str) -> str:
    if kind in ENCODERS:
        return "_encoder"
    if kind in FRONTENDS:
        return "_frontend"
    return {"dense": "_head", "sequential": "_pool"}.get(kind, "")


def frontend(layer: Layer) -> Layer | None:
    """A group by attributes as a frontend, rightly or not; None where it looks like none."""
    if "_complex_conv" in layer.members:
        return layer
    plain = [name for name in layer.members if name in ("conv1d", "conv1d_1")]
    others = {_FRONTEND.get(each.kind) for each in layer.members.values()}
    if "_complex_conv" not in others and not (plain and "_pooling" in others):
        return None
    official = {name: _FRONTEND.get(each.kind, name) for name, each in layer.members.items()}
    for name in plain:  # the pre-emphasis is first if there are other filters beside it
        first = name == "conv1d" and ("_complex_conv" in others or len(plain) == 2)
        official[name] = "_preemp_conv" if first else "_complex_conv"
    return Layer(layer.kind, _renamed(layer.members, official), layer.arrays)


def _encoder(layer: Layer) -> Layer:
    own = layer.members.keys() & set(_WAVEGRAM.values())
    if own or layer.kind == "wave_gram":
        official = {name: _WAVEGRAM.get(each.kind, name) for name, each in layer.members.items()}
        named = _renamed(layer.members, official)
        return Layer(layer.kind, {n: _sequential(each) for n, each in named.items()}, layer.arrays)
    if efficientnet.resembles(layer):
        in_order = dict(sorted(layer.members.items(), key=lambda item: _turn(item[0])))
        return Layer(layer.kind, efficientnet.numbered(in_order), layer.arrays)
    return _sequential(layer)


def _sequential(layer: Layer) -> Layer:
    """A Sequential: those members that have weights are numbered, as they were made in turns."""
    weighted = sorted((n for n, each in layer.members.items() if each.has_weights), key=_turn)
    steps = {name: f"layer_with_weights-{i}" for i, name in enumerate(weighted)}
    members = {
        steps.get(name, name): _sequential(each)
        for name, each in sorted(layer.members.items(), key=lambda item: _turn(item[0]))
    }
    return Layer(layer.kind, members, layer.arrays)


def _turn(name: str) -> tuple[int, int]:
    """Where a member stands: Keras 2.13 counts by twos, later versions by ones."""
    found = _NUMBERED.match(name)
    if found is None:
        raise AssertionError
    kind, number = found[1], int(found[2] or 0)
    return number, _TURN.index(kind) if kind in _TURN else len(_TURN)


def by_layer(layers: Sequence[str], shapes: Mapping[str, Shape]) -> Layer:
    """The layers of a ``.h5`` file, by the file's names; what is in them is not listed.

    Args:
        layers: the file's, in its order, those without weights too.
        shapes: of its arrays by key, in the order of the file: layer by layer, trained first.
    """
    named = {name: name.removeprefix(_MODEL) for name in layers}
    root = Layer(members={name: Layer(_kind(name)) for name in named.values()}, ordered=True)
    for key in shapes:
        name = next((each for each in layers if key.startswith(f"{each}/")), key.partition("/")[0])
        short = named.get(name, name)
        layer = root.members.setdefault(short, Layer(_kind(short)))
        layer.arrays[key.removeprefix(f"{name}/")] = key
    return root


def classifier_by_layer(root: Layer, shapes: Mapping[str, Shape]) -> Layer | None:
    """The layers of a ``.h5`` file as an AudioClassifier; None where they look like none.

    They stand in the order of the official constructor: frontend, encoder, pooling, head.
    """
    names = list(root.members)
    if not 3 <= len(names) <= 4 or root.members[names[-1]].kind != "dense":
        return None
    if root.members[names[-2]].kind != "sequential" or root.members[names[-2]].arrays:
        return None
    first = root.members[names[0]]
    alone = len(names) == 3
    roles = ["_encoder"] if alone and first.kind in ENCODERS else [*PARTS[: 1 if alone else 2]]
    made = Layer()
    for role, name in zip([*roles, "_pool", "_head"], names, strict=True):
        made.members[role] = _of_layer(role, name, root.members[name], shapes)
    return made


def _of_layer(role: str, name: str, layer: Layer, shapes: Mapping[str, Shape]) -> Layer:
    if role == "_frontend":
        return frontend_by_layer(layer, shapes)
    if role == "_encoder":
        return _flat_encoder(name, layer)
    if role == "_head":
        arrays = {_last(each): key for each, key in layer.arrays.items()}
        return Layer("dense", {}, arrays, scope=next(iter(layer.arrays), ""))
    return Layer(layer.kind, {each: Layer(each) for each in _POOL}, layer.arrays)


def frontend_by_layer(layer: Layer, shapes: Mapping[str, Shape]) -> Layer:
    """A layer of a ``.h5`` file as a frontend: its weights, by their names and shapes."""
    kind = layer.kind if layer.kind in FRONTENDS else ""
    made = Layer(kind)
    for name, key in layer.arrays.items():
        *above, own = _of_frontend(name, shapes[key]).split("/")
        at = made
        for each in above:
            at = at.members.setdefault(each, Layer())
        at.arrays[name if own in at.arrays else own] = key
    return made


def frontend_by_layers(root: Layer, shapes: Mapping[str, Shape]) -> Layer | None:
    """The layers of a ``.h5`` file as a frontend's own; None where they look like none."""
    if "tfbanks_complex_conv" not in root.members:
        return None
    made = Layer(ordered=True)
    official = {n: _LAYERS.get(n, _LAYERS.get(each.kind, n)) for n, each in root.members.items()}
    for name, layer in _renamed(root.members, official).items():
        own = frontend_by_layer(layer, shapes)
        made.members[name] = own.members.get(name, own) if own.members else own
    return made


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
    if name != "kernel":
        return f"{name}/{name}"
    if len(shape) == 4:
        return "_pooling/kernel" if shape[1] == 1 else "_pooling/pool/kernel"
    if shape == (2, 1, 1):
        return "_preemp_conv/kernel"
    return "_pooling/kernel" if "pooling" in key else "_complex_conv/kernel"


def _flat_encoder(name: str, layer: Layer) -> Layer:
    """An encoder's layers, in the order in which they were made, put into their blocks.

    Only those with weights are listed. Around them stand here those that the official class has.
    """
    flat: dict[str, Layer] = {}
    for own, key in layer.arrays.items():
        above = own.rpartition("/")[0]
        at = flat.setdefault(above, Layer(_kind(above.rpartition("/")[2])))
        at.arrays[_last(own)] = key
    if _kind(name).startswith("efficientnet"):
        return efficientnet.by_name(_kind(name), {_kind(n): each for n, each in flat.items()})
    members = list(flat.values())
    if _kind(name) == "wave_gram":
        parts = dict(zip(("pre_conv0", "pre_bn0"), members, strict=False))
        blocks = [_block("pann_wav_block", members[i : i + 4]) for i in range(2, 14, 4)]
        parts["pre_blocks"] = _numbered("sequential", blocks)
        parts["last_block"] = _block("pann_conv_block", members[14:])
        return Layer("wave_gram", parts)
    if _kind(name) == "pann":
        blocks = [_block("pann_conv_block", members[i : i + 4]) for i in range(1, len(members), 4)]
        made = _numbered("pann", [*members[:1], *blocks])
        made.members |= {f"layer-dropout-{i}": Layer("dropout") for i in range(len(blocks))}
        return made
    if _kind(name) != "conv_net":
        return Layer(_kind(name), flat)
    size = 4 if any(each.kind != "conv2d" for each in members) else 2
    blocks = [_block("conv_block", members[i : i + size]) for i in range(0, len(members), size)]
    for i, block in enumerate(blocks):
        if not i or i % 2:
            block.members["layer-pool"] = Layer("max_pooling2d")
    return _numbered("conv_net", blocks)


# What a file by layers does not list: the layers of the pooling, and of a block those without
# weights.
_POOL = ("global_max_pooling2d", "flatten")
_UNLISTED = {
    "conv_block": ("activation",) * 2,
    "pann_conv_block": ("re_lu",) * 2 + ("average_pooling2d",),
    "pann_wav_block": ("re_lu",) * 2 + ("max_pooling1d",),
}


def _block(kind: str, members: list[Layer]) -> Layer:
    made = _numbered(kind, members)
    made.members |= {f"layer-{i}": Layer(each) for i, each in enumerate(_UNLISTED[kind])}
    return made


def _numbered(kind: str, members: list[Layer]) -> Layer:
    return Layer(kind, {f"layer_with_weights-{i}": each for i, each in enumerate(members)})
