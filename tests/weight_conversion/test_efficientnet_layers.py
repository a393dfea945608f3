"""Keras' EfficientNetB0 layer by layer: the list, who resembles it, and how others are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from _refusals import refusal

from weight_conversion.official import efficientnet
from weight_conversion.official.efficientnet import KINDS, LAYERS, NUMBERED, WEIGHTED
from weight_conversion.official.layers import Layer

# Of each block whether its filters are expanded, its input padded for a stride, and added again.
BLOCKS = (
    *("", "expanded padded", "expanded added", "expanded padded", "expanded added"),
    *("expanded padded", "expanded added", "expanded added"),
    *("expanded", "expanded added", "expanded added"),
    *("expanded padded", "expanded added", "expanded added", "expanded added", "expanded"),
)


def listed() -> Iterator[str]:
    """As ``model.layers`` of ``tf.keras.applications.EfficientNetB0(include_top=False)`` lists."""
    yield from ("input_layer", "rescaling", "normalization", "zero_padding2d")
    yield from ("conv2d", "batch_normalization", "activation")
    for each in BLOCKS:
        block = each.split()
        if "expanded" in block:
            yield from ("conv2d", "batch_normalization", "activation")
        if "padded" in block:
            yield "zero_padding2d"
        yield from ("depthwise_conv2d", "batch_normalization", "activation")
        yield from ("global_average_pooling2d", "reshape", "conv2d", "conv2d", "multiply")
        yield from ("conv2d", "batch_normalization")
        if "added" in block:
            yield from ("dropout", "add")
    yield from ("conv2d", "batch_normalization", "activation")


def test_the_layers_are_keras() -> None:
    assert list(LAYERS) == list(listed())
    assert len(LAYERS) == 237
    assert list(NUMBERED) == [kind for kind in LAYERS if kind in WEIGHTED]
    assert set(WEIGHTED) == {"normalization", "conv2d", "batch_normalization", "depthwise_conv2d"}


NAMES = (
    *("normalization", "stem_conv", "stem_bn"),
    *(
        f"block{block}_{part}"
        for block in (
            *("1a", "2a", "2b", "3a", "3b", "4a", "4b", "4c"),
            *("5a", "5b", "5c", "6a", "6b", "6c", "6d", "7a"),
        )
        for part in (
            *("expand_conv", "expand_bn", "dwconv", "bn"),
            *("se_reduce", "se_expand", "project_conv", "project_bn"),
        )
        if block != "1a" or not part.startswith("expand")
    ),
    *("top_conv", "top_bn"),
)


def weights(kind: str, key: str = "key") -> dict[str, str]:
    return {"depthwise_kernel": key} if kind == "depthwise_conv2d" else {"kernel": key}


def by_name() -> dict[str, Layer]:
    """The layers with weights, by Keras' names."""
    pairs = zip(NAMES, NUMBERED, strict=True)
    return {name: Layer("", {}, weights(kind, name)) for name, kind in pairs}


def whole(**changed: str) -> Layer:
    """All layers in order, named after their class and number; of some another class."""
    members: dict[str, Layer] = {}
    for kind in LAYERS:
        name = f"{kind}_{sum(each.kind == kind for each in members.values())}"
        members[name] = Layer(kind, {}, weights(kind, name) if kind in WEIGHTED else {})
    for name, kind in changed.items():
        members[name].kind = kind
    return Layer("functional", members)


# Names.


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_layers_by_name_are_put_among_those_without_weights(kind: str) -> None:
    found = efficientnet.by_name(kind, by_name())
    assert (found.kind, found.ordered, found.arrays) == (kind, True, {})
    assert [each.kind for each in found.members.values()] == list(LAYERS)
    weighted = {name: each for name, each in found.members.items() if each.arrays}
    assert list(weighted) == [f"layer_with_weights-{i}" for i in range(len(NAMES))]
    assert [[*each.arrays.values()] for each in weighted.values()] == [[name] for name in NAMES]
    plain = [name for name in found.members if name not in weighted]
    places = [i for i, each in enumerate(LAYERS) if each not in WEIGHTED]
    assert plain == [f"layer-{i}" for i in places]


@pytest.mark.parametrize("change", ["another kind", "one less", "one more"])
def test_other_layers_by_name_stay_as_they_are(change: str) -> None:
    kind = "efficientnetb1" if change == "another kind" else "efficientnetb0"
    layers = by_name()
    if change == "one less":
        del layers["top_bn"]
    if change == "one more":
        layers["extra"] = Layer()
    found = efficientnet.by_name(kind, layers)
    assert (found.kind, found.members, found.ordered) == (kind, layers, False)


def test_layers_are_numbered_by_class_in_their_order() -> None:
    """However the classes stand to each other in the file."""
    own = whole().members
    mixed = {name: own[name] for name in sorted(own, key=lambda each: own[each].kind)}
    mixed["conv2d_more"] = Layer("conv2d")
    found = efficientnet.numbered(mixed)
    numbers: dict[str, int] = {}
    for i, kind in enumerate(NUMBERED):
        name = f"{kind}_{sum(NUMBERED[j] == kind for j in range(i))}"
        numbers[name] = i
    expected = [
        f"layer_with_weights-{numbers[name]}" if name in numbers else name for name in mixed
    ]
    assert list(found) == expected
    assert list(found.values()) == list(mixed.values())


def test_a_file_that_lacks_a_class_is_numbered_by_the_others() -> None:
    found = efficientnet.numbered({"a": Layer("batch_normalization"), "b": Layer("dropout")})
    assert list(found) == ["layer_with_weights-2", "b"]


# Who resembles it.


@pytest.mark.parametrize(
    "layer",
    [
        Layer("functional"),
        Layer("model"),
        Layer("efficientnetb0"),
        Layer("efficientnetv2b3"),
        Layer("sequential", {"a": Layer("dense"), "b": Layer("depthwise_conv2d")}),
        Layer("", {"a": Layer(), "b": Layer("", {}, {"depthwise_kernel": "k"})}),
    ],
)
def test_a_functional_model_resembles_it(layer: Layer) -> None:
    assert efficientnet.resembles(layer)


@pytest.mark.parametrize(
    "layer",
    [
        Layer(),
        Layer("conv_net", {"a": Layer("conv2d", {}, {"kernel": "k"})}),
        Layer("mine_efficientnet"),
        Layer("", {"a": Layer("", {}, {"depthwise_kernel": "k", "bias": "b"})}),
    ],
)
def test_others_do_not_resemble_it(layer: Layer) -> None:
    assert not efficientnet.resembles(layer)


# What another one is told.


def told(layer: Layer, *unknown: str) -> str:
    """Of a whole layer; the classes of those that are named ``"*"`` are not told by the file."""
    kinds = ["*" if name in unknown else each.kind for name, each in layer.members.items()]
    return efficientnet.another(kinds, layer)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("efficientnetb1", "EfficientNetB1"), ("efficientnetv2s", "efficientnetv2s")],
)
def test_another_application_is_told_by_its_name(kind: str, name: str) -> None:
    layer = whole()
    layer.kind = kind
    assert told(layer) == f"is Keras' {name}"


def test_another_count_of_depthwise_convolutions() -> None:
    layer = whole()
    del layer.members["depthwise_conv2d_3"].arrays["depthwise_kernel"]
    assert told(layer) == "has 15 depthwise convolutions, not 16"


def test_a_layer_more_is_named() -> None:
    """The last of its class."""
    layer = whole()
    layer.members |= {"rescaling_7": Layer("rescaling"), "dense_1": Layer("dense")}
    assert told(layer) == "has no place for dense_1"
    del layer.members["dense_1"]
    assert told(layer) == "has no place for rescaling_7"


@pytest.mark.parametrize("kind", ["functional", "model", "efficientnetb0", "", "sequential"])
def test_a_layer_less_is_named(kind: str) -> None:
    """Also where the model's own class is another one, or not told."""
    layer = whole()
    layer.kind = kind
    del layer.members["multiply_3"]
    assert told(layer) == "lacks multiply"


def test_layers_in_another_order_are_named() -> None:
    layer = whole(activation_0="reshape", reshape_0="activation")
    assert told(layer) == "has reshape at activation_0, not activation"


def test_where_classes_are_not_told_the_first_wrong_one_is_named() -> None:
    """By its weights; none are told of one that has others than it knows."""
    layer = whole(conv2d_0="batch_normalization", conv2d_1="")
    known = [name for name in layer.members if name == "rescaling_0"]
    assert told(layer, *known) == "has batch_normalization at conv2d_0, not conv2d"
    layer = whole(conv2d_1="")
    assert told(layer, *known) == "has another layer at conv2d_1, not conv2d"


def test_where_classes_are_not_told_the_count_is_named() -> None:
    layer = whole()
    layer.members["dropout_99"] = Layer()
    assert told(layer, "dropout_99") == "has 238 layers, not 237"
    del layer.members["dropout_99"], layer.members["activation_32"]
    assert told(layer, "rescaling_0") == "has 236 layers, not 237"


# The input's shape.


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ("any", None),
        (None, None),
        ((None, 40), None),
        ([None, 40, 1], None),
        ("100,40", [100, 40]),
        (" 100 , 40 ", [100, 40]),
        ("100,40,1", [100, 40]),
        ((100, 40), [100, 40]),
        ([100, 40, 1], [100, 40]),
    ],
)
def test_an_input_shape(given: object, shape: list[int] | None) -> None:
    assert efficientnet.input_shape(given) == shape


@pytest.mark.parametrize(
    "given",
    [
        *("40", "1,2,3,4", "", "a,40", "100,b", ",", (100, None), (100,), (1, 2, 3, 4)),
        *({}, 100, True, {1: 2, 3: 4}, [[1], 40]),
    ],
)
def test_what_is_no_input_shape_is_refused(given: object) -> None:
    assert refusal(lambda: efficientnet.input_shape(given)) == (
        "convert",
        "--input-shape",
        "FRAMES,FILTERS or any",
        repr(given),
        "give what EfficientNetB0 was given as input_shape, any where its frames are None",
    )
