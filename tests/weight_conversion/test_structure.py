"""Another architecture is never taken for an official one; its frontend is offered by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from _conversion import settings
from _rewritten import Graph, Object, graph, keras
from safetensors.numpy import load_file

from leaf_port import LeafError
from weight_conversion.official.convert import convert
from weight_conversion.official.opening import open_source
from weight_conversion.reference.record import RECORDINGS

POOL = "_pool/_layer_checkpoint_dependencies"


def refused(path: Path, *told: str, wanted: str | None = None) -> None:
    with pytest.raises(LeafError) as caught:
        open_source(path, wanted)
    for each in told:
        assert each in str(caught.value)
    assert "\n" not in str(caught.value)


# Object graphs


def extra_layer(g: Graph) -> None:
    g.at("").children["_dropout"] = g.add()


def hidden_layer(g: Graph) -> None:
    kernel = g.variable(np.zeros((5, 5), np.float32), "audio_classifier/dense_1/kernel")
    g.at("").children["_hidden"] = g.add(Object({"kernel": kernel}))


def other_pooling(g: Graph) -> None:
    g.at("_pool").children.clear()


def no_pooling(g: Graph) -> None:
    del g.at("").children["_pool"]


def own_class(g: Graph) -> None:
    g.renamed("audio_classifier/dense", "mine/dense")


def no_activation(g: Graph) -> None:
    block = g.at("_encoder/layer_with_weights-0")
    del block.children["layer-1"]


def no_max_pooling(g: Graph) -> None:
    del g.at("_encoder/layer_with_weights-1").children["layer-6"]


def dropout_in_one_block(g: Graph) -> None:
    g.at("_encoder/layer_with_weights-1").children["layer-7"] = g.add()


def another_order(g: Graph) -> None:
    block = g.at("_encoder/layer_with_weights-0").children
    block["layer-1"], block["layer-2"] = block["layer-2"], block["layer-1"]


def stateless_compression(g: Graph) -> None:
    g.at("_frontend").children["_compress_fn"] = g.add()


def layer_in_the_frontend(g: Graph) -> None:
    g.at("_frontend").children["_smoothing"] = g.add()


def bare_variable(g: Graph) -> None:
    g.at("").children["temperature"] = g.variable(np.float32(2.0))


def head_of_two(g: Graph) -> None:
    dense = g.at("").children["_head"]
    g.at("").children["_head"] = g.add(Object({"layer_with_weights-0": dense, "layer-0": dense}))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (extra_layer, "_dropout"),
        (hidden_layer, "_hidden"),
        (other_pooling, "_pool"),
        (no_pooling, "_pool"),
        (own_class, "mine"),
        (no_activation, "_encoder"),
        (no_max_pooling, "_encoder"),
        (dropout_in_one_block, "_encoder"),
        (another_order, "_encoder"),
        (bare_variable, "temperature"),
        (head_of_two, "_head"),
    ],
)
def test_another_model_in_a_checkpoint(
    change: Callable[[Graph], None], told: str, tmp_path: Path
) -> None:
    path = graph(tmp_path / "c", change)
    refused(path, told, "--object _frontend")
    frontend = open_source(path, "_frontend")
    assert frontend.chosen == "_frontend"
    assert "_complex_conv/kernel" in frontend.keys


@pytest.mark.parametrize(
    ("change", "told"),
    [(stateless_compression, "_compress_fn"), (layer_in_the_frontend, "_smoothing")],
)
def test_another_frontend_in_a_checkpoint(
    change: Callable[[Graph], None], told: str, tmp_path: Path
) -> None:
    path = graph(tmp_path / "c", change)
    refused(path, told, "_frontend")
    refused(path, told, wanted="_frontend")


def test_an_activation_of_another_class(tmp_path: Path) -> None:
    path = graph(tmp_path / "c", lambda g: g.at("_frontend/_activation").children.clear())
    with pytest.raises(LeafError, match="_activation"):
        convert(path, tmp_path / "made", settings("leaf"))


def test_a_class_of_ones_own_is_converted_where_the_user_vouches_for_it(tmp_path: Path) -> None:
    path = graph(tmp_path / "c", own_class)
    refused(path, "mine", "--object . if your class computes")
    convert(path, tmp_path / "made", settings("leaf"), wanted=".")
    convert(RECORDINGS / "leaf", tmp_path / "plain", settings("leaf"))
    made, plain = (load_file(tmp_path / n / "model.safetensors") for n in ("made", "plain"))
    assert all(np.array_equal(made[key], plain[key]) for key in plain)


def test_dropout_in_every_block_is_official(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        for i in range(2):
            block = g.at(f"_encoder/layer_with_weights-{i}").children
            layers = [block[f"layer-{j}"] for j in range(7)]
            ordered = [*layers[:3], g.add(), *layers[3:6], g.add(), layers[6]]
            block.update({f"layer-{j}": number for j, number in enumerate(ordered)})

    open_source(graph(tmp_path / "c", change))


def test_somebodys_model_with_a_frontend_in_it(tmp_path: Path) -> None:
    """Sequential([Leaf, Lambda, Dense]), as TensorFlow writes it."""

    def change(g: Graph) -> None:
        front, head = g.number("_frontend"), g.number("_head")
        layers = {"layer_with_weights-0": front, "layer-0": front, "layer-1": g.add()}
        g.objects[0] = Object(layers | {"layer_with_weights-1": head, "layer-2": head})

    path = graph(tmp_path / "c", change)
    refused(path, "--object layer_with_weights-0 for its frontend")
    made = convert(path, tmp_path / "made", settings("leaf"), wanted="layer_with_weights-0")
    assert made.tree["kind"] == "Leaf"
    assert made.left_out == ("layer-1", "layer_with_weights-1")


# Keras' files by attributes


def group(*paths: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        for path in paths:
            file.create_group(path)

    return change


def without(path: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]

    return change


def moved(old: str, new: str) -> Callable[[h5py.File], None]:
    return lambda file: file.move(old, new)


BLOCK = "_encoder/_layer_checkpoint_dependencies/conv_block/_layer_checkpoint_dependencies"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (group("_dropout/vars"), "_dropout"),
        (without(f"{POOL}/flatten"), "_pool"),
        (without("_pool"), "_pool"),
        (moved(f"{POOL}/global_max_pooling2d", f"{POOL}/global_average_pooling2d"), "_pool"),
        (moved(f"{BLOCK}/max_pooling2d", f"{BLOCK}/average_pooling2d"), "_encoder"),
        (moved(f"{BLOCK}/activation", f"{BLOCK}/leaky_re_lu"), "_encoder"),
        (group(f"{BLOCK}/dropout/vars"), "_encoder"),
        (group("_head/_layer_checkpoint_dependencies/dropout/vars"), "_head"),
    ],
)
def test_another_model_by_attributes(
    change: Callable[[h5py.File], None], told: str, tmp_path: Path
) -> None:
    path = keras(tmp_path / "x.weights.h5", change)
    refused(path, told, "--object _frontend")
    assert "_pooling/kernel" in open_source(path, "_frontend").keys


def sequential(file: h5py.File) -> None:
    """Sequential([Leaf, Lambda, GlobalAveragePooling2D, Dense]), as Keras 2.13 writes it."""
    base = "_layer_checkpoint_dependencies"
    for name in ("_encoder", "_pool", "optimizer", "metrics"):
        del file[name]
    file.create_group(base)
    file.move("_frontend", f"{base}/leaf")
    file.move("_head", f"{base}/dense")
    for name in ("lambda", "global_average_pooling2d"):
        file.create_group(f"{base}/{name}/vars")


def test_a_sequential_by_attributes(tmp_path: Path) -> None:
    path = keras(tmp_path / "x.weights.h5", sequential)
    refused(path, "--object leaf for its frontend")
    made = convert(path, tmp_path / "made", settings("leaf"), wanted="leaf")
    assert (made.tree["kind"], made.object) == ("Leaf", "leaf")


def two_frontends(file: h5py.File) -> None:
    sequential(file)
    file.copy("_layer_checkpoint_dependencies/leaf", "_layer_checkpoint_dependencies/leaf_1")


def test_two_frontends_are_listed(tmp_path: Path) -> None:
    path = keras(tmp_path / "x.weights.h5", two_frontends)
    refused(path, "--object leaf for its frontend", "--object leaf_1 for its frontend")
    refused(path, "one of leaf, leaf_1", "gone", wanted="gone")


# Keras' files by layers


def layers(*names: str) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        for name in names:
            if name not in file:
                file.create_group(name).attrs["weight_names"] = np.array([], "S1")
        for name in set(file) - {*names, "top_level_model_weights"}:
            del file[name]
        file.attrs["layer_names"] = np.array([name.encode() for name in names])

    return change


@pytest.mark.parametrize(
    "names",
    [
        ("leaf", "lambda", "global_average_pooling2d", "dense"),
        ("leaf", "global_max_pooling1d", "dense"),
        ("leaf", "conv_net", "sequential", "dropout", "dense"),
        ("leaf", "conv_net", "sequential", "dense", "softmax"),
        ("leaf", "conv_net", "global_max_pooling2d", "dense"),
        ("leaf", "conv_net", "dense"),
        ("leaf", "lambda", "conv_net", "sequential", "dense"),
        ("input_1", "leaf", "sequential", "dense"),
    ],
)
def test_another_model_by_layers(names: tuple[str, ...], tmp_path: Path) -> None:
    path = keras(tmp_path / "x.h5", layers(*names), "by_layer")
    refused(path, "--object leaf for its frontend")
    assert "_complex_conv/kernel" in open_source(path, "leaf").keys


def test_a_class_of_ones_own_by_layers(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["dense"].move("audio_classifier", "mine")
        names = [b"mine/dense/kernel:0", b"mine/dense/bias:0"]
        file["dense"].attrs["weight_names"] = np.array(names)

    refused(keras(tmp_path / "x.h5", change, "by_layer"), "mine", "--object leaf")


def test_a_whole_model_by_layers_offers_its_frontend(tmp_path: Path) -> None:
    """``model.save("x.h5")``: of a Sequential or Functional model, never of an AudioClassifier."""
    with (
        h5py.File(RECORDINGS / "leaf" / "by_layer.h5") as plain,
        h5py.File(tmp_path / "x.h5", "w") as whole,
    ):
        made = whole.create_group("model_weights")
        for name in ("leaf", "dense"):
            plain.copy(name, made)
        made.attrs["layer_names"] = np.array([b"leaf", b"dense"])
        whole["optimizer_weights/iteration:0"] = np.int64(3)
    refused(tmp_path / "x.h5", "--object leaf for its frontend")
    assert "_pooling/kernel" in open_source(tmp_path / "x.h5", "leaf").keys
