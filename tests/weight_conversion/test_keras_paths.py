"""The names in Keras' files become the official ones: every class, attribute and array of them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from weight_conversion.official import keras_paths
from weight_conversion.official.keras_paths import Shape
from weight_conversion.official.layers import Layer


def kinds(*names: str) -> dict[str, Layer]:
    """Layers that are named after their classes, each with a weight."""
    return {name: Layer(keras_paths._kind(name), {}, {"0": f"{name}/vars/0"}) for name in names}


def renamed(made: Layer | None) -> dict[str, str]:
    """The official name of each member by the name that it had in the file."""
    assert made is not None
    return {
        key.partition("/")[0]: name
        for name, each in made.members.items()
        for _, key in each.weights()
    }


# Files by attributes: groups and their arrays


def test_groups_become_layers() -> None:
    """What only contains, and what is no layer, is none; a class is told by a contained group."""
    groups = ["", "_head", "_pool/_layer_checkpoint_dependencies/flatten_3/vars", "layers/leaf"]
    groups += ["layers/my_layer/layers/conv2d_1/vars", "layers/my_layer/inner"]
    groups += ["optimizer/vars", "metrics/mean", "compile_metrics/m", "_compile_metrics/m", "vars"]
    shapes = {"_head/vars/0": (2, 3), "optimizer/vars/0": (), "metrics/mean/vars/0": ()}
    shapes |= {"compile_metrics/m/vars/0": (), "_compile_metrics/m/vars/0": (), "vars/0": (2,)}
    assert keras_paths.by_attribute(groups, shapes) == Layer(
        members={
            "_head": Layer(arrays={"kernel": "_head/vars/0"}),
            "_pool": Layer(members={"flatten_3": Layer("flatten")}),
            "leaf": Layer("leaf"),
            "my_layer": Layer("my_layer", members={"conv2d_1": Layer("conv2d"), "inner": Layer()}),
        },
        arrays={"smooth": "vars/0"},
    )


def test_numbers_are_sorted_as_numbers() -> None:
    """The tenth stands behind the second, of layers and of arrays."""
    names = ("conv2d_10", "conv2d_2", "conv2d")
    shapes: dict[str, Shape] = {f"layers/{name}/vars/0": (1, 1) for name in names}
    shapes |= {f"layers/other/vars/{i}": (1,) for i in (10, 2, 1, 3, 0)}
    made = keras_paths.by_attribute([], shapes)
    assert list(made.members) == ["conv2d", "conv2d_2", "conv2d_10", "other"]
    assert list(made.members["other"].arrays.values()) == [
        f"layers/other/vars/{i}" for i in (0, 1, 2, 3, 10)
    ]


def test_groups_are_sorted_too() -> None:
    made = keras_paths.by_attribute([f"layers/dropout_{i}" for i in (10, 9, 1)], {})
    assert list(made.members) == ["dropout_1", "dropout_9", "dropout_10"]


STATISTICS = ["gamma", "beta", "moving_mean", "moving_variance"]


@pytest.mark.parametrize(
    ("name", "shapes", "named"),
    [
        ("dense", [(3, 4)], ["kernel"]),
        ("dense", [(3, 4), (4,)], ["kernel", "bias"]),
        ("conv2d", [(3, 3, 1, 4)], ["kernel"]),
        ("ema", [(8,)], ["smooth"]),
        ("ema", [()], ["smooth"]),
        ("instance_normalization", [(8,), (8,)], ["gamma", "beta"]),
        ("pcen_layer", [(8,), (8,), (8,)], ["alpha", "delta", "root"]),
        ("batch_normalization", [(8,)] * 4, STATISTICS),
        ("depthwise_conv2d", [(3, 3, 4, 1)], ["depthwise_kernel"]),
        ("depthwise_conv2d_2", [(3, 3, 4, 1)], ["depthwise_kernel"]),
        ("depthwise_conv2d", [(3, 3, 4, 1), (4,)], ["kernel", "bias"]),
        ("normalization", [(1,), (1,), ()], ["mean", "variance", "count"]),
        ("normalization_4", [(1,), (1,), ()], ["mean", "variance", "count"]),
        ("normalization", [(1,), (1,)], ["gamma", "beta"]),
        ("cell", [(8, 8), (8, 8)], ["kernel", "recurrent_kernel"]),
        ("cell", [(8, 8)], ["kernel"]),
        ("others", [(8,)] * 5, None),
    ],
)
def test_arrays_are_named_by_number_and_rank(
    name: str, shapes: list[Shape], named: list[str] | None
) -> None:
    keys = [f"layers/{name}/vars/{i}" for i in range(len(shapes))]
    made = keras_paths.by_attribute([], dict(zip(keys, shapes, strict=True)))
    expected = keys if named is None else named
    assert made.members[name].arrays == dict(zip(expected, keys, strict=True))


# Classifiers by attributes

ENCODERS = ["conv_net", "pann", "wave_gram", "functional", "efficientnetb0", "model"]
FRONTENDS = ["leaf", "time_domain_filterbanks", "sinc_net", "sinc_net_plus", "mel_filterbanks"]


@pytest.mark.parametrize("kind", [*ENCODERS, *FRONTENDS])
def test_parts_are_told_by_their_classes(kind: str) -> None:
    root = Layer("mine", kinds(kind, "sequential_1", "dense_1", "dropout"), {"0": "vars/0"})
    made = keras_paths.classifier(root)
    role = "_encoder" if kind in ENCODERS else "_frontend"
    expected = {kind: role, "sequential_1": "_pool", "dense_1": "_head", "dropout": "dropout"}
    assert renamed(made) == expected
    assert made is not None
    assert (made.kind, made.arrays) == ("mine", {"0": "vars/0"})


@pytest.mark.parametrize("names", [("dense",), ("sequential",), ("leaf", "conv_net"), ()])
def test_what_lacks_head_or_pooling_is_no_classifier(names: Iterable[str]) -> None:
    assert keras_paths.classifier(Layer(members=kinds(*names))) is None


def test_attributes_are_taken_as_they_are() -> None:
    """With a head by that name the classes of the others are not asked."""
    members = kinds("_head", "sequential", "leaf", "_frontend", "_encoder")
    members["_frontend"].members = kinds("gabor_conv1d")
    members["_encoder"].members = kinds("conv2d")
    made = keras_paths.classifier(Layer("mine", members, {"0": "vars/0"}))
    assert made is not None
    assert list(made.members) == list(members)
    assert list(made.members["_frontend"].members) == ["_complex_conv"]
    assert list(made.members["_encoder"].members) == ["layer_with_weights-0"]
    assert (made.kind, made.arrays) == ("mine", {"0": "vars/0"})


def test_a_frontend_that_is_like_none_stays_as_it_is() -> None:
    members = kinds("_head", "_frontend")
    made = keras_paths.classifier(Layer(members=members))
    assert made is not None
    assert made.members["_frontend"] is members["_frontend"]
    assert "_encoder" not in made.members


# Frontends by attributes

CLASSES = {
    **{"gabor_conv1d": "_complex_conv", "sinc_conv1d": "_complex_conv"},
    **{"normalized_conv1d": "_complex_conv", "squared_modulus": "_activation"},
    **{"leaky_re_lu": "_activation", "gaussian_lowpass": "_pooling"},
    **{"learnable_pooling1d": "_pooling", "channel_wise_learnable_pooling1d": "_pooling"},
    **{"max_pooling1d": "_pooling", "pcen_layer": "_compress_fn"},
    **{"layer_normalization": "_compress_fn", "instance_normalization": "_instance_norm"},
    **{"spec_augment": "_spec_augment_fn", "another": "another"},
}


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_of_a_frontend_has_its_attribute(kind: str) -> None:
    filters = "sinc_conv1d" if kind == "gabor_conv1d" else "gabor_conv1d"
    alone = CLASSES[kind] == "_complex_conv"
    names = [f"{kind}_1"] if alone else [filters, f"{kind}_1"]
    made = keras_paths.frontend(Layer("leaf", kinds(*names), {"0": "vars/0"}))
    # A class that is none of a frontend's keeps the name that the file gives.
    official = f"{kind}_1" if kind == "another" else CLASSES[kind]
    assert renamed(made)[f"{kind}_1"] == official
    assert made is not None
    assert (made.kind, made.arrays) == ("leaf", {"0": "vars/0"})


PREEMPHASIS = {"conv1d": "_preemp_conv"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["conv1d", "gabor_conv1d"], {**PREEMPHASIS, "gabor_conv1d": "_complex_conv"}),
        (["gabor_conv1d", "conv1d"], {**PREEMPHASIS, "gabor_conv1d": "_complex_conv"}),
        (
            ["conv1d", "conv1d_1", "gaussian_lowpass"],
            {**PREEMPHASIS, "conv1d_1": "_complex_conv", "gaussian_lowpass": "_pooling"},
        ),
        (
            ["conv1d", "gaussian_lowpass"],
            {"conv1d": "_complex_conv", "gaussian_lowpass": "_pooling"},
        ),
        (
            ["conv1d_1", "gaussian_lowpass"],
            {"conv1d_1": "_complex_conv", "gaussian_lowpass": "_pooling"},
        ),
        (
            ["conv1d_1", "gabor_conv1d"],
            {"conv1d_1": "_complex_conv", "gabor_conv1d": "gabor_conv1d"},
        ),
        (
            ["gabor_conv1d", "squared_modulus", "leaky_re_lu"],
            {"gabor_conv1d": "_complex_conv", "squared_modulus": "_activation"}
            | {"leaky_re_lu": "leaky_re_lu"},
        ),
    ],
)
def test_plain_convolutions_are_preemphasis_or_filters(
    names: list[str], expected: dict[str, str]
) -> None:
    """And of two layers for one attribute the second keeps its name."""
    assert renamed(keras_paths.frontend(Layer(members=kinds(*names)))) == expected


@pytest.mark.parametrize(
    "names",
    [(), ("conv1d",), ("conv1d", "conv1d_1"), ("gaussian_lowpass",), ("conv1d_2", "max_pooling1d")],
)
def test_what_has_no_filters_and_pooling_is_no_frontend(names: Iterable[str]) -> None:
    assert keras_paths.frontend(Layer(members=kinds(*names))) is None


def test_a_frontend_with_official_attributes_is_taken_as_it_is() -> None:
    layer = Layer(members=kinds("_complex_conv", "conv1d", "gabor_conv1d"))
    assert keras_paths.frontend(layer) is layer


# Encoders by attributes


def encoder(kind: str, members: dict[str, Layer]) -> Layer:
    root = Layer(members={"_head": Layer(), "_encoder": Layer(kind, members, {"0": "vars/0"})})
    made = keras_paths.classifier(root)
    assert made is not None
    assert (made.members["_encoder"].kind, made.members["_encoder"].arrays) == (
        kind,
        {"0": "vars/0"},
    )
    return made.members["_encoder"]


WAVEGRAM = {"conv1d": "pre_conv0", "batch_normalization": "pre_bn0"}
WAVEGRAM |= {"sequential": "pre_blocks", "pann_conv_block": "last_block"}


def test_a_wavegram_by_its_class() -> None:
    assert renamed(encoder("wave_gram", kinds(*WAVEGRAM, "another"))) == {
        **WAVEGRAM,
        "another": "another",
    }


@pytest.mark.parametrize("name", WAVEGRAM.values())
def test_a_wavegram_by_its_attributes(name: str) -> None:
    names = {name if official == name else kind: official for kind, official in WAVEGRAM.items()}
    assert renamed(encoder("", kinds(*names))) == names


def test_blocks_in_a_wavegram_are_sequences() -> None:
    block = Layer("sequential", kinds("pann_wav_block_2", "pann_wav_block"), {"0": "own"})
    made = encoder("wave_gram", {"sequential": block}).members["pre_blocks"]
    assert renamed(made) == {
        **{"pann_wav_block": "layer_with_weights-0", "pann_wav_block_2": "layer_with_weights-1"}
    }
    assert (made.kind, made.arrays) == ("sequential", {"0": "own"})


def test_members_are_numbered_in_the_turns_in_which_they_were_made() -> None:
    """A convolution, its normalisation, the next convolution; what has no weights has no number."""
    names = ["batch_normalization", "batch_normalization_2", "conv2d_2", "conv2d", "conv1d"]
    names += ["another", "another_10"]
    members = kinds(*names) | {"re_lu": Layer("re_lu"), "dropout_1": Layer("dropout")}
    inner = Layer("conv_block", kinds("batch_normalization", "conv2d"), {"0": "own"})
    made = encoder("conv_net", {"conv_block": inner, **members})
    in_turns = ["conv1d", "conv2d", "batch_normalization", "conv_block", "another"]
    in_turns += ["conv2d_2", "batch_normalization_2", "another_10"]
    steps = {name: f"layer_with_weights-{i}" for i, name in enumerate(in_turns)}
    assert list(made.members) == [
        *(f"layer_with_weights-{i}" for i in range(5)),
        *("re_lu", "dropout_1", "layer_with_weights-5", "layer_with_weights-6"),
        "layer_with_weights-7",
    ]
    found = renamed(Layer(members={n: e for n, e in made.members.items() if not e.members}))
    assert found == {name: step for name, step in steps.items() if name != "conv_block"}
    block = made.members[steps["conv_block"]]
    assert renamed(block) == {
        **{"conv2d": "layer_with_weights-0", "batch_normalization": "layer_with_weights-1"}
    }
    assert (block.kind, block.arrays) == ("conv_block", {"0": "own"})


def test_layers_of_efficientnet_are_numbered_by_their_classes() -> None:
    names = ["batch_normalization", "conv2d_1", "normalization", "conv2d", "rescaling"]
    made = encoder("functional", kinds(*names))
    assert renamed(made) == {
        **{"normalization": "layer_with_weights-0", "conv2d": "layer_with_weights-1"},
        **{"batch_normalization": "layer_with_weights-2", "conv2d_1": "layer_with_weights-5"},
        "rescaling": "rescaling",
    }


# Files by layers


def test_layers_stand_in_the_order_of_the_file() -> None:
    layers = ["model_weights/leaf_2", "model_weights/lambda", "dense"]
    shapes: dict[str, Shape] = {"dense/a/dense/kernel:0": (2, 3), "gone_1/b:0": (2,)}
    shapes["model_weights/leaf_2/kernel:0"] = (4, 2)
    made = keras_paths.by_layer(layers, shapes)
    assert made == Layer(
        members={
            "leaf_2": Layer("leaf", {}, {"kernel:0": "model_weights/leaf_2/kernel:0"}),
            "lambda": Layer("lambda"),
            "dense": Layer("dense", {}, {"a/dense/kernel:0": "dense/a/dense/kernel:0"}),
            "gone_1": Layer("gone", {}, {"b:0": "gone_1/b:0"}),
        },
        ordered=True,
    )
    assert list(made.members) == ["leaf_2", "lambda", "dense", "gone_1"]


def test_a_layer_whose_name_begins_as_another_is_another() -> None:
    made = keras_paths.by_layer(["dense", "dense_1"], {"dense_1/kernel:0": (2, 3)})
    assert made.members["dense"].arrays == {}
    assert made.members["dense_1"].arrays == {"kernel:0": "dense_1/kernel:0"}


def by_layers(*names: str) -> tuple[Layer, dict[str, Shape]]:
    shapes: dict[str, Shape] = {"dense/x/dense/kernel:0": (4, 3), "dense/x/dense/bias:0": (3,)}
    return keras_paths.by_layer(
        names, {k: s for k, s in shapes.items() if "dense" in names}
    ), shapes


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        (("leaf", "conv_net", "sequential", "dense"), ["_frontend", "_encoder", "_pool", "_head"]),
        (("mine", "own", "sequential", "dense"), ["_frontend", "_encoder", "_pool", "_head"]),
        (("leaf", "sequential", "dense"), ["_frontend", "_pool", "_head"]),
        (("mine", "sequential", "dense"), ["_frontend", "_pool", "_head"]),
        *(((each, "sequential", "dense"), ["_encoder", "_pool", "_head"]) for each in ENCODERS),
        (("sequential", "dense"), None),
        (("input_1", "leaf", "conv_net", "sequential", "dense"), None),
        (("leaf", "sequential", "softmax"), None),
        (("leaf", "flatten", "dense"), None),
    ],
)
def test_parts_are_told_by_their_places(names: tuple[str, ...], roles: list[str] | None) -> None:
    made = keras_paths.classifier_by_layer(*by_layers(*names))
    assert (None if made is None else list(made.members)) == roles


def test_the_head_keeps_the_name_of_the_program_that_wrote_it() -> None:
    made = keras_paths.classifier_by_layer(*by_layers("leaf", "sequential_1", "dense"))
    assert made == Layer(
        members={
            "_frontend": Layer("leaf"),
            "_pool": Layer(
                "sequential",
                {
                    "global_max_pooling2d": Layer("global_max_pooling2d"),
                    "flatten": Layer("flatten"),
                },
            ),
            "_head": Layer(
                "dense",
                arrays={"kernel": "dense/x/dense/kernel:0", "bias": "dense/x/dense/bias:0"},
                scope="x/dense/kernel:0",
            ),
        }
    )


def test_a_head_without_weights_tells_no_program() -> None:
    root = keras_paths.by_layer(["leaf", "sequential", "dense"], {})
    made = keras_paths.classifier_by_layer(root, {})
    assert made is not None
    assert made.members["_head"] == Layer("dense")


def test_a_pooling_with_weights_is_none() -> None:
    shapes: dict[str, Shape] = {"sequential/kernel:0": (1,)}
    root = keras_paths.by_layer(["leaf", "sequential", "dense"], shapes)
    assert keras_paths.classifier_by_layer(root, shapes) is None


@pytest.mark.parametrize(
    ("name", "shape", "path"),
    [
        *((f"a/{name}:0", (8,), f"_compress_fn/{name}") for name in ("alpha", "delta", "root")),
        ("smooth:0", (8,), "_compress_fn/ema/smooth"),
        ("tfbanks_instancenorm/gamma:0", (8,), "_instance_norm/gamma"),
        ("tfbanks_instancenorm/beta:0", (8,), "_instance_norm/beta"),
        ("layer_normalization/gamma:0", (8,), "_compress_fn/gamma"),
        ("layer_normalization/beta:0", (8,), "_compress_fn/beta"),
        ("simple_cell/recurrent_kernel:0", (8, 8), "_compress_fn/ema/cell/recurrent_kernel"),
        ("simple_rnn/simple_rnn_cell/kernel:0", (8, 8), "_compress_fn/ema/cell/kernel"),
        ("temperature:0", (), "temperature/temperature"),
        ("kernel:0", (401, 1, 8, 1), "_pooling/kernel"),
        ("kernel:0", (401, 8, 1, 1), "_pooling/pool/kernel"),
        ("kernel:0", (2, 1, 1), "_preemp_conv/kernel"),
        ("kernel:0", (2, 1, 2), "_complex_conv/kernel"),
        ("kernel:0", (401, 1, 16), "_complex_conv/kernel"),
        ("kernel:0", (8, 2), "_complex_conv/kernel"),
        ("learnable_pooling/kernel:0", (401, 8, 8), "_pooling/kernel"),
    ],
)
def test_weights_of_a_frontend_are_told_by_name_and_shape(
    name: str, shape: Shape, path: str
) -> None:
    layer = Layer("leaf", {}, {name: "the key"})
    made = keras_paths.frontend_by_layer(layer, {"the key": shape})
    assert (made.kind, [*made.weights()]) == ("leaf", [(path, "the key")])


def test_of_two_weights_for_one_place_the_second_keeps_its_name() -> None:
    layer = Layer("mine", {}, {"a/kernel:0": "a", "b/kernel:0": "b"})
    made = keras_paths.frontend_by_layer(layer, {"a": (8, 2), "b": (8, 2)})
    assert made.kind == ""
    assert [*made.weights()] == [("_complex_conv/kernel", "a"), ("_complex_conv/b/kernel:0", "b")]


LAYERS = {
    **{"tfbanks_preemp": "_preemp_conv", "tfbanks_complex_conv": "_complex_conv"},
    **{"squared_modulus": "_activation", "leaky_re_lu": "_activation"},
    **{"learnable_pooling": "_pooling", "max_pooling1d": "_pooling"},
    **{"tfbanks_instancenorm": "_instance_norm", "PCEN": "_compress_fn"},
    **{"layer_normalization": "_compress_fn", "SpecAugment": "_spec_augment_fn"},
}
OF_A_LAYER: dict[str, dict[str, Shape]] = {
    "tfbanks_preemp": {"kernel:0": (2, 1, 1)},
    "tfbanks_complex_conv": {"kernel:0": (8, 2)},
    "learnable_pooling": {"kernel:0": (401, 1, 8, 1)},
    "tfbanks_instancenorm": {"tfbanks_instancenorm/gamma:0": (8,)},
    "PCEN": {"alpha:0": (8,), "smooth:0": (8,)},
    "another": {"temperature:0": ()},
}


def alone(*names: str) -> Layer | None:
    shapes = {f"{n}/{key}": shape for n in names for key, shape in OF_A_LAYER.get(n, {}).items()}
    return keras_paths.frontend_by_layers(keras_paths.by_layer(names, shapes), shapes)


def test_the_layers_of_a_frontend_that_was_saved_by_itself() -> None:
    made = alone("tfbanks_preemp", "tfbanks_complex_conv", "learnable_pooling", "PCEN", "another")
    assert made is not None
    assert made.ordered
    assert [*made.weights()] == [
        ("_preemp_conv/kernel", "tfbanks_preemp/kernel:0"),
        ("_complex_conv/kernel", "tfbanks_complex_conv/kernel:0"),
        ("_pooling/kernel", "learnable_pooling/kernel:0"),
        ("_compress_fn/alpha", "PCEN/alpha:0"),
        ("_compress_fn/ema/smooth", "PCEN/smooth:0"),
        ("another/temperature/temperature", "another/temperature:0"),
    ]


@pytest.mark.parametrize("name", [*LAYERS, "squared_modulus_1", "leaky_re_lu_2", "max_pooling1d_1"])
def test_each_layer_of_a_frontend_has_its_attribute(name: str) -> None:
    made = alone(*dict.fromkeys(("tfbanks_complex_conv", name)))
    assert made is not None
    official = LAYERS.get(name) or LAYERS[keras_paths._kind(name)]
    assert list(made.members) == [*dict.fromkeys(("_complex_conv", official))]
    assert bool(made.members[official].arrays or made.members[official].members) == (
        name in OF_A_LAYER
    )


@pytest.mark.parametrize("names", [(), ("tfbanks_preemp", "learnable_pooling", "PCEN")])
def test_layers_without_filters_are_no_frontend(names: tuple[str, ...]) -> None:
    assert alone(*names) is None


# Encoders by layers


def flat(name: str, *layers: str) -> Layer:
    """An encoder of a file by layers, each with one weight."""
    shapes: dict[str, Shape] = {f"{name}/{each}/kernel:0": (1, 1, 1, 1) for each in layers}
    shapes |= {"dense/kernel:0": (1, 1)}
    root = keras_paths.by_layer([name, "sequential", "dense"], shapes)
    made = keras_paths.classifier_by_layer(root, shapes)
    assert made is not None
    return made.members["_encoder"]


def outline(layer: Layer) -> object:
    """A layer's members by name: their classes, or what is in them."""
    return {
        name: outline(each) if each.members else each.kind for name, each in layer.members.items()
    }


WITH, PLAIN = "layer_with_weights-", "layer-"


def block(*weighted: str, unlisted: Iterable[str]) -> dict[str, str]:
    made = {f"{WITH}{i}": each for i, each in enumerate(weighted)}
    return made | {f"{PLAIN}{i}": each for i, each in enumerate(unlisted)}


@pytest.mark.parametrize("normalised", [True, False])
def test_a_conv_net_is_put_into_blocks(normalised: bool) -> None:
    """The first and each second of them pools."""
    half = ["conv2d", "batch_normalization"] if normalised else ["conv2d"]
    layers = [f"{each}_{i}" for i in range(10) for each in half]
    made = flat("conv_net_3", *layers)
    expected = []
    for i in range(5):
        expected.append(block(*half * 2, unlisted=["activation"] * 2))
        if i in (0, 1, 3):
            expected[-1]["layer-pool"] = "max_pooling2d"
    assert made.kind == "conv_net"
    assert outline(made) == {f"{WITH}{i}": each for i, each in enumerate(expected)}
    assert {each.kind for each in made.members.values()} == {"conv_block"}
    keys = [key for _, key in made.weights()]
    assert keys == [f"conv_net_3/{each}/kernel:0" for each in layers]


def test_a_pann_is_put_into_blocks() -> None:
    half = ["conv2d", "batch_normalization"]
    layers = ["batch_normalization", *(f"{each}_{i}" for i in range(1, 7) for each in half)]
    made = flat("pann", *layers)
    inner = block(*half * 2, unlisted=["re_lu", "re_lu", "average_pooling2d"])
    assert outline(made) == {
        f"{WITH}0": "batch_normalization",
        **{f"{WITH}{i}": inner for i in (1, 2, 3)},
        **{f"layer-dropout-{i}": "dropout" for i in range(3)},
    }
    assert made.kind == "pann"
    assert {made.members[f"{WITH}{i}"].kind for i in (1, 2, 3)} == {"pann_conv_block"}
    assert [key for _, key in made.weights()] == [f"pann/{each}/kernel:0" for each in layers]


def test_a_wavegram_is_put_into_blocks() -> None:
    half = ["conv1d", "batch_normalization"]
    layers = [f"{each}_{i}" for i in range(7) for each in half]
    layers += [f"{each}_{i}" for i in (7, 8) for each in ("conv2d", "batch_normalization")]
    made = flat("wave_gram", *layers)
    inner = block(*half * 2, unlisted=["re_lu", "re_lu", "max_pooling1d"])
    last = ["conv2d", "batch_normalization"] * 2
    assert outline(made) == {
        **{"pre_conv0": "conv1d", "pre_bn0": "batch_normalization"},
        "pre_blocks": {f"{WITH}{i}": inner for i in range(3)},
        "last_block": block(*last, unlisted=["re_lu", "re_lu", "average_pooling2d"]),
    }
    assert (made.kind, made.members["pre_blocks"].kind) == ("wave_gram", "sequential")
    assert {each.kind for each in made.members["pre_blocks"].members.values()} == {"pann_wav_block"}
    assert made.members["last_block"].kind == "pann_conv_block"
    assert [key for _, key in made.weights()] == [f"wave_gram/{each}/kernel:0" for each in layers]


@pytest.mark.parametrize("name", ["efficientnetb0", "efficientnetb0_1", "functional_1", "model"])
def test_another_encoder_keeps_its_layers(name: str) -> None:
    made = flat(name, "block/conv2d_1", "other")
    own = keras_paths._kind(name)
    # Keras' own names of EfficientNet's layers carry no number: a program adds it.
    first = "block/conv2d" if own == "efficientnetb0" else "block/conv2d_1"
    assert made.kind == own
    assert list(made.members) == [first, "other"]
    assert [each.kind for each in made.members.values()] == ["conv2d", "other"]
    assert made.members["other"].arrays == {"kernel": f"{name}/other/kernel:0"}
