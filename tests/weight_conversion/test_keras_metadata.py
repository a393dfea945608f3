"""What Keras writes beside the weights: names of classes, and the optimiser's arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from _bundle_writer import node, part

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.object_graph import ObjectGraph, parse
from weight_conversion.official import keras_metadata
from weight_conversion.official.keras_metadata import (
    METADATA,
    of_saved_model,
    optimizer,
    snake_case,
)


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("Leaf", "leaf"),
        ("PCENLayer", "pcen_layer"),
        ("AudioClassifier", "audio_classifier"),
        ("Custom>AudioClassifier", "audio_classifier"),
        ("GaborConv1D", "gabor_conv1d"),
        ("Conv2D", "conv2d"),
        ("GlobalMaxPooling2D", "global_max_pooling2d"),
        ("LearnablePooling1D", "learnable_pooling1d"),
        ("SincNetPlus", "sinc_net_plus"),
        ("My Layer-v2", "my_layerv2"),
        ("dense", "dense"),
        ("ReLU", "re_lu"),
    ],
)
def test_a_class_by_keras_name(name: str, snake: str) -> None:
    assert snake_case(name) == snake


# A SavedModel's.


def graph() -> ObjectGraph:
    """A model with a frontend and a head in it."""
    nodes = [node({"_frontend": 1, "_head": 2}), node({"_pooling": 3}), node(), node()]
    return parse(b"".join(part(1, each) for each in nodes))


def written(folder: Path, *objects: tuple[str, Any]) -> Path:
    """A file of these objects: path, and what is told of it."""
    made = b"".join(part(1, part(3, path) + part(5, json.dumps(told))) for path, told in objects)
    (folder / METADATA).write_bytes(made)
    return folder


def test_classes_are_told_by_number(tmp_path: Path) -> None:
    training = {"optimizer_config": {"class_name": "Adam"}}
    folder = written(
        tmp_path,
        ("root", {"class_name": "AudioClassifier", "training_config": training}),
        ("root._frontend", {"class_name": "Custom>Leaf", "training_config": {"of": "a part"}}),
        ("root._frontend._pooling", {"class_name": "GaussianLowpass"}),
        ("root._head", {"class_name": 3}),
        ("root.gone", {"class_name": "Dense"}),
    )
    kinds, found = of_saved_model(folder, graph())
    assert kinds == {0: "audio_classifier", 1: "leaf", 3: "gaussian_lowpass"}
    assert found == training


@pytest.mark.parametrize("told", [{}, {"training_config": None}, {"training_config": [1]}])
def test_no_training_configuration(told: dict[str, Any], tmp_path: Path) -> None:
    assert of_saved_model(written(tmp_path, ("root", told)), graph()) == ({}, {})


def test_no_file_beside_the_weights(tmp_path: Path) -> None:
    assert of_saved_model(tmp_path, graph()) == ({}, {})
    (tmp_path / METADATA).mkdir()
    assert of_saved_model(tmp_path, graph()) == ({}, {})


def test_a_file_that_is_too_long_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path, ("root", {"class_name": "Leaf"}))
    size = (folder / METADATA).stat().st_size
    monkeypatch.setattr(keras_metadata, "_LIMIT", size)
    assert of_saved_model(folder, graph())[0] == {0: "leaf"}
    monkeypatch.setattr(keras_metadata, "_LIMIT", size - 1)
    with pytest.raises(MalformedError) as caught:
        of_saved_model(folder, graph())
    expected = f"keras_metadata.pb of at most {size - 1} bytes"
    assert (caught.value.expected, caught.value.got) == (expected, str(size))


def test_what_is_told_must_be_an_object(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match=r"an object of JSON in keras_metadata\.pb"):
        of_saved_model(written(tmp_path, ("root", [1])), graph())
    (tmp_path / METADATA).write_bytes(part(1, part(3, "root") + part(5, "{")))
    with pytest.raises(MalformedError, match=r"JSON in keras_metadata\.pb"):
        of_saved_model(tmp_path, graph())


def test_a_mark_of_the_byte_order_is_passed_over(tmp_path: Path) -> None:
    text = "\ufeff" + json.dumps({"class_name": "Leaf"})
    (tmp_path / METADATA).write_bytes(part(1, part(3, "root") + part(5, text)))
    assert of_saved_model(tmp_path, graph()) == ({0: "leaf"}, {})


# The optimiser.

NUMBERS = {
    **{"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6, "weight_decay": 0},
}


def told(config: object, name: object = "Adam") -> dict[str, Any]:
    return {"optimizer_config": {"class_name": name, "config": config}}


def test_kind_and_numbers() -> None:
    more = {"name": "Adam", "momentum": 0.9, "jit_compile": True}
    assert optimizer(told(NUMBERS | more, "Custom>AdamW")) == ("AdamW", NUMBERS, ())
    assert optimizer({"optimizer": told(NUMBERS)["optimizer_config"]}) == ("Adam", NUMBERS, ())


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["1", None, True, [0.1]])
def test_what_is_no_number_is_left_out(name: str, value: object) -> None:
    rest = {key: each for key, each in NUMBERS.items() if key != name}
    assert optimizer(told(NUMBERS | {name: value})) == ("Adam", rest, ())


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"optimizer_config": None, "optimizer": {"class_name": "Adam"}},
        {"optimizer": "adam"},
        {"optimizer": {"config": NUMBERS}},
        told(NUMBERS, None),
        told(NUMBERS, 3),
    ],
)
def test_no_optimiser(training: dict[str, Any]) -> None:
    assert optimizer(training) == ("", {}, ())


@pytest.mark.parametrize("config", [None, [], "x"])
def test_an_optimiser_without_arguments(config: object) -> None:
    assert optimizer(told(config)) == ("Adam", {}, ())


@pytest.mark.parametrize(
    ("config", "notes"),
    [
        ({"amsgrad": True}, ("amsgrad",)),
        ({"use_ema": True}, ("moving averages of the weights (EMA)",)),
        ({"amsgrad": False, "use_ema": False}, ()),
        ({"amsgrad": 1, "use_ema": None}, ()),
        ({"clipnorm": 1.5}, ("clipnorm 1.5",)),
        ({"global_clipnorm": 2}, ("global_clipnorm 2",)),
        ({"clipvalue": 0.5}, ("clipvalue 0.5",)),
        ({"clipnorm": None, "global_clipnorm": True, "clipvalue": "x"}, ()),
        ({"learning_rate": {"class_name": "Cosine"}}, ("the schedule of the learning rate",)),
        (
            {"amsgrad": True, "use_ema": True, "clipnorm": 1.0, "clipvalue": 2.0},
            ("amsgrad", "moving averages of the weights (EMA)", "clipnorm 1.0", "clipvalue 2.0"),
        ),
    ],
)
def test_what_else_is_on_is_told(config: dict[str, Any], notes: tuple[str, ...]) -> None:
    assert optimizer(told(config)) == ("Adam", {}, notes)


@pytest.mark.parametrize("edge", ["inner_optimizer", "optimizer"])
@pytest.mark.parametrize("name", ["LossScaleOptimizer", "Keras>LossScaleOptimizerV3"])
def test_the_optimiser_whose_loss_is_scaled(edge: str, name: str) -> None:
    inner = {"class_name": "Adam", "config": NUMBERS | {"amsgrad": True}}
    assert optimizer(told({edge: inner}, name)) == optimizer({"optimizer": inner})
    assert optimizer(told({edge: inner}, name))[0] == "Adam"
    assert optimizer(told({}, name)) == ("", {}, ())
