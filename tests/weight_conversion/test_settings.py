"""What a checkpoint cannot tell: where each answer comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from _refusals import refusal

from weight_conversion.formats.gin import Reference
from weight_conversion.official.settings import ARGUMENTS, FRONTENDS, OFFICIAL, Settings

FIX = "bind what the training used; other layers have to be converted by hand"
DEFAULTS = {
    **{"n_filters": 40, "sample_rate": 16000, "window_len": 25.0, "window_stride": 10.0},
    **{"n_fft": 512, "min_freq": 60.0, "max_freq": 7800.0, "compression": "log"},
    **{"log_offset": 1e-5, "pcen_floor": 1e-12, "conv1d_cls": "Conv1d", "activation": "relu"},
    "input_shape": "any",
}


def bound(folder: Path, *lines: str, **given: Any) -> Settings:
    """The settings of a ``.gin`` file of these lines."""
    file = folder / "x.gin"
    file.write_text("\n".join(lines))
    return Settings(given, file)


def known(settings: Settings) -> dict[str, Any]:
    """All that was given or bound."""
    names = {*ARGUMENTS, "dropout_rate", "drop_connect_rate"}
    found = {name: settings.take(name, None) for name in names}
    return {name: value for name, value in found.items() if value is not None}


# Arguments and defaults.


def test_the_official_defaults() -> None:
    assert dict(OFFICIAL) == DEFAULTS
    assert all(type(OFFICIAL[name]) is type(value) for name, value in DEFAULTS.items())


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_value_that_is_needed(name: str) -> None:
    """Given, by the official default, or lacking: then the default stands in its place."""
    given = Settings({name: 7})
    assert (given.need(name, "what"), given.defaulted, given.lacking) == (7, [], {})
    default = Settings(defaults=True)
    assert default.need(name, "what") == DEFAULTS[name]
    assert (default.defaulted, default.lacking) == ([name], {})
    lacking = Settings({"other": 7})
    assert lacking.need(name, "what") == DEFAULTS[name]
    assert lacking.defaulted == []
    asked = lacking.lacking[name]
    assert (asked.name, asked.what, asked.default) == (name, "what", DEFAULTS[name])


def test_what_is_given_comes_before_the_default() -> None:
    settings = Settings({"sample_rate": 8000}, defaults=True)
    assert (settings.need("sample_rate", "rate"), settings.defaulted) == (8000, [])


def test_none_stands_for_what_is_not_given(tmp_path: Path) -> None:
    assert list(Settings({"sample_rate": None, "n_fft": 0})._given) == ["n_fft"]
    settings = bound(tmp_path, "Leaf.sample_rate = 8000", sample_rate=None)
    assert settings.need("sample_rate", "rate") == 8000


def test_no_default_answers_a_choice() -> None:
    for settings in (Settings(), Settings(defaults=True)):
        assert settings.choose("frontend", "which", ("mel", "none"), "none") == "none"
        asked = settings.lacking["frontend"]
        assert (asked.what, asked.default, asked.choices) == ("which", None, ("mel", "none"))
    given = Settings({"frontend": "mel"})
    assert given.choose("frontend", "which", ("mel", "none"), "none") == "mel"
    assert given.lacking == {}


def test_what_acts_in_training_only_has_a_default() -> None:
    settings = Settings({"dropout": 0.5})
    assert settings.take("dropout", 0.0) == 0.5
    assert settings.take("frontend", None) is None
    assert settings.assumed == []
    assert settings.take("spec_augment", False) is False
    assert (settings.assumed, settings.lacking, settings.defaulted) == (["spec_augment"], {}, [])


def test_everything_that_is_lacking_is_asked_for_in_one_error() -> None:
    settings = Settings()
    settings.check()
    settings.need("window_len", "the window")
    settings.choose("frontend", "the frontend", ("mel", "none"), "mel")
    assert refusal(settings.check) == (
        "convert",
        "--window-len, --frontend",
        "the window; the frontend",
        "nothing: no checkpoint tells",
        "give --window-len 25 --frontend MEL-OR-NONE, its .gin file with --gin, or --defaults",
    )


# What a .gin file binds.


def test_what_is_not_bound_has_the_official_default(tmp_path: Path) -> None:
    settings = bound(tmp_path, "train.seed = 1")
    assert known(settings) == {}
    assert (settings.need("n_filters", "filters"), settings.defaulted) == (40, ["n_filters"])


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("PCENLayer.floor", "pcen_floor", 1e-9),
        ("log_compression.log_offset", "log_offset", 1e-3),
        ("ConvBlock.activation", "activation", "elu"),
        ("ConvBlock.dropout", "dropout", 0.25),
        ("ConvNet.activation", "activation", "tanh"),
        ("ConvNet.dropout", "dropout", 0.5),
        ("PANN.dropout_rate", "dropout_rate", 0.125),
        ("EfficientNetB0.drop_connect_rate", "drop_connect_rate", 0.75),
        ("EfficientNetB0.input_shape", "input_shape", (100, 40, 1)),
        *(
            (f"Leaf.{name}", name, value)
            for name, value in {
                **{"n_filters": 7, "sample_rate": 8000, "window_len": 20.0, "window_stride": 5.0},
                **{"n_fft": 256, "min_freq": 30.0, "max_freq": 4000.0, "learn_filters": False},
                **{"learn_pooling": False, "spec_augment": True},
            }.items()
        ),
    ],
)
def test_a_parameter_is_bound(name: str, argument: str, value: object, tmp_path: Path) -> None:
    assert known(bound(tmp_path, f"{name} = {value!r}")) == {argument: value}


def test_the_whole_networks_parameter_comes_before_its_blocks(tmp_path: Path) -> None:
    lines = ["ConvNet.dropout = 0.5", "ConvBlock.dropout = 0.25"]
    assert known(bound(tmp_path, *lines)) == {"dropout": 0.5}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("leaf", "Leaf"), ("tfbanks", "TimeDomainFilterbanks"), ("sincnet", "SincNet")),
        *(("sincnet_plus", "SincNetPlus"), ("mel", "MelFilterbanks"), ("none", None)),
    ],
)
def test_a_frontend_is_bound(name: str, kind: str | None, tmp_path: Path) -> None:
    """With parameters of its own, and Leaf's where it is made from Leaf."""
    assert FRONTENDS[name] == kind
    value = "None" if kind is None else f"@{kind}()"
    own = kind or "Leaf"
    lines = [f"AudioClassifier.frontend = {value}", f"{own}.n_filters = 9"]
    settings = bound(tmp_path, *lines, "Leaf.sample_rate = 8000")
    inherited = {} if kind == "MelFilterbanks" else {"sample_rate": 8000}
    assert known(settings) == {"frontend": name, "n_filters": 9, **inherited}


def test_a_frontends_own_parameter_comes_before_leafs(tmp_path: Path) -> None:
    lines = ["AudioClassifier.frontend = @SincNet()", "SincNet.n_filters = 9"]
    assert known(bound(tmp_path, *lines, "Leaf.n_filters = 5"))["n_filters"] == 9


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Leaf.compression_fn = None"], {"compression": "none"}),
        (["Leaf.compression_fn = @log_compression"], {"compression": "log"}),
        (["Leaf.compression_fn = 'log_compression'"], {"compression": "log"}),
        (["Leaf.compression_fn = @PCENLayer()"], {"compression": "pcen", "pcen_floor": 1e-6}),
        (
            ["Leaf.compression_fn = @PCENLayer()", "PCENLayer.floor = 1e-9"],
            {"compression": "pcen", "pcen_floor": 1e-9},
        ),
        (["SincNet.compression_fn = None"], {}),
        (
            ["AudioClassifier.frontend = @SincNet()", "SincNet.compression_fn = None"],
            {"frontend": "sincnet", "compression": "none"},
        ),
        (
            ["AudioClassifier.frontend = @MelFilterbanks()", "Leaf.compression_fn = None"],
            {"frontend": "mel"},
        ),
        (["Leaf.conv1d_cls = @tf.keras.layers.Conv1D"], {"conv1d_cls": "Conv1d"}),
        (["Leaf.conv1d_cls = @NormalizedConv1D"], {"conv1d_cls": "NormalizedConv1d"}),
        (["Leaf.conv1d_cls = @GaborConv1D"], {}),
        (["Leaf.pooling_cls = @GaussianLowpass"], {}),
        (["Leaf.pooling_cls = @leaf_audio.pooling.ChannelWiseLearnablePooling1D"], {}),
        (
            ["AudioClassifier.frontend = @SincNet()", "Leaf.conv1d_cls = @Mine"],
            {"frontend": "sincnet"},
        ),
        (
            ["AudioClassifier.frontend = @Leaf()", "Leaf.conv1d_cls = @Conv1D"],
            {"frontend": "leaf", "conv1d_cls": "Conv1d"},
        ),
        (["Leaf.activation = @SquaredModulus()"], {}),
    ],
)
def test_layers_are_bound_by_reference(
    lines: list[str], expected: dict[str, Any], tmp_path: Path
) -> None:
    assert known(bound(tmp_path, *lines)) == expected


def test_pcens_layer_has_a_floor_of_its_own(tmp_path: Path) -> None:
    """1e-6, the default of the class; 1e-12 is what Leaf gives to the PCEN that it makes."""
    assert bound(tmp_path, "Leaf.compression_fn = @PCENLayer()").need("pcen_floor", "") == 1e-6
    assert bound(tmp_path).need("pcen_floor", "") == 1e-12


@pytest.mark.parametrize(
    ("line", "name", "expected", "got"),
    [
        (
            "AudioClassifier.frontend = @Wav2Vec()",
            "AudioClassifier.frontend",
            "one of @Leaf(), @TimeDomainFilterbanks(), @SincNet(), @SincNetPlus(), "
            "@MelFilterbanks()",
            Reference("Wav2Vec"),
        ),
        ("AudioClassifier.frontend = 3", "AudioClassifier.frontend", "one of @Leaf(),", 3),
        (
            "Leaf.compression_fn = @Cube()",
            "Leaf.compression_fn",
            "@PCENLayer(), @log_compression or None",
            Reference("Cube"),
        ),
        (
            "Leaf.activation = @Relu()",
            "Leaf.activation",
            "@SquaredModulus()",
            Reference("Relu"),
        ),
        (
            "Leaf.conv1d_cls = @Mine",
            "Leaf.conv1d_cls",
            "one of @GaborConv1D, @Conv1D, @NormalizedConv1D",
            Reference("Mine"),
        ),
        (
            "Leaf.conv1d_cls = 'Conv1D'",
            "Leaf.conv1d_cls",
            "one of @GaborConv1D, @Conv1D, @NormalizedConv1D",
            "Conv1D",
        ),
        (
            "Leaf.pooling_cls = @Conv1D",
            "Leaf.pooling_cls",
            "one of @GaussianLowpass, @ChannelWiseLearnablePooling1D",
            Reference("Conv1D"),
        ),
        (
            "Leaf.sample_rate = @rate()",
            "Leaf.sample_rate",
            "a number, text, True, False or None",
            Reference("rate"),
        ),
        (
            "ConvBlock.activation = @tf.nn.relu",
            "ConvBlock.activation",
            "a number, text, True, False or None",
            Reference("relu"),
        ),
    ],
)
def test_what_is_not_converted_is_refused(
    line: str, name: str, expected: str, got: object, tmp_path: Path
) -> None:
    owner, argument, wanted, came, fix = refusal(lambda: bound(tmp_path, line))
    assert (owner, argument, came, fix) == ("gin", f"{tmp_path / 'x.gin'}: {name}", got, FIX)
    assert str(wanted).startswith(expected)
