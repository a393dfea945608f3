"""Keras' EfficientNetB0 in a checkpoint: its layers, in the order in which Keras makes them.

Keras' applications are functional models: one flat list of layers, of which those with weights are
numbered too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from leaf_port.efficientnet import BLOCKS
from leaf_port.errors import LeafError
from weight_conversion.official.layers import Layer

KINDS = frozenset({"functional", "efficientnetb0", "model"})
"""What the files call the model: its class, or its name."""

FIRST = "_encoder/layer_with_weights-0/mean"
"""The first weight of one, by which it is told apart."""

STATISTICS = (FIRST, "_encoder/layer_with_weights-0/variance")
"""Of the input's normalisation; 0 and 1 unless somebody has adapted it."""

STEM = "_encoder/layer_with_weights-1/kernel"
COUNT = "_encoder/layer_with_weights-0/count"
"""How many values the input's normalisation was adapted to, an integer: it computes nothing."""

WEIGHTED = ("normalization", "conv2d", "batch_normalization", "depthwise_conv2d")


def _normalised(kind: str) -> list[str]:
    return [kind, "batch_normalization", "activation"]


def _block(expanded: bool, strided: bool, skips: bool, drops: bool) -> list[str]:
    made = _normalised("conv2d") if expanded else []
    made += ["zero_padding2d"] if strided else []
    made += _normalised("depthwise_conv2d")
    made += ["global_average_pooling2d", "reshape", "conv2d", "conv2d", "multiply"]
    made += ["conv2d", "batch_normalization"]
    return made + (["dropout"] * drops + ["add"] if skips else [])


def _layers() -> Iterator[str]:
    yield from ("input_layer", "rescaling", "normalization", "zero_padding2d")
    yield from _normalised("conv2d")
    number = 0
    for _, repeats, _, ratio, stride in BLOCKS:
        for j in range(repeats):
            yield from _block(ratio != 1, stride == 2 and not j, j > 0, number > 0)
            number += 1
    yield from _normalised("conv2d")


LAYERS: Sequence[str] = tuple(_layers())
"""Their classes, in snake case."""

NUMBERED: Sequence[str] = tuple(kind for kind in LAYERS if kind in WEIGHTED)
"""Of those with weights."""


def resembles(layer: Layer) -> bool:
    """Whether it is a functional model of Keras, of this or another application."""
    kinds = {each.kind for each in layer.members.values()}
    arrays = [set(each.arrays) for each in layer.members.values()]
    return (
        layer.kind in KINDS
        or layer.kind.startswith("efficientnet")
        or "depthwise_conv2d" in kinds
        or {"depthwise_kernel"} in arrays
    )


def another(kinds: Sequence[str], layer: Layer) -> str:
    """Which layer has no place in EfficientNetB0, in words."""
    if layer.kind.startswith("efficientnet") and layer.kind not in KINDS:
        return f"is Keras' {layer.kind.replace('efficientnetb', 'EfficientNetB')}"
    depthwise = sum("depthwise_kernel" in each.arrays for each in layer.members.values())
    ours = LAYERS.count("depthwise_conv2d")
    if depthwise != ours:
        return f"has {depthwise} depthwise convolutions, not {ours}"
    if "*" not in kinds:
        more, fewer = Counter(kinds) - Counter(LAYERS), Counter(LAYERS) - Counter(kinds)
        spare = [name for name, kind in zip(layer.members, kinds, strict=True) if kind in more]
        if spare:
            return f"has no place for {spare[-1]}"
        if fewer:
            return f"lacks {next(iter(fewer))}"
    for name, kind, wanted in zip(layer.members, kinds, LAYERS, strict=False):
        if kind not in (wanted, "*"):
            return f"has {kind or 'another layer'} at {name}, not {wanted}"
    return f"has {len(kinds)} layers, not {len(LAYERS)}"


def numbered(members: dict[str, Layer]) -> dict[str, Layer]:
    """The layers of a file that lists them by class and number, in the model's order.

    Args:
        members: by their names in the file, those of a class in the order of their numbers.
    """
    left: dict[str, list[str]] = {}
    for name, each in members.items():
        if each.kind in WEIGHTED:
            left.setdefault(each.kind, []).append(name)
    steps: dict[str, str] = {}
    for i, kind in enumerate(NUMBERED):
        if left.get(kind):
            steps[left[kind].pop(0)] = f"layer_with_weights-{i}"
    return {steps.get(name, name): each for name, each in members.items()}


def _names() -> Iterator[str]:
    """Keras' names of the layers with weights; the first one's is counted in a program."""
    yield from ("normalization", "stem_conv", "stem_bn")
    for i, (_, repeats, _, ratio, _) in enumerate(BLOCKS, 1):
        for j in range(repeats):
            parts = ["expand_conv", "expand_bn"] if ratio != 1 else []
            parts += ["dwconv", "bn", "se_reduce", "se_expand", "project_conv", "project_bn"]
            yield from (f"block{i}{chr(ord('a') + j)}_{part}" for part in parts)
    yield from ("top_conv", "top_bn")


def by_name(kind: str, layers: dict[str, Layer]) -> Layer:
    """The encoder of a file that lists the layers with weights alone, by Keras' names.

    Around them stand those that the class has; another application keeps its own names.

    Args:
        kind: the model's name.
        layers: by name.
    """
    names = list(_names())
    if kind not in KINDS or layers.keys() != set(names):
        return Layer(kind, layers)
    members: dict[str, Layer] = {}
    for i, listed in enumerate(LAYERS):
        if listed in WEIGHTED:
            found = layers[names.pop(0)]
            step = f"layer_with_weights-{sum('with' in each for each in members)}"
            members[step] = Layer(listed, {}, found.arrays)
        else:
            members[f"layer-{i}"] = Layer(listed)
    return Layer(kind, members, ordered=True)


def input_shape(given: object) -> list[int] | None:
    """The shape that a model was built for, from ``"100,40"`` or Keras' ``(100, 40, 1)``.

    None for ``"any"``, and where the number of frames is None: Keras pads the filters alike then.

    Raises:
        LeafError: anything else.
    """
    parts = given.split(",") if isinstance(given, str) else given
    if given == "any" or given is None:
        return None
    if isinstance(parts, (list, tuple)) and len(parts) in (2, 3):
        if parts[0] is None:
            return None
        try:
            return [int(parts[0]), int(parts[1])]
        except (TypeError, ValueError):
            pass
    fix = "give what EfficientNetB0 was given as input_shape, any where its frames are None"
    raise LeafError("convert", "--input-shape", "FRAMES,FILTERS or any", repr(given), fix)
