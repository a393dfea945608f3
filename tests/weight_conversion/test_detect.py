"""Which model it is, from paths and shapes alone: each class, option and refusal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _refusals import refusal

from weight_conversion.official.asked import NotGivenError
from weight_conversion.official.consistency import DAMAGED
from weight_conversion.official.detect import describe, detect
from weight_conversion.official.layers import Layer
from weight_conversion.official.settings import Settings
from weight_conversion.official.source import Source

Shapes = Mapping[str, tuple[int, ...]]


class Arrays:
    """Stands for a file: its tensors by official path, all of them 0.5."""

    def __init__(self, shapes: Shapes) -> None:
        self._arrays = {path: np.full(shape, 0.5) for path, shape in shapes.items()}

    def keys(self) -> list[str]:
        return list(self._arrays)

    def shape(self, key: str) -> tuple[int, ...]:
        return self._arrays[key].shape

    def dtype(self, key: str) -> str:
        return self._arrays[key].dtype.name

    def tensor(self, key: str) -> Any:
        return self._arrays[key]


def source(shapes: Shapes, layers: Layer | None = None, whole: bool = False) -> Source:
    """A checkpoint of these weights; what its layers are is told where it is given."""
    keys = {path: path for path in shapes}
    plain = Layer(members={"_frontend": Layer()})
    return Source(Path("c"), [], keys, {}, None, Arrays(shapes), layers or plain, whole=whole)


def described(
    shapes: Shapes, trained: Sequence[str] = (), layers: Layer | None = None, **given: Any
) -> dict[str, Any]:
    return describe(source(shapes, layers), Settings(given, defaults=True), frozenset(trained))


def arguments(shapes: Shapes, trained: Sequence[str] = (), **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = described(shapes, trained, **given)["arguments"]
    return found


def below(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {prefix + path: shape for path, shape in shapes.items()}


def refused(shapes: Shapes, **given: Any) -> tuple[object, ...]:
    return refusal(lambda: described(shapes, **given))


GABOR = {"_complex_conv/kernel": (8, 2)}
PCEN = {"_compress_fn/alpha": (8,), "_compress_fn/ema/smooth": (8,)}
LEAF = {**GABOR, "_pooling/kernel": (1, 1, 8, 1), **PCEN}
TFBANKS = {"_complex_conv/kernel": (401, 1, 16), "_pooling/pool/kernel": (401, 1, 8, 1)}
HEAD = {"_head/kernel": (5, 3), "_head/bias": (3,)}
TIMES = {"sample_rate": 16000, "window_len": 25.0, "window_stride": 10.0}
PLAIN = {
    **{"learn_filters": True, "learn_pooling": True},
    **{"preemp": False, "mean_var_norm": False, "spec_augment": False},
}
PCEN_TREE = {
    "kind": "PCEN",
    "arguments": {
        **{"num_channels": 8, "floor": 1e-12, "trainable": True},
        **{"learn_smooth_coef": True, "per_channel_smooth_coef": True},
    },
}


# Frontends.


def test_leaf() -> None:
    assert described(LEAF) == {
        "kind": "Leaf",
        "arguments": {"n_filters": 8, **TIMES, **PLAIN, "compression_fn": PCEN_TREE},
    }


def test_time_domain_filterbanks() -> None:
    """At 16 kHz always; the window is that of its taps."""
    made = {"n_filters": 8, "sample_rate": 16000, "window_len": 25.0, "window_stride": 10.0}
    tree = {"kind": "TimeDomainFilterbanks", "arguments": {**made, **PLAIN}}
    assert described(TFBANKS, sample_rate=8000, window_len=1.0) == tree
    short = {**TFBANKS, "_complex_conv/kernel": (9, 1, 7)}
    assert arguments(short)["window_len"] == 0.5
    assert arguments(short)["n_filters"] == 3


def test_filterbanks_of_gabor_filters_ask_for_their_times() -> None:
    made = arguments(LEAF, frontend="tfbanks", sample_rate=8000, window_len=1.0)
    assert (made["sample_rate"], made["window_len"], made["n_filters"]) == (8000, 1.0, 8)
    assert "compression_fn" not in made


@pytest.mark.parametrize(
    ("centre", "pooled", "kind"),
    [
        (0.0, True, "Leaf"),
        (2 * math.pi, True, "Leaf"),
        (-2 * math.pi, False, "Leaf"),
        (math.nextafter(2 * math.pi, 9), True, "SincNetPlus"),
        (6.6, False, "SincNet"),
        (-7.0, False, "SincNet"),
        (4000.0, True, "SincNetPlus"),
    ],
)
def test_gabor_or_sinc_is_told_by_the_greatest_centre(
    centre: float, pooled: bool, kind: str
) -> None:
    """The second of each filter's numbers is a width, which may be any."""
    found = source(LEAF if pooled else GABOR)
    found.tensor("_complex_conv/kernel")[:] = (0.5, 1e6)
    found.tensor("_complex_conv/kernel")[3, 0] = centre
    assert describe(found, Settings(defaults=True), frozenset())["kind"] == kind


def test_filters_that_are_taps() -> None:
    shapes = {"_complex_conv/kernel": (401, 1, 16), "_pooling/kernel": (1, 1, 8, 1)}
    made = arguments(shapes)
    assert (made["n_filters"], made["conv1d_cls"]) == (8, "Conv1d")
    assert arguments(shapes, conv1d_cls="NormalizedConv1d")["conv1d_cls"] == "NormalizedConv1d"
    assert (made["sample_rate"], made["window_len"]) == (16000, 25.0)
    assert "pooling_cls" not in made


@pytest.mark.parametrize("name", ["leaf", "tfbanks", "sincnet", "sincnet_plus"])
def test_filters_without_a_kernel_are_asked_for(name: str) -> None:
    """The file has none of it, and the user says that it is one; the table of weights refuses."""
    front = described(HEAD, frontend=name, n_filters=7, compression="none")["arguments"]["frontend"]
    assert front["arguments"]["n_filters"] == 7
    settings = Settings({"frontend": name})
    describe(source(HEAD), settings, frozenset())
    assert settings.lacking["n_filters"].what == "the number of filters"


def test_a_pooling_of_each_channel() -> None:
    made = arguments({**GABOR, "_pooling/kernel": (401, 1, 8)})
    assert made["pooling_cls"] == "ChannelWiseLearnablePooling1d"
    assert "conv1d_cls" not in made


@pytest.mark.parametrize(
    ("path", "option"),
    [("_preemp_conv/kernel", "preemp"), ("_instance_norm/gamma", "mean_var_norm")],
)
def test_optional_layers(path: str, option: str) -> None:
    made = arguments({**LEAF, path: (2, 1, 1)})
    assert made == {**arguments(LEAF), option: True}


def test_spec_augment_is_as_given() -> None:
    assert arguments(LEAF, spec_augment=True)["spec_augment"] is True


@pytest.mark.parametrize(
    ("shapes", "trained", "given", "expected"),
    [
        (LEAF, (), {}, (True, True, True)),
        (LEAF, (), {"learn_filters": False}, (False, True, True)),
        (LEAF, (), {"learn_pooling": False}, (True, False, True)),
        (LEAF, (), {"learn_compression": False}, (True, True, False)),
        (LEAF, ("_complex_conv/kernel",), {}, (True, False, False)),
        (LEAF, ("_pooling/kernel",), {"learn_pooling": False}, (False, True, False)),
        (LEAF, ("_compress_fn/alpha",), {"learn_filters": True}, (False, False, True)),
        ({**GABOR, **PCEN}, ("_compress_fn/alpha",), {}, (False, True, True)),
        (
            {**GABOR, **PCEN},
            ("_complex_conv/kernel",),
            {"learn_pooling": False},
            (True, False, False),
        ),
    ],
)
def test_what_has_slots_is_trained(
    shapes: Shapes, trained: Sequence[str], given: dict[str, bool], expected: tuple[bool, ...]
) -> None:
    """Where there are no slots at all, or no such weight, as given."""
    made = arguments(shapes, trained, **given)
    pcen = made["compression_fn"]["arguments"]["trainable"]
    assert (made["learn_filters"], made["learn_pooling"], pcen) == expected


@pytest.mark.parametrize(
    ("trained", "expected"),
    [((), True), (("_pooling/pool/kernel",), True), (("_pooling/kernel",), False)],
)
def test_the_pooling_that_holds_a_convolution(trained: Sequence[str], expected: bool) -> None:
    assert arguments(TFBANKS, trained)["learn_pooling"] is expected


@pytest.mark.parametrize(
    ("alpha", "smooth", "expected"),
    [
        ((8,), (8,), (8, True, True)),
        ((8,), (1,), (8, True, False)),
        ((8,), (4,), (8, True, False)),
        ((8,), None, (8, False, False)),
        ((1,), (1,), (1, True, False)),
        ((), None, (0, False, True)),
    ],
)
def test_pcen(
    alpha: tuple[int, ...], smooth: tuple[int, ...] | None, expected: tuple[object, ...]
) -> None:
    shapes = {**GABOR, "_compress_fn/alpha": alpha}
    shapes |= {} if smooth is None else {"_compress_fn/ema/smooth": smooth}
    made = arguments(shapes, pcen_floor=1e-6)["compression_fn"]
    names = ("num_channels", "learn_smooth_coef", "per_channel_smooth_coef")
    assert tuple(made["arguments"][name] for name in names) == expected
    assert (made["kind"], made["arguments"]["floor"]) == ("PCEN", 1e-6)


def test_compressions_without_weights() -> None:
    log = {"kind": "log_compression", "arguments": {"log_offset": 1e-3}}
    assert arguments(GABOR, compression="log", log_offset=1e-3)["compression_fn"] == log
    assert arguments(GABOR, compression="none")["compression_fn"] is None
    assert refused(GABOR, compression="pcen") == (
        "convert",
        "--compression",
        "log or none",
        "'pcen'",
        "PCEN has weights, and there are none of it",
    )


def test_no_default_answers_which_compression_leaf_has() -> None:
    settings = Settings(defaults=True)
    tree = describe(source(GABOR), settings, frozenset())
    assert tree["arguments"]["compression_fn"] is None
    asked = settings.lacking["compression"]
    assert (
        asked.what == "the compression, log or none: the official default, PCEN, would have weights"
    )
    assert asked.choices == ("log", "none")


def test_mel_filterbanks() -> None:
    log = {"kind": "log_compression", "arguments": {"log_offset": 1e-5}}
    made = {"n_filters": 40, **TIMES, "n_fft": 512, "min_freq": 60.0, "max_freq": 7800.0}
    tree = described(HEAD, frontend="mel")["arguments"]["frontend"]
    assert tree == {"kind": "MelFilterbanks", "arguments": {**made, "compression_fn": log}}
    tree = described(HEAD, frontend="mel", compression="none", n_fft=256)["arguments"]["frontend"]
    assert (tree["arguments"]["compression_fn"], tree["arguments"]["n_fft"]) == (None, 256)


# Classifiers and encoders.


def encoder(shapes: Shapes, **given: Any) -> dict[str, Any]:
    """The description of an encoder, beside Leaf."""
    made = arguments({**HEAD, **below("_frontend/", LEAF), **below("_encoder/", shapes)}, **given)
    assert (made["num_outputs"], "num_features" in made) == (3, False)
    found: dict[str, Any] = made["encoder"]
    return found


def test_a_head_alone() -> None:
    made = {"num_outputs": 3, "frontend": None, "encoder": None, "num_features": 5}
    assert described(HEAD, layers=Layer(), frontend="none") == {
        **{"kind": "AudioClassifier", "arguments": made}
    }


def test_a_frontend_and_a_head() -> None:
    trained = ("_frontend/_pooling/kernel", "_complex_conv/kernel")
    made = arguments({**HEAD, **below("_frontend/", LEAF)}, trained)
    front = made["frontend"]
    assert made == {"num_outputs": 3, "frontend": front, "encoder": None}
    assert (front["kind"], front["arguments"]["n_filters"]) == ("Leaf", 8)
    learned = (front["arguments"]["learn_filters"], front["arguments"]["learn_pooling"])
    assert learned == (False, True)


BLOCK = "layer_with_weights-{}/layer_with_weights-{}/{}"
FIRST = BLOCK.format(0, 0, "kernel")


def conv_net(*channels: int, normalised: bool = True) -> dict[str, tuple[int, ...]]:
    made: dict[str, tuple[int, ...]] = {}
    for number, (before, after) in enumerate(itertools.pairwise(channels)):
        made[BLOCK.format(number, 0, "kernel")] = (3, 3, before, after)
        made |= {BLOCK.format(number, 1, "gamma"): (after,)} if normalised else {}
    return made


@pytest.mark.parametrize("channels", [(1, 4), (2, 4, 5), tuple(range(1, 13))])
def test_conv_net(channels: tuple[int, ...]) -> None:
    made: dict[str, Any] = {"filters": list(channels[1:]), "activation": "relu", "dropout": 0.0}
    made["in_channels"] = channels[0]
    assert encoder(conv_net(*channels)) == {"kind": "ConvNet", "arguments": made}
    plain = encoder(conv_net(*channels, normalised=False))
    assert plain["arguments"] == {**made, "normalization_layer": None}
    given = encoder(conv_net(*channels), activation="elu", dropout=0.5)["arguments"]
    assert (given["activation"], given["dropout"]) == ("elu", 0.5)


def test_only_the_encoders_own_normalisations_count() -> None:
    front = {**LEAF, "_instance_norm/gamma": (8,)}
    shapes = {**HEAD, **below("_frontend/", front), "_encoder/gamma": (4,)}
    made = arguments({**shapes, **below("_encoder/", conv_net(1, 4, normalised=False))})
    assert made["encoder"]["arguments"]["normalization_layer"] is None


def pann(depth: int) -> dict[str, tuple[int, ...]]:
    made: dict[str, tuple[int, ...]] = {"layer_with_weights-0/gamma": (40,)}
    return made | {BLOCK.format(i + 1, 0, "kernel"): (3, 3, 2 + i, 64) for i in range(depth)}


@pytest.mark.parametrize(
    ("given", "rate"),
    [({}, 0.2), ({"dropout": 0.5}, 0.5), ({"dropout_rate": 0.1, "dropout": 0.5}, 0.1)],
)
@pytest.mark.parametrize("depth", [1, 6])
def test_pann(depth: int, given: dict[str, float], rate: float) -> None:
    made = {"depth": depth, "dropout_rate": rate, "num_features": 40, "in_channels": 2}
    assert encoder(pann(depth), **given) == {"kind": "PANN", "arguments": made}


@pytest.mark.parametrize(
    ("given", "rate"),
    [({}, 0.2), ({"dropout": 0.5}, 0.5), ({"drop_connect_rate": 0.1, "dropout": 0.5}, 0.1)],
)
def test_efficientnet(given: dict[str, float], rate: float) -> None:
    shapes = {"layer_with_weights-0/mean": (3,), "layer_with_weights-1/kernel": (3, 3, 2, 32)}
    made = {"in_channels": 2, "drop_connect_rate": rate, "input_shape": None}
    assert encoder(shapes, **given) == {"kind": "EfficientNetB0", "arguments": made}
    assert encoder(shapes, input_shape="100,40")["arguments"]["input_shape"] == [100, 40]


@pytest.mark.parametrize("shape", [(5, 4), (3, 5, 4), (3, 3, 5, 4)])
def test_channels_are_the_last_two_axes_of_a_kernel(shape: tuple[int, ...]) -> None:
    """However many it has: the table of weights tells which it should have."""
    for shapes in (
        {FIRST: shape},
        pann(1) | {BLOCK.format(1, 0, "kernel"): shape},
        {"layer_with_weights-0/mean": (5,), "layer_with_weights-1/kernel": shape},
    ):
        assert encoder(shapes)["arguments"]["in_channels"] == 5
    assert encoder({FIRST: shape})["arguments"]["filters"] == [4]


def test_wavegram_has_no_frontend() -> None:
    wavegram = {"kind": "WaveGram", "arguments": {}}
    made = {"num_outputs": 3, "frontend": None, "encoder": wavegram}
    assert arguments({**HEAD, "_encoder/pre_conv0/kernel": (11, 1, 64)}) == made


def test_what_acts_in_training_only_is_assumed() -> None:
    front = below("_frontend/", LEAF)
    for shapes, names in (
        (conv_net(1, 4), ["dropout"]),
        (pann(1), ["dropout", "dropout_rate"]),
    ):
        settings = Settings(defaults=True)
        found = source({**HEAD, **front, **below("_encoder/", shapes)})
        describe(found, settings, frozenset(front))
        assert settings.assumed == [*names, "spec_augment"]


# What is asked for.


@pytest.mark.parametrize(
    ("shapes", "given", "asked"),
    [
        (
            LEAF,
            {},
            {
                "window_stride": "the hop of the pooling, in ms",
                "sample_rate": "the sample rate, in Hz",
                "window_len": "the window of filters and pooling, in ms",
                "pcen_floor": "PCEN's floor",
            },
        ),
        (TFBANKS, {}, {"window_stride": "the hop of the pooling, in ms"}),
        (
            {**HEAD, **below("_frontend/", TFBANKS), **below("_encoder/", conv_net(1, 4))},
            {"window_stride": 10.0},
            {"activation": "the activation of ConvNet's blocks, by Keras' name"},
        ),
        (
            {**TFBANKS, **PCEN},
            {"frontend": "leaf", "pcen_floor": 1.0, **TIMES},
            {"conv1d_cls": "Conv1d or NormalizedConv1d, whose kernels look alike"},
        ),
        (
            GABOR,
            {"compression": "log", **TIMES},
            {"log_offset": "the offset in the logarithm"},
        ),
        (
            {**HEAD, "_encoder/layer_with_weights-0/mean": (1,)}
            | {"_encoder/layer_with_weights-1/kernel": (3, 3, 1, 32)},
            {"frontend": "none"},
            {"input_shape": "the input_shape that EfficientNetB0 was built for"},
        ),
        (HEAD, {}, {"frontend": "the frontend, mel or none: both are without weights"}),
        (
            HEAD,
            {"frontend": "mel"},
            {
                "n_filters": "the number of mel filters",
                "sample_rate": "the sample rate, in Hz",
                "n_fft": "the size of the Fourier transform, in samples",
                "window_len": "the window, in ms",
                "window_stride": "the hop, in ms",
                "min_freq": "where the first triangle starts, in Hz",
                "max_freq": "where the last triangle ends, in Hz",
                "compression": "the compression, log or none",
                "log_offset": "the offset in the logarithm",
            },
        ),
    ],
)
def test_everything_that_is_lacking_is_asked_for(
    shapes: Shapes, given: dict[str, Any], asked: dict[str, str]
) -> None:
    layers = Layer() if given.get("frontend") == "none" else Layer(members={"_frontend": Layer()})
    with pytest.raises(NotGivenError) as caught:
        detect(source(shapes, layers), Settings(given), frozenset())
    # What stands for the frontend, which is asked for, asks for its own.
    found = {each.name: each.what for each in caught.value.asked}
    assert {name: found[name] for name in asked} == asked
    assert "frontend" in asked or found == asked


@pytest.mark.parametrize(("layers", "likely"), [(Layer(), None), (None, "MelFilterbanks")])
def test_mel_or_none_is_asked_for(layers: Layer | None, likely: str | None) -> None:
    """What is likely stands for it: mel where the file lists a frontend."""
    settings = Settings(defaults=True)
    made = describe(source(HEAD, layers), settings, frozenset())["arguments"]
    assert (made["frontend"] and made["frontend"]["kind"]) == likely
    assert settings.lacking["frontend"].choices == ("mel", "none")


def test_a_model_of_which_all_is_known_is_detected() -> None:
    given = Settings({"pcen_floor": 1e-12, **TIMES})
    assert detect(source(LEAF), given, frozenset()) == described(LEAF)


# What is refused.

INSPECT = "see what is in it: python -m weight_conversion inspect"
OTHERS = "only ConvNet, PANN, WaveGram and EfficientNetB0 are converted"
FRONTEND = "give the --frontend that it is; layers of one's own are not converted"


@pytest.mark.parametrize(
    ("shapes", "got"), [({}, "none"), ({"a": (1,), "_head/bias": (3,)}, "2 others")]
)
def test_no_model(shapes: Shapes, got: str) -> None:
    expected = "the weights of an official AudioClassifier or frontend"
    assert refused(shapes) == ("convert", "c", expected, got, INSPECT)


def test_no_frontend_of_that_name() -> None:
    expected = "one of leaf, tfbanks, sincnet, sincnet_plus, mel, none"
    told = ("convert", "--frontend", expected, "'gammatone'", "give one of them")
    assert refused(LEAF, frontend="gammatone") == told


@pytest.mark.parametrize(
    ("shapes", "lacking"),
    [
        ({"other": (1,)}, FIRST),
        ({"layer_with_weights-0/kernel": (3, 3, 1, 4)}, FIRST),
        ({FIRST: (3, 3, 1, 4), "layer_with_weights-1/a": (1,)}, BLOCK.format(1, 0, "kernel")),
        ({"layer_with_weights-0/gamma": (40,)}, BLOCK.format(1, 0, "kernel")),
        ({"layer_with_weights-0/mean": (1,)}, "layer_with_weights-1/kernel"),
    ],
)
def test_an_encoder_of_another_kind(shapes: Shapes, lacking: str) -> None:
    expected = f"_encoder/{lacking}, as in the official encoders"
    found = refused({**HEAD, **below("_encoder/", shapes)}, frontend="none")
    assert found == ("convert", "c", expected, "none", OTHERS)


KERNEL, VECTOR = "2 or 3 or 4 axes of at least 1", "1 axes of at least 1"


@pytest.mark.parametrize(
    ("path", "shape", "expected"),
    [
        ("_head/kernel", (3,), "2 axes of at least 1"),
        ("_head/kernel", (5, 3, 1), "2 axes of at least 1"),
        ("_frontend/_complex_conv/kernel", (8,), "2 axes of at least 1"),
        ("_frontend/_complex_conv/kernel", (8, 1, 2, 1), "2 axes of at least 1"),
        (f"_encoder/{FIRST}", (4,), KERNEL),
        (f"_encoder/{FIRST}", (1, 1, 1, 1, 4), KERNEL),
        ("_encoder/layer_with_weights-0/gamma", (), VECTOR),
        ("_encoder/layer_with_weights-0/gamma", (2, 2), VECTOR),
        ("_encoder/layer_with_weights-1/kernel", (3,), KERNEL),
    ],
)
def test_a_weight_of_other_axes(path: str, shape: tuple[int, ...], expected: str) -> None:
    whole = {**HEAD, **below("_frontend/", LEAF)}
    if path == "_encoder/layer_with_weights-1/kernel":
        whole["_encoder/layer_with_weights-0/mean"] = (1,)
    assert refused({**whole, path: shape}) == (
        *("convert", f"c: {path}", expected, f"shape {shape}", DAMAGED),
    )


def test_a_frontend_that_is_given_has_two_or_three_axes() -> None:
    """Where its name is not found out from them."""
    assert refused({"_complex_conv/kernel": (8,)}, frontend="leaf") == (
        "convert",
        "c: _complex_conv/kernel",
        "2 or 3 axes of at least 1",
        "shape (8,)",
        DAMAGED,
    )


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([0, 2], ("c: _encoder/", "members 0 to 1", "no number 1")),
        ([1], ("c: _encoder/", "members 0 to 0", "no number 0")),
    ],
)
def test_blocks_are_numbered_without_a_gap(
    numbers: Sequence[int], told: tuple[str, str, str]
) -> None:
    blocks = {f"_encoder/{BLOCK.format(number, 0, 'kernel')}": (3, 3, 1, 4) for number in numbers}
    found = refused({**HEAD, **blocks}, frontend="none")
    assert found == ("convert", *told, DAMAGED)


def refused_layers(
    layers: Layer, name: str, shapes: Shapes = LEAF, whole: bool = True
) -> tuple[object, ...]:
    """Of a frontend alone, or of a classifier's."""
    settings = Settings({"frontend": name}, defaults=True)
    found = source(shapes, layers, whole)
    return refusal(lambda: describe(found, settings, frozenset()))


@pytest.mark.parametrize(
    ("layers", "name", "expected", "got"),
    [
        (Layer("leaf"), "none", "no frontend", "one of the class leaf"),
        (Layer(), "none", "no frontend", "one"),
        (Layer("leaf"), "sincnet", "SincNet", "the class leaf"),
        (Layer("sinc_net"), "leaf", "Leaf", "the class sinc_net"),
        (Layer("mine"), "leaf", "Leaf", "the class mine"),
        (Layer("mel_filterbanks"), "leaf", "Leaf", "the class mel_filterbanks"),
        (Layer(), "leaf", "squared_modulus in _activation", "a function, or none"),
        (Layer("leaf"), "leaf", "squared_modulus in _activation", "a function, or none"),
        (Layer(), "tfbanks", "squared_modulus in _activation", "a function, or none"),
        (Layer(), "sincnet", "leaky_re_lu in _activation", "a function, or none"),
        (Layer(), "sincnet_plus", "leaky_re_lu in _activation", "a function, or none"),
        (
            Layer(members={"_activation": Layer("leaky_re_lu")}),
            "leaf",
            "squared_modulus in _activation",
            "leaky_re_lu",
        ),
        (
            Layer(members={"_activation": Layer("squared_modulus")}),
            "sincnet",
            "leaky_re_lu in _activation",
            "squared_modulus",
        ),
    ],
)
def test_a_frontend_of_another_class(layers: Layer, name: str, expected: str, got: str) -> None:
    told = ("convert", "c: frontend", expected, got, FRONTEND)
    assert refused_layers(layers, name) == told
    within = Layer(members={"_frontend": layers})
    assert refused_layers(within, name, {**HEAD, **below("_frontend/", LEAF)}) == told


@pytest.mark.parametrize("name", ["leaf", "mel", "sincnet"])
def test_a_frontend_that_the_model_does_not_have(name: str) -> None:
    kind = {"leaf": "Leaf", "mel": "MelFilterbanks", "sincnet": "SincNet"}[name]
    told = ("convert", "c: frontend", kind, "no frontend", FRONTEND)
    assert refused_layers(Layer(), name, HEAD) == told


@pytest.mark.parametrize(
    ("kind", "name", "activation"),
    [
        ("leaf", "leaf", "squared_modulus"),
        ("time_domain_filterbanks", "tfbanks", "squared_modulus"),
        ("sinc_net", "sincnet", "leaky_re_lu"),
        ("sinc_net_plus", "sincnet_plus", "leaky_re_lu"),
        ("mel_filterbanks", "mel", ""),
        ("", "mel", ""),
        ("", "leaf", "squared_modulus"),
    ],
)
def test_a_frontend_of_its_class(kind: str, name: str, activation: str) -> None:
    layers = Layer(kind, {"_activation": Layer(activation)} if activation else {})
    settings = Settings({"frontend": name}, defaults=True)
    found = source(LEAF, layers, whole=True)
    made = describe(found, settings, frozenset())["kind"]
    assert made.lower() == (kind or {"mel": "mel_filterbanks"}.get(name, name)).replace("_", "")


def test_a_file_that_does_not_list_layers_tells_no_activation() -> None:
    """By layers: a file that Keras writes with weights alone."""
    assert described(LEAF, layers=Layer("leaf"))["kind"] == "Leaf"
    assert described(LEAF, layers=Layer())["kind"] == "Leaf"
