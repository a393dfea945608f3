"""What each official class consists of: every layer and weight of it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from weight_conversion.official import efficientnet, structure
from weight_conversion.official.layers import Layer

BATCH = ("gamma", "beta", "moving_mean", "moving_variance")
ARRAYS = {"conv2d": ("kernel", "bias"), "conv1d": ("kernel",), "batch_normalization": BATCH}
ARRAYS |= {
    "depthwise_conv2d": ("depthwise_kernel",),
    "normalization": ("mean", "variance", "count"),
}


def arrays(*names: str) -> dict[str, str]:
    return {name: f"key of {name}" for name in names}


def sequence(
    kind: str, members: Sequence[str | Layer], told: bool = True, ordered: bool = True
) -> Layer:
    """Layers in a row; where the classes are not told, by their weights."""
    made = Layer(kind if told else "", ordered=ordered)
    for i, each in enumerate(members):
        if isinstance(each, str):
            each = Layer(each if told else "", {}, arrays(*ARRAYS.get(each, ())))
        made.members[f"layer-{i}"] = each
    return made


POOL = sequence("sequential", ["global_max_pooling2d", "flatten"])
HEAD = Layer("dense", {}, arrays("kernel", "bias"))


def classifier(**more: Layer) -> Layer:
    return Layer(members={"_pool": POOL, "_head": HEAD, **more})


def problems(**more: Layer) -> list[str]:
    return list(structure.of_classifier(classifier(**more)))


@pytest.mark.parametrize(
    ("names", "is_one"),
    [
        *(((each, "_head"), True) for each in ("_frontend", "_encoder", "_pool")),
        (("_head",), False),
        (("_head", "other"), False),
        (("_frontend", "_encoder", "_pool"), False),
    ],
)
def test_a_classifier_has_a_head_and_another_part(names: tuple[str, ...], is_one: bool) -> None:
    assert structure.is_classifier(Layer(members={name: Layer() for name in names})) is is_one


def test_a_frontend_has_filters() -> None:
    assert structure.is_frontend(Layer(members={"_complex_conv": Layer()}))
    assert not structure.is_frontend(Layer(members={"_pooling": Layer()}))


@pytest.mark.parametrize("kind", ["", "audio_classifier"])
def test_a_whole_classifier(kind: str) -> None:
    made = classifier()
    made.kind = kind
    assert list(structure.of_classifier(made)) == []


def test_everything_that_is_wrong_is_told() -> None:
    made = Layer("mine", {"a": Layer("dropout"), "b": Layer("", {"x": Layer(), "y": Layer()})})
    made.members |= {"c": Layer(arrays=arrays("u", "v")), "d": Layer()}
    made.members["_frontend"] = Layer("mine")
    made.members["_encoder"] = Layer("mine")
    made.arrays = arrays("one", "two")
    assert list(structure.of_classifier(made)) == [
        "its class is mine",
        "weights of its own: one, two",
        "a (a dropout) has no place",
        "b (a group of x, y) has no place",
        "c (a layer of u, v) has no place",
        "d (a layer without weights) has no place",
        "no _pool, the maximum over time and frequency",
        "_head is a layer without weights, not one Dense layer",
        "_frontend: its class is mine",
        "_encoder (a mine) is no ConvNet, PANN, WaveGram or EfficientNetB0, layer by layer",
    ]


@pytest.mark.parametrize(
    "head",
    [
        Layer("conv1d", {}, arrays("kernel", "bias")),
        Layer("dense", {"a": Layer()}, arrays("kernel", "bias")),
        Layer("dense", {}, arrays("kernel")),
        Layer("dense", {}, arrays("kernel", "bias", "more")),
    ],
)
def test_a_head_is_one_dense_layer(head: Layer) -> None:
    assert problems(_head=head) == [f"_head is a {head.kind}, not one Dense layer"]
    assert problems(_head=Layer("", {}, arrays("kernel", "bias"))) == []


@pytest.mark.parametrize(
    "members",
    [
        ["flatten", "global_max_pooling2d"],
        ["global_max_pooling2d"],
        ["global_max_pooling2d", "flatten", "dropout"],
        ["global_average_pooling2d", "flatten"],
        [],
    ],
)
def test_a_pooling_is_of_the_maximum(members: list[str]) -> None:
    told = "_pool is a mine, not GlobalMaxPooling2D and Flatten"
    assert problems(_pool=sequence("mine", members)) == [told]
    with_weights = sequence("mine", ["global_max_pooling2d", "flatten"])
    with_weights.arrays = arrays("kernel")
    assert problems(_pool=with_weights) == [told]


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("audio_classifier/dense/kernel", None),
        ("audio_classifier_1/dense_12/bias:0", None),
        ("x/audio_classifier/dense/kernel:0", None),
        ("", None),
        ("kernel", None),
        ("dense/kernel", None),
        ("mine/dense/gamma", None),
        ("mine/dense/kernel/x", None),
        ("mine/dense/kernel", "mine"),
        ("a/mine/dense/bias:0", "mine"),
        ("my_audio_classifier/dense/kernel", "my_audio_classifier"),
        ("audio_classifier_x/dense/kernel", "audio_classifier_x"),
        ("audio_classifier/dense_x/kernel", "audio_classifier"),
        ("audio_classifier/other/kernel", "audio_classifier"),
    ],
)
def test_another_class_is_told_by_the_name_of_the_head(scope: str, name: str | None) -> None:
    head = Layer("dense", scope=scope)
    assert structure.own_class(Layer(members={"_head": head})) == name


def test_without_a_head_no_class_is_told() -> None:
    assert structure.own_class(Layer(scope="mine/dense/kernel")) is None


# Frontends

FRONTENDS = ["leaf", "time_domain_filterbanks", "sinc_net", "sinc_net_plus", "mel_filterbanks"]
WEIGHTS = ["_preemp_conv/kernel", "_complex_conv/kernel", "_pooling/kernel", "_pooling/pool/kernel"]
WEIGHTS += ["_instance_norm/gamma", "_instance_norm/beta", "_compress_fn/gamma"]
WEIGHTS += ["_compress_fn/beta", "_compress_fn/alpha", "_compress_fn/delta", "_compress_fn/root"]
WEIGHTS += ["_compress_fn/ema/smooth", "_compress_fn/ema/cell/kernel"]
WEIGHTS += ["_compress_fn/ema/cell/recurrent_kernel"]
PLACES = {
    "_preemp_conv": ["conv1d"],
    "_complex_conv": ["gabor_conv1d", "sinc_conv1d", "normalized_conv1d", "conv1d"],
    "_activation": ["squared_modulus", "leaky_re_lu"],
    "_pooling": [
        *("gaussian_lowpass", "learnable_pooling1d", "channel_wise_learnable_pooling1d"),
        "max_pooling1d",
    ],
    "_instance_norm": ["instance_normalization"],
    "_compress_fn": ["pcen_layer", "layer_normalization"],
    "_spec_augment_fn": ["spec_augment"],
}


def at(path: str) -> Layer:
    """A frontend with one weight."""
    *above, own = path.split("/")
    made = Layer("", {}, arrays(own))
    for name in reversed(above):
        made = Layer("", {name: made})
    return made


@pytest.mark.parametrize("kind", ["", *FRONTENDS])
def test_each_class_of_frontends(kind: str) -> None:
    assert list(structure.of_frontend(Layer(kind))) == []


def test_another_class_is_no_frontend() -> None:
    assert list(structure.of_frontend(Layer("mine"))) == ["its class is mine"]


@pytest.mark.parametrize("path", WEIGHTS)
def test_each_weight_of_frontends(path: str) -> None:
    assert list(structure.of_frontend(at(path))) == []


@pytest.mark.parametrize(
    "path",
    [
        *("_preemp_conv/bias", "_complex_conv/bias", "_instance_norm/alpha", "_pooling/pool/bias"),
        *("_activation/alpha", "_compress_fn/smooth", "_compress_fn/ema/cell/bias"),
    ],
)
def test_weights_that_no_frontend_has(path: str) -> None:
    assert list(structure.of_frontend(at(path))) == [f"weights that no frontend has: {path}"]


def test_what_no_frontend_has_is_told() -> None:
    made = Layer(members={"other": Layer("dropout", {}, arrays("b"))}, arrays=arrays("a"))
    made.members["_compress_fn"] = Layer("pcen_layer")
    assert list(structure.of_frontend(made)) == [
        "weights that no frontend has: a, other/b",
        "other (a dropout) has no place",
        "_compress_fn is a layer without weights, neither PCEN nor LayerNormalization",
    ]


KINDS = sorted({kind for kinds in PLACES.values() for kind in kinds} | {"dense"})


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_of_frontends_is_of_its_classes(name: str, kind: str) -> None:
    weights = arrays("gamma") if name == "_compress_fn" else {}
    found = list(structure.of_frontend(Layer(members={name: Layer(kind, {}, weights)})))
    assert found == ([] if kind in PLACES[name] else [f"{name} is a {kind}"])


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (None, "a function, or none"),
        (Layer("leaky_re_lu"), "leaky_re_lu"),
        (Layer("mine", {"_pool": Layer()}), "mine"),
        (Layer("", {"_pool": Layer()}), "squared_modulus"),
        (Layer("", {"_pool": Layer(), "more": Layer()}), "leaky_re_lu"),
        (Layer(), "leaky_re_lu"),
    ],
)
def test_the_activation_of_a_frontend(layer: Layer | None, told: str) -> None:
    members = {} if layer is None else {"_activation": layer}
    assert structure.activation(Layer(members=members)) == told


# Encoders

HALF_2D = ["conv2d", "batch_normalization", "re_lu"]
HALF_1D = ["conv1d", "batch_normalization", "re_lu"]
BLOCK_2D = [*HALF_2D * 2, "average_pooling2d"]
BLOCK_1D = [*HALF_1D * 2, "max_pooling1d"]


def half(normalised: bool = True, dropout: bool = False) -> list[str]:
    made = ["conv2d", "activation"]
    return made + ["batch_normalization"] * normalised + ["dropout"] * dropout


def conv_net(count: int, told: bool, **options: bool) -> Layer:
    blocks = [
        sequence("conv_block", half(**options) * 2 + ["max_pooling2d"] * (i in (0, 1, 3, 5)), told)
        for i in range(count)
    ]
    return sequence("conv_net", blocks, told)


def pann(depth: int, told: bool) -> Layer:
    members: list[str | Layer] = ["batch_normalization"]
    for _ in range(depth):
        members += [sequence("pann_conv_block", BLOCK_2D, told), "dropout"]
    return sequence("pann", members, told)


def wavegram(told: bool) -> Layer:
    made = sequence("wave_gram", ["conv1d", "batch_normalization"], told)
    blocks = [sequence("pann_wav_block", BLOCK_1D, told) for _ in range(3)]
    parts = dict(zip(("pre_conv0", "pre_bn0"), made.members.values(), strict=True))
    parts["pre_blocks"] = sequence("sequential", blocks, told)
    parts["last_block"] = sequence("pann_conv_block", BLOCK_2D, told)
    return Layer(made.kind, parts)


def efficient(told: bool) -> Layer:
    return sequence("functional", efficientnet.LAYERS, told)


Make = Callable[[bool], Layer]
ENCODERS: dict[str, Make] = {
    **{f"a ConvNet of {n}": partial(conv_net, n) for n in (1, 2, 5)},
    "without normalisation": partial(conv_net, 3, normalised=False),
    "with dropout": partial(conv_net, 3, dropout=True),
    "with dropout alone": partial(conv_net, 3, normalised=False, dropout=True),
    **{f"a PANN of {n}": partial(pann, n) for n in (1, 4)},
    **{"a WaveGram": wavegram, "an EfficientNetB0": efficient},
}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("name", ENCODERS)
def test_official_encoders(name: str, told: bool) -> None:
    """Whether the file tells classes, or weights alone."""
    assert problems(_encoder=ENCODERS[name](told)) == []


def swapped(layer: Layer, first: int, second: int) -> Layer:
    """The same members, two of them in each other's place."""
    items = list(layer.members.values())
    items[first], items[second] = items[second], items[first]
    return Layer(layer.kind, dict(zip(layer.members, items, strict=True)), ordered=layer.ordered)


def changed(layer: Layer, path: str, change: Callable[[Layer], Layer]) -> Layer:
    """With another member at a path."""
    if not path:
        return change(layer)
    name, _, rest = path.partition("/")
    members = {**layer.members, name: changed(layer.members[name], rest, change)}
    return Layer(layer.kind, members, layer.arrays, layer.ordered)


def kind(name: str) -> Callable[[Layer], Layer]:
    return lambda old: Layer(name, old.members, old.arrays, old.ordered)


def more(name: str) -> Callable[[Layer], Layer]:
    return lambda old: Layer(old.kind, {**old.members, "more": Layer(name)}, ordered=old.ordered)


def less(old: Layer) -> Layer:
    return Layer(old.kind, dict(list(old.members.items())[:-1]), ordered=old.ordered)


def weighted(old: Layer) -> Layer:
    return Layer(old.kind, old.members, arrays("kernel"), old.ordered)


def in_another_order(old: Layer) -> Layer:
    return swapped(old, 0, 1)


def without_order(old: Layer) -> Layer:
    return Layer(old.kind, old.members, old.arrays)


CHANGES: list[tuple[str, list[str], list[Callable[[Layer], Layer]]]] = [
    ("a ConvNet of 2", [""], [kind("sequential"), more("conv_block"), weighted]),
    ("a ConvNet of 2", ["", "layer-0"], [lambda _: Layer("conv_net"), kind("pann_conv_block")]),
    (
        "a ConvNet of 5",
        [f"layer-{i}" for i in range(5)],
        [in_another_order, more("max_pooling2d"), less, weighted, kind("dense")],
    ),
    ("a ConvNet of 2", [f"layer-1/layer-{i}" for i in range(7)], [kind("dense")]),
    ("a PANN of 4", [""], [kind("conv_net"), more("dropout"), less, in_another_order]),
    ("a PANN of 1", [""], [lambda _: sequence("pann", ["batch_normalization"])]),
    (
        "a PANN of 4",
        ["layer-1", "layer-7"],
        [in_another_order, more("re_lu"), less, weighted, kind("conv_block")],
    ),
    ("a PANN of 4", [f"layer-3/layer-{i}" for i in range(7)], [kind("dense")]),
    ("a WaveGram", [""], [kind("pann"), more("re_lu"), less]),
    ("a WaveGram", ["pre_conv0", "pre_bn0", "pre_blocks", "last_block"], [lambda _: Layer()]),
    ("a WaveGram", ["pre_conv0", "pre_bn0"], [kind("mine")]),
    ("a WaveGram", ["pre_blocks"], [kind("pann"), more("pann_wav_block"), less, weighted]),
    (
        "a WaveGram",
        ["pre_blocks/layer-0", "pre_blocks/layer-2", "last_block"],
        [in_another_order, more("re_lu"), less, weighted],
    ),
    ("a WaveGram", ["pre_blocks/layer-1"], [kind("pann_conv_block")]),
]


@pytest.mark.parametrize(
    ("name", "path", "change"),
    [
        (name, path, change)
        for name, paths, changes in CHANGES
        for path in paths
        for change in changes
    ],
)
def test_other_encoders(name: str, path: str, change: Callable[[Layer], Layer]) -> None:
    made = changed(ENCODERS[name](True), path, change)
    (told,) = problems(_encoder=made)
    expected = f"_encoder ({structure._told(made)}) is no ConvNet, PANN, WaveGram or EfficientNetB0"
    assert told == f"{expected}, layer by layer"


@pytest.mark.parametrize(
    ("name", "path"),
    [("a ConvNet of 2", "layer-0"), ("a PANN of 4", ""), ("a PANN of 4", "layer-1")],
)
def test_a_file_without_order_is_not_asked_for_it(name: str, path: str) -> None:
    """By classes, of which there must be as many."""
    encoder = ENCODERS[name](True)
    loose = changed(changed(encoder, path, in_another_order), path, without_order)
    assert problems(_encoder=loose) == []
    for change in (less, more("max_pooling2d")):
        assert len(problems(_encoder=changed(loose, path, change))) == 1


@pytest.mark.parametrize("member", ["conv2d", "batch_normalization"])
def test_layers_without_a_class_are_told_by_their_weights(member: str) -> None:
    """Where one tells nothing at all, the order is looked at in every file."""
    made = conv_net(1, told=False)
    block = made.members["layer-0"]
    block.ordered = False
    assert problems(_encoder=made) == []
    place = "layer-0" if member == "conv2d" else "layer-2"
    block.members[place].arrays = arrays("alpha")
    assert len(problems(_encoder=made)) == 1
    block.members[place].arrays = {}
    assert len(problems(_encoder=made)) == 1


def test_a_convolution_may_have_no_bias() -> None:
    made = conv_net(1, told=False)
    made.members["layer-0"].members["layer-0"].arrays = arrays("kernel")
    assert problems(_encoder=made) == []


WEIGHTLESS = ["activation", "dropout", "re_lu", "max_pooling2d", "average_pooling2d"]
WEIGHTLESS += ["max_pooling1d", "global_max_pooling2d", "flatten", "input_layer", "rescaling"]
WEIGHTLESS += ["zero_padding2d", "reshape", "global_average_pooling2d", "multiply", "add"]


@pytest.mark.parametrize("name", [*WEIGHTLESS, *ARRAYS, "dense"])
def test_a_layer_that_tells_nothing_may_be_each_without_weights(name: str) -> None:
    nothing = Layer(members={"a": Layer()}, ordered=True)
    assert structure._is_sequence(nothing, [name]) is (name in WEIGHTLESS)


def test_a_group_that_tells_nothing_is_no_layer() -> None:
    group = Layer(members={"a": Layer(members={"b": Layer()})}, ordered=True)
    assert not structure._is_sequence(group, ["flatten"])
    group.members["a"].members["b"].arrays = arrays("kernel")
    assert structure._is_sequence(group, ["pann_conv_block"])
    assert not structure._is_sequence(group, ["conv2d"])


@pytest.mark.parametrize("own", ["", "functional", "efficientnetb0", "model"])
def test_the_names_of_efficientnet(own: str) -> None:
    assert problems(_encoder=kind(own)(efficient(True))) == []


def test_another_application_is_told() -> None:
    made = kind("efficientnetb3")(efficient(True))
    told = "_encoder is Keras' EfficientNetB3: it is no EfficientNetB0"
    assert problems(_encoder=made) == [told]
    (told,) = problems(_encoder=less(efficient(True)))
    assert told == "_encoder lacks activation: it is no EfficientNetB0"
    (told,) = problems(_encoder=swapped(efficient(True), 0, 1))
    assert told == "_encoder has rescaling at layer-0, not input_layer: it is no EfficientNetB0"
    (told,) = problems(_encoder=weighted(efficient(True)))
    assert told.endswith(": it is no EfficientNetB0")
