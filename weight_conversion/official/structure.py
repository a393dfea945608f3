"""Whether layers are those of an official class: all of them, with and without weights.

A checkpoint holds weights, not what is computed with them. So a model is converted only where each
of its layers has its place in the official class: one Dropout, Dense or average pooling more, and
it is somebody's own model. What a form of file does not list cannot be looked at:
docs/checkpoints.md says what that is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from weight_conversion.official import efficientnet
from weight_conversion.official.layers import Layer

PARTS = ("_frontend", "_encoder", "_pool", "_head")
_FRONTEND = frozenset(
    {"_preemp_conv", "_complex_conv", "_activation", "_pooling", "_instance_norm"}
    | {"_compress_fn", "_spec_augment_fn"}
)
_FRONTEND_KINDS = {
    "_preemp_conv": {"conv1d"},
    "_complex_conv": {"gabor_conv1d", "sinc_conv1d", "normalized_conv1d", "conv1d"},
    "_activation": {"squared_modulus", "leaky_re_lu"},
    "_pooling": {"gaussian_lowpass", "learnable_pooling1d", "channel_wise_learnable_pooling1d"}
    | {"max_pooling1d"},
    "_instance_norm": {"instance_normalization"},
    "_compress_fn": {"pcen_layer", "layer_normalization"},
    "_spec_augment_fn": {"spec_augment"},
}
_FRONTEND_WEIGHTS = frozenset(
    {"_preemp_conv/kernel", "_complex_conv/kernel", "_pooling/kernel", "_pooling/pool/kernel"}
    | {
        f"{layer}/{name}"
        for layer in ("_instance_norm", "_compress_fn")
        for name in ("gamma", "beta")
    }
    | {f"_compress_fn/{name}" for name in ("alpha", "delta", "root", "ema/smooth")}
    | {f"_compress_fn/ema/cell/{name}" for name in ("kernel", "recurrent_kernel")}
)
FRONTENDS = frozenset(
    {"leaf", "time_domain_filterbanks", "sinc_net", "sinc_net_plus", "mel_filterbanks"}
)
"""Classes of frontends; of a class of one's own nothing is known."""

_POOL = ("global_max_pooling2d", "flatten")
_BLOCK_2D = ("conv2d", "batch_normalization", "re_lu") * 2 + ("average_pooling2d",)
_BLOCK_1D = ("conv1d", "batch_normalization", "re_lu") * 2 + ("max_pooling1d",)
_NORMALIZED = frozenset({"gamma", "beta", "moving_mean", "moving_variance"})
# What layers of a class hold, for files that do not tell classes.
_ARRAYS = {
    "conv2d": ({"kernel", "bias"}, {"kernel"}),
    "conv1d": ({"kernel"},),
    "batch_normalization": (_NORMALIZED,),
    "depthwise_conv2d": ({"depthwise_kernel"},),
    "normalization": ({"mean", "variance", "count"},),
}
_OFFICIAL = re.compile(r"(^|/)audio_classifier(_\d+)?/dense(_\d+)?/(kernel|bias)(:0)?$")
_SCOPED = re.compile(r"(?:^|/)(?P<scope>[^/]+)/[^/]+/(kernel|bias)(:0)?$")


def is_classifier(layer: Layer) -> bool:
    """Whether it looks like one, rightly or not."""
    return "_head" in layer.members and not layer.members.keys().isdisjoint(PARTS[:3])


def is_frontend(layer: Layer) -> bool:
    """Whether it looks like a frontend with weights, rightly or not."""
    return "_complex_conv" in layer.members


def of_classifier(layer: Layer) -> Iterator[str]:
    """What has no place in an AudioClassifier, or is lacking, in words."""
    if layer.kind not in ("", "audio_classifier"):
        yield f"its class is {layer.kind}"
    if layer.arrays:
        yield f"weights of its own: {', '.join(layer.arrays)}"
    yield from _unknown(layer, PARTS)
    if "_pool" not in layer.members:
        yield "no _pool, the maximum over time and frequency"
    elif not _is_sequence(layer.members["_pool"], _POOL):
        yield f"_pool is {_told(layer.members['_pool'])}, not GlobalMaxPooling2D and Flatten"
    head = layer.members.get("_head", Layer())
    if head.kind not in ("", "dense") or head.members or set(head.arrays) != {"kernel", "bias"}:
        yield f"_head is {_told(head)}, not one Dense layer"
    if "_frontend" in layer.members:
        for problem in of_frontend(layer.members["_frontend"]):
            yield f"_frontend: {problem}"
    if "_encoder" in layer.members:
        yield from _of_encoder(layer.members["_encoder"])


def own_class(layer: Layer) -> str | None:
    """The name of another model that the head was made in; None where it is not told."""
    scope = layer.members.get("_head", Layer()).scope
    found = _SCOPED.search(scope)
    if found is None or _OFFICIAL.search(scope):
        return None
    return found["scope"]


def of_frontend(layer: Layer) -> Iterator[str]:
    """What has no place in an official frontend, or is lacking, in words."""
    if layer.kind and layer.kind not in FRONTENDS:
        yield f"its class is {layer.kind}"
    others = [path for path, _ in layer.weights() if path not in _FRONTEND_WEIGHTS]
    if others:
        yield f"weights that no frontend has: {', '.join(others)}"
    yield from _unknown(layer, _FRONTEND)
    for name, member in layer.members.items():
        if member.kind and member.kind not in _FRONTEND_KINDS.get(name, {member.kind}):
            yield f"{name} is {_told(member)}"
    if "_compress_fn" in layer.members and not layer.members["_compress_fn"].has_weights:
        yield "_compress_fn is a layer without weights, neither PCEN nor LayerNormalization"


def activation(layer: Layer) -> str:
    """A frontend's, by its class: in files that tell none, SquaredModulus holds its pooling."""
    found = layer.members.get("_activation")
    if found is None:
        return "a function, or none"
    if found.kind:
        return found.kind
    return "squared_modulus" if found.members.keys() == {"_pool"} else "leaky_re_lu"


def _unknown(layer: Layer, known: Sequence[str] | frozenset[str]) -> Iterator[str]:
    for name, member in layer.members.items():
        if name not in known:
            yield f"{name} ({_told(member)}) has no place"


def _told(layer: Layer) -> str:
    """A layer in a few words."""
    if layer.kind:
        return f"a {layer.kind}"
    if layer.members:
        return f"a group of {', '.join(layer.members)}"
    return f"a layer of {', '.join(layer.arrays)}" if layer.arrays else "a layer without weights"


def _of_encoder(layer: Layer) -> Iterator[str]:
    if _is_conv_net(layer) or _is_pann(layer) or _is_wavegram(layer):
        return
    if efficientnet.resembles(layer):
        yield from _of_efficientnet(layer)
        return
    known = "ConvNet, PANN, WaveGram or EfficientNetB0"
    yield f"_encoder ({_told(layer)}) is no {known}, layer by layer"


def _is_conv_net(layer: Layer) -> bool:
    """Blocks, alike but for the pooling, which the first and each second have."""
    blocks = _sequence(layer, "conv_net", "conv_block")
    if not blocks:
        return False
    pooled = [not i or bool(i % 2) for i in range(len(blocks))]
    return any(
        all(
            _is_sequence(block, _conv_block(bn, drop, pool))
            for block, pool in zip(blocks, pooled, strict=True)
        )
        for bn in (True, False)
        for drop in (True, False)
    )


def _conv_block(normalised: bool, dropout: bool, pooled: bool) -> tuple[str, ...]:
    half: tuple[str, ...] = ("conv2d", "activation")
    half += ("batch_normalization",) if normalised else ()
    half += ("dropout",) if dropout else ()
    return half * 2 + (("max_pooling2d",) if pooled else ())


def _is_pann(layer: Layer) -> bool:
    """A normalisation, and a Dropout after each block."""
    if layer.kind not in ("", "pann"):
        return False
    members = list(layer.members.values())
    kinds = [_kind(each, ("batch_normalization", "pann_conv_block", "dropout")) for each in members]
    depth = (len(kinds) - 1) // 2
    expected = ["batch_normalization", *["pann_conv_block", "dropout"] * depth]
    if depth < 1 or not _same(kinds, expected, layer.ordered):
        return False
    blocks = [each for each, kind in zip(members, kinds, strict=True) if kind == expected[1]]
    return all(_is_sequence(block, _BLOCK_2D) for block in blocks)


def _is_wavegram(layer: Layer) -> bool:
    parts = layer.members
    if layer.kind not in ("", "wave_gram") or parts.keys() != {
        *("pre_conv0", "pre_bn0", "pre_blocks", "last_block")
    }:
        return False
    blocks = _sequence(parts["pre_blocks"], "sequential", "pann_wav_block")
    return (
        _kind(parts["pre_conv0"], ("conv1d",)) == "conv1d"
        and _kind(parts["pre_bn0"], ("batch_normalization",)) == "batch_normalization"
        and len(blocks) == 3
        and all(_is_sequence(block, _BLOCK_1D) for block in blocks)
        and _is_sequence(parts["last_block"], _BLOCK_2D)
    )


def _of_efficientnet(layer: Layer) -> Iterator[str]:
    """A flat list of layers, which Keras' other applications have too."""
    expected = efficientnet.LAYERS
    if layer.kind not in ("", *efficientnet.KINDS) or not _is_sequence(layer, expected):
        kinds = [_kind(each, efficientnet.WEIGHTED) for each in layer.members.values()]
        yield f"_encoder {efficientnet.another(kinds, layer)}: it is no EfficientNetB0"


def _sequence(layer: Layer, kind: str, member: str) -> list[Layer]:
    """The members of a Sequential that are all of one kind; none where they are not."""
    if layer.kind not in ("", kind) or layer.arrays:
        return []
    members = list(layer.members.values())
    return members if all(each.kind in ("", member) for each in members) else []


def _is_sequence(layer: Layer, expected: Sequence[str]) -> bool:
    """Whether its members are of these kinds, in this order where the file keeps it."""
    members = list(layer.members.values())
    if layer.arrays or len(members) != len(expected):
        return False
    return _same([_kind(each, expected) for each in members], expected, layer.ordered)


def _same(kinds: Sequence[str], expected: Sequence[str], ordered: bool) -> bool:
    if "*" not in kinds and not ordered:
        return Counter(kinds) == Counter(expected)
    return len(kinds) == len(expected) and all(
        kind == other or (kind == "*" and other in _WEIGHTLESS)
        for kind, other in zip(kinds, expected, strict=True)
    )


_WEIGHTLESS = frozenset(
    {"activation", "dropout", "re_lu", "max_pooling2d", "average_pooling2d", "max_pooling1d"}
    | {"global_max_pooling2d", "flatten", "input_layer", "rescaling", "zero_padding2d", "reshape"}
    | {"global_average_pooling2d", "multiply", "add"}
)


def _kind(layer: Layer, among: Sequence[str]) -> str:
    """Its kind; where the file tells none, by its weights: ``"*"`` is one without any."""
    if layer.kind:
        return layer.kind
    if not layer.has_weights:
        return "" if layer.members else "*"
    if layer.members:
        return next((each for each in among if each.endswith("block")), "")
    for kind in among:
        if set(layer.arrays) in _ARRAYS.get(kind, ()):
            return kind
    return ""
