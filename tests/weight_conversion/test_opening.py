"""What opening a checkpoint of any form finds in it, and what it refuses in which words."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _bundle_writer import part
from _objects import Tensors
from _rewritten import Graph, Object, graph, keras

from leaf_port import LeafError
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.official import efficientnet, keras_metadata, opening
from weight_conversion.official.candidates import Candidate
from weight_conversion.official.layers import Layer
from weight_conversion.official.opening import open_source
from weight_conversion.official.optimizers import Optimizer
from weight_conversion.official.source import Source
from weight_conversion.reference.record import RECORDINGS

LEAF = RECORDINGS / "leaf"
VALUE = ".ATTRIBUTES/VARIABLE_VALUE"


def refused(
    attempt: Callable[[], object], owner: str, argument: str, expected: str, got: str, fix: str
) -> None:
    with pytest.raises(LeafError) as caught:
        attempt()
    error = caught.value
    assert (error.owner, error.argument) == (owner, argument)
    assert (error.expected, error.got, error.fix) == (expected, got, fix)


# Checkpoints


@pytest.mark.parametrize("name", ["", "checkpoint", "checkpoint.index"])
def test_a_checkpoint_of_a_whole_model(name: str) -> None:
    found = open_source(str(LEAF / name))
    names = ["checkpoint.index", "checkpoint.data-00000-of-00001"]
    assert found.path == LEAF / name
    assert found.files == [LEAF / each for each in names]
    assert len(found.keys) == 32
    assert found.keys["_head/kernel"] == f"_head/kernel/{VALUE}"
    assert found.names.keys() == found.keys.keys()
    assert found.names["_head/kernel"] == "audio_classifier/dense/kernel"
    assert found.optimizer is not None
    assert (found.optimizer.kind, found.optimizer.config) == ("Adam", {})
    assert list(found.layers.members) == ["_frontend", "_encoder", "_pool", "_head"]
    assert (found.chosen, found.beside, found.notes, found.whole) == (".", (), (), True)


def test_each_slot_is_of_its_weight() -> None:
    """By reference, under the weights' paths in the model."""
    found = open_source(RECORDINGS / "leaf_options" / "train")
    assert found.chosen == "model"
    assert found.optimizer is not None
    slots = {path for path, _ in found.optimizer.referred}
    assert slots < found.keys.keys()
    for (path, name), key in found.optimizer.referred.items():
        assert key == found.keys[path].replace("/.ATTR", f"/.OPTIMIZER_SLOT/optimizer/{name}/.ATTR")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".safetensors"])
def test_a_file_of_pytorch_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"")
    refused(
        lambda: open_source(path),
        *("convert", str(path), "a TensorFlow checkpoint", "a file of PyTorch"),
        "those of leaf-pytorch and SpeechBrain: python -m weight_conversion import",
    )


def test_what_export_writes_is_refused(tmp_path: Path) -> None:
    path = graph(tmp_path / "c", lambda g: g.at("").children.update(_endpoint_names=g.add()))
    refused(
        lambda: open_source(path),
        *("convert", str(path), "a checkpoint that tells the model's layers"),
        "what model.export() writes, a list of variables",
        "save the weights: model.save_weights(prefix)",
    )


def test_a_list_with_a_gap_is_told_with_the_index(tmp_path: Path) -> None:
    path = graph(tmp_path / "c", lambda g: g.at("optimizer/_momentums").children.pop("3"))
    with pytest.raises(LeafError) as caught:
        open_source(path)
    error = caught.value
    assert (error.owner, error.argument) == ("checkpoint", f"{path}.index")
    assert error.expected == "a list _momentums whose members are numbered from 0"


def test_a_weight_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = graph(tmp_path / "c", lambda g: g.tensors.pop(f"_head/bias/{VALUE}"))
    with pytest.raises(LeafError) as caught:
        open_source(path)
    assert (caught.value.owner, caught.value.got) == ("checkpoint", "no such key")
    assert caught.value.argument == f"{path}.index: _head/bias/{VALUE}"


def test_a_folder_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(keras_metadata, "of_saved_model", refuse)
    path = graph(tmp_path / "c", lambda _: None)
    with pytest.raises(LeafError, match="Permission denied") as caught:
        open_source(path)
    assert caught.value.argument == str(path)


# SavedModels


def saved_model(place: Path, told: Mapping[str, Any], name: str = "leaf") -> Path:
    """A recorded checkpoint as a SavedModel has it, with what Keras tells of its objects."""
    (place / "variables").mkdir(parents=True)
    for suffix in (".index", ".data-00000-of-00001"):
        recorded = RECORDINGS / name / f"checkpoint{suffix}"
        shutil.copy(recorded, place / "variables" / f"variables{suffix}")
    nodes = (
        part(
            1,
            part(3, ".".join(["root", *filter(None, path.split("/"))])) + part(5, json.dumps(each)),
        )
        for path, each in told.items()
    )
    (place / "keras_metadata.pb").write_bytes(b"".join(nodes))
    return place


OPTIMIZER = {"class_name": "AdamW", "config": {"weight_decay": 0.5, "clipnorm": 1.0}}


def test_a_saved_model_tells_classes(tmp_path: Path) -> None:
    told = {"_frontend": {"class_name": "Leaf"}, "_head": {"class_name": "Dense"}}
    path = saved_model(tmp_path / "x", told)
    found = open_source(path)
    assert found.layers.members["_frontend"].kind == "leaf"
    assert found.layers.members["_head"].kind == "dense"
    assert found.path == path
    other = saved_model(tmp_path / "y", {"_head": {"class_name": "Mine"}})
    with pytest.raises(LeafError, match="_head is a mine, not one Dense layer"):
        open_source(other)


@pytest.mark.parametrize("part", ["pre_conv0", "pre_bn0"])
def test_first_layers_of_a_wavegram_of_other_classes_are_refused(part: str, tmp_path: Path) -> None:
    """Their weights alone may be of the same names and shapes."""
    told = {f"_encoder/{part}": {"class_name": "Mine"}}
    with pytest.raises(LeafError, match="is no ConvNet, PANN, WaveGram or EfficientNetB0"):
        open_source(saved_model(tmp_path / "x", told, "wavegram"))
    official = {"_encoder/pre_conv0": {"class_name": "Conv1D"}}
    official["_encoder/pre_bn0"] = {"class_name": "BatchNormalization"}
    assert open_source(saved_model(tmp_path / "y", official, "wavegram")).chosen == "."


def test_a_saved_model_tells_the_optimisers_numbers(tmp_path: Path) -> None:
    told = {"class_name": "AudioClassifier", "training_config": {"optimizer": OPTIMIZER}}
    found = open_source(saved_model(tmp_path / "x", {"": told})).optimizer
    assert found is not None
    assert found.kind == "AdamW by its configuration, Adam by its variables"
    assert (found.config, found.notes) == ({"weight_decay": 0.5}, ("clipnorm 1.0",))
    assert len(found.listed) == 48


def test_metadata_that_is_none_is_told_with_the_index(tmp_path: Path) -> None:
    path = saved_model(tmp_path / "x", {})
    (path / "keras_metadata.pb").write_bytes(b"\xff")
    with pytest.raises(LeafError) as caught:
        open_source(path)
    assert caught.value.argument == str(path / "variables" / "variables.index")


# What the optimiser's configuration adds


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("", "AdamW"),
        ("AdamW", "AdamW"),
        ("Adam", "AdamW by its configuration, Adam by its variables"),
    ],
)
def test_a_configuration_is_added_to_the_optimiser(kind: str, expected: str) -> None:
    """What both tell is told once."""
    optimizer = Optimizer({"iter": "a"}, ["b"], ["c"], kind=kind, notes=("x", "clipnorm 1.0"))
    found = opening._with_config(optimizer, {"optimizer": OPTIMIZER})
    assert found == Optimizer(
        {"iter": "a"},
        ["b"],
        ["c"],
        kind=expected,
        notes=("x", "clipnorm 1.0"),
        config={"weight_decay": 0.5},
    )


def test_without_a_configuration_the_optimiser_stays() -> None:
    optimizer = Optimizer(kind="Adam", config={"a": 1})
    assert opening._with_config(optimizer, {}) is optimizer
    assert opening._with_config(optimizer, {"optimizer": {"class_name": ""}}) is optimizer
    assert opening._with_config(None, {"optimizer": OPTIMIZER}) is None


# Which object, and what hangs there


def test_a_part_has_no_optimiser_of_the_whole() -> None:
    found = open_source(LEAF, "_frontend")
    assert (found.optimizer, found.chosen) == (None, "_frontend")
    assert found.keys["_pooling/kernel"] == f"_frontend/_pooling/kernel/{VALUE}"
    assert set(found.beside) == {"_encoder", "_pool", "_head"}


def test_a_frontend_that_is_the_whole_has_its_optimiser(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        front, own = g.at("_frontend"), g.number("optimizer")
        g.objects[0] = Object({**front.children, "optimizer": own})

    found = open_source(graph(tmp_path / "c", change))
    assert found.optimizer is not None
    assert (found.optimizer.kind, found.chosen, found.beside) == ("Adam", ".", ())


@pytest.mark.parametrize("wanted", ["again", "model"])
def test_an_object_goes_by_the_name_that_was_given(wanted: str, tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.wrap("model")
        g.objects[0].children["again"] = g.objects[0].children["model"]

    found = open_source(graph(tmp_path / "c", change), wanted)
    assert (found.chosen, len(found.keys)) == (wanted, 32)
    assert found.optimizer is not None
    assert len(found.optimizer.listed) == 48


def test_another_name_of_a_part_is_known(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.at("_frontend").children["me"] = g.number("_frontend")

    found = open_source(graph(tmp_path / "c", change), "_frontend/me")
    assert (found.chosen, len(found.keys)) == ("_frontend/me", 6)


def test_a_dot_is_the_whole_and_no_name(tmp_path: Path) -> None:
    """Even where an object hangs under that name."""

    def change(g: Graph) -> None:
        g.wrap("model")
        g.objects[0].children["."] = g.objects[0].children["model"]

    path = graph(tmp_path / "c", change)
    refused(
        lambda: open_source(path, "."),
        *("convert", f"{path}: --object", "one of model, model/_frontend", "."),
        "give one of them",
    )


def test_one_optimiser_by_two_names_is_told_by_none(tmp_path: Path) -> None:
    """Beside the model and in it; what is beside both is told."""

    def change(g: Graph) -> None:
        own = g.number("optimizer")
        g.wrap("model", opt=own, step=g.variable(np.int64(3)))

    found = open_source(graph(tmp_path / "c", change))
    assert found.optimizer is not None
    assert (len(found.optimizer.listed), found.beside) == (48, ("step",))


def test_several_optimisers_are_told_by_their_places(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        others = [g.add(Object({"_iterations": g.variable(np.int64(1))})) for _ in range(2)]
        g.wrap("model", first=others[0])
        del g.objects[0].children["save_counter"]
        g.wrap("train", second=others[1])

    found = open_source(graph(tmp_path / "c", change))
    assert found.chosen == "train/model"
    kind = "one of several: second, train/first, train/model/optimizer"
    assert found.optimizer == Optimizer(kind=kind)
    assert set(found.beside) == {"second", "train/first"}


def test_a_model_without_an_optimiser(tmp_path: Path) -> None:
    path = graph(tmp_path / "c", lambda g: g.at("").children.pop("optimizer"))
    assert open_source(path).optimizer is None


def test_numbers_beside_a_model_are_harmless_and_arrays_are_not(tmp_path: Path) -> None:
    """Beside what nobody saved with a count, an array may be a part of what is computed."""

    def change(g: Graph, value: object) -> None:
        g.wrap("model", value=g.variable(value))
        del g.objects[0].children["save_counter"]

    found = open_source(graph(tmp_path / "a", lambda g: change(g, np.float32(0.5))))
    assert (found.chosen, found.beside) == ("model", ("value",))
    path = graph(tmp_path / "b", lambda g: change(g, np.ones(1, np.float32)))
    with pytest.raises(LeafError, match="--object model for its AudioClassifier"):
        open_source(path)


# The newest checkpoint of a folder


def test_the_newest_is_told_only_where_a_folder_was_given(tmp_path: Path) -> None:
    for name in ("ckpt-1", "ckpt-2"):
        for suffix in (".index", ".data-00000-of-00001"):
            shutil.copy(LEAF / f"checkpoint{suffix}", tmp_path / f"{name}{suffix}")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "ckpt-2"\n')
    notes = ("ckpt-2, the newest of 2 checkpoints",)
    assert opening._newest(tmp_path, Checkpoint(tmp_path)) == notes
    assert open_source(tmp_path).notes == notes
    for path in (tmp_path / "ckpt-2", tmp_path / "ckpt-2.index"):
        assert open_source(path).notes == ()
    (tmp_path / "ckpt-1.index").unlink()
    assert open_source(tmp_path).notes == ()


# The normalisation of EfficientNetB0

FIRST, SECOND = efficientnet.STATISTICS


def counted(count: Any) -> tuple[dict[str, str], tuple[str, ...]]:
    """The weights of an encoder that counts."""
    reader = Tensors({"n": (), "mean": (1,)})
    reader.arrays["n"] = np.asarray(count)
    arrays = {"mean": "mean", "count": "n"}
    layer = Layer(
        members={"_encoder": Layer(members={"layer_with_weights-0": Layer("", {}, arrays)})}
    )
    candidate = Candidate("", "AudioClassifier", layer)
    assert layer.members["_encoder"].members["layer_with_weights-0"].arrays is arrays
    return opening._weights(Path("x"), candidate, reader)


def test_a_count_is_no_weight() -> None:
    told = "the count of what the encoder's normalization was adapted to"
    assert counted(np.int64(0)) == ({FIRST: "mean"}, ())
    assert counted(np.int64(1)) == ({FIRST: "mean"}, (told,))
    assert counted(np.array([70], np.int64)) == ({FIRST: "mean"}, (told,))
    with pytest.raises(LeafError, match="x: n: expected one number, got int64 of shape"):
        counted(np.zeros(2, np.int64))
    layer = Layer(arrays={"a": "key of a"})
    plain = opening._weights(Path("x"), Candidate("", "frontend", layer), Tensors({}))
    assert plain == ({"a": "key of a"}, ())


@pytest.mark.parametrize(
    ("mean", "variance", "adapted"),
    [
        ([0.0], [1.0], False),
        ([0.0, 0.0], [1.0, 1.0], False),
        ([0.0, 0.5], [1.0, 1.0], True),
        ([0.0, 0.0], [1.0, 0.5], True),
        ([0.5], [0.5], True),
        ([1.0], [0.0], True),
    ],
)
def test_adapted_statistics_are_refused(
    mean: list[float], variance: list[float], adapted: bool
) -> None:
    reader = Tensors({"m": (), "v": ()})
    reader.arrays = {"m": np.array(mean, np.float32), "v": np.array(variance, np.float32)}

    def attempt() -> None:
        opening._refuse_adapted(Path("x"), {FIRST: "m", SECOND: "v"}, reader)

    opening._refuse_adapted(Path("x"), {"_head/kernel": "m"}, reader)
    if not adapted:
        attempt()
        return
    refused(
        attempt,
        *("convert", "x"),
        "an encoder whose normalization has mean 0 and variance 1, as Keras builds it",
        "other statistics, with which the trained model computes, and a model that loads "
        "this checkpoint does not",
        'save the trained model\'s weights as a ".weights.h5" file, which holds for both',
    )


ARRAYS = {"conv2d": ("kernel", "bias"), "depthwise_conv2d": ("depthwise_kernel",)}
ARRAYS |= {"batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance")}
ARRAYS |= {"normalization": ("mean", "variance", "count")}


def efficient(g: Graph, mean: float, count: int) -> None:
    """Puts an EfficientNetB0 of single numbers in the encoder's place."""
    members: dict[str, int] = {}
    for i, kind in enumerate(efficientnet.LAYERS):
        values = {"mean": np.float32(mean), "count": np.int64(count)}
        arrays = {n: g.variable(values.get(n, np.float32(1.0)), n) for n in ARRAYS.get(kind, ())}
        members[f"layer-{i}"] = number = g.add(Object(arrays))
        if arrays:
            members[f"layer_with_weights-{sum('with' in each for each in members)}"] = number
    g.at("").children["_encoder"] = g.add(Object(members))
    del g.at("").children["optimizer"]


def test_a_checkpoint_of_an_adapted_encoder_is_refused(tmp_path: Path) -> None:
    found = open_source(graph(tmp_path / "a", lambda g: efficient(g, 0.0, 70)))
    assert found.beside == ("the count of what the encoder's normalization was adapted to",)
    assert FIRST in found.keys
    assert efficientnet.COUNT not in found.keys
    path = graph(tmp_path / "b", lambda g: efficient(g, 0.5, 0))
    with pytest.raises(LeafError, match="mean 0 and variance 1") as caught:
        open_source(path)
    assert caught.value.argument == str(path)


# Keras' files


def test_a_file_by_attributes() -> None:
    path = LEAF / "by_attribute.weights.h5"
    found = open_source(path)
    assert (found.path, found.files, found.names) == (path, [path], {})
    assert found.keys["_head/bias"] == "_head/vars/1"
    slots = [f"optimizer/vars/{i}" for i in range(1, 49)]
    assert found.optimizer == Optimizer({"iterations": "optimizer/vars/0"}, slots)
    assert (found.chosen, found.beside, found.notes, found.whole) == (".", (), (), True)
    part = open_source(path, "_frontend")
    assert (part.chosen, part.optimizer, part.notes) == ("_frontend", None, ())
    assert part.beside == ("all that is not _frontend",)


def test_a_file_by_layers() -> None:
    path = LEAF / "by_layer.h5"
    found = open_source(path)
    assert (found.path, found.files, found.names, found.optimizer) == (path, [path], {}, None)
    assert found.keys["_head/bias"] == "dense/audio_classifier/dense/bias:0"
    assert (found.chosen, found.beside, found.notes, found.whole) == (".", (), (), False)
    part = open_source(path, "leaf")
    assert (part.chosen, part.beside) == ("leaf", ("all that is not leaf",))


def test_other_arrays_of_the_optimiser_are_no_slots(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        for name in ("optimizer/vars/x", "optimizer/vars/1x", "optimizer/others/0"):
            file[name] = np.float32(1.0)

    found = open_source(keras(tmp_path / "x.weights.h5", change))
    assert found.optimizer == open_source(LEAF / "by_attribute.weights.h5").optimizer


def test_a_slot_of_too_many_digits_is_refused(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file[f"optimizer/vars/{'1' * 10}"] = np.float32(1.0)

    path = keras(tmp_path / "x.weights.h5", change)
    with pytest.raises(LeafError) as caught:
        open_source(path)
    assert caught.value.argument == f"{path}: optimizer/vars/{'1' * 10}"


@pytest.mark.parametrize(
    ("arrays", "scalars", "left"),
    [
        ([], None, 0),
        ([np.int64(3)], {"iterations": 0}, 0),
        ([np.int64(3), np.ones(2)], {"iterations": 0}, 1),
        ([np.int64(3), np.float32(0.1), np.ones(2)], {"iterations": 0, "learning_rate": 1}, 1),
        ([np.float32(0.1), np.int32(3), np.ones(2)], {"learning_rate": 0, "iterations": 1}, 1),
        ([np.int64(3), np.int64(4), np.ones(2)], {"iterations": 0}, 2),
        ([np.float32(0.1), np.float32(0.2)], {"learning_rate": 0}, 1),
        ([np.ones(2), np.int64(3)], {}, 2),
    ],
)
def test_numbers_stand_before_the_slots(
    arrays: list[Any], scalars: dict[str, int] | None, left: int
) -> None:
    reader: Any = Tensors({})
    keys = [f"optimizer/vars/{i}" for i in range(len(arrays))]
    reader.arrays = dict(zip(keys, map(np.asarray, arrays), strict=True))
    found = opening._of_h5(reader, list(keys))
    if scalars is None:
        assert found is None
        return
    slots = keys[len(keys) - left :]
    assert found == Optimizer({name: keys[i] for name, i in scalars.items()}, slots)


# Keras' archives


def source(weight: str, chosen: str = ".") -> Source:
    keys = {weight: "a"}
    return Source(Path("x"), [], keys, {}, None, Tensors({}), chosen=chosen)


def archive(path: Path, **told: object) -> Path:
    compiled = {"optimizer": {**OPTIMIZER, "module": "keras.optimizers"}}
    config = {"class_name": "AudioClassifier", "config": {}, "compile_config": compiled}
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("config.json", json.dumps({**config, **told}))
        made.write(LEAF / "by_attribute.weights.h5", "model.weights.h5")
    return path


def test_an_archive_is_read_as_the_file_in_it(tmp_path: Path) -> None:
    """With the optimiser's kind and numbers, which its configuration tells."""
    path = archive(tmp_path / "x.keras")
    found, plain = open_source(path), open_source(LEAF / "by_attribute.weights.h5")
    assert (found.path, found.files, found.keys) == (path, [path], plain.keys)
    assert plain.optimizer is not None
    assert found.optimizer == replace(
        plain.optimizer, kind="AdamW", config={"weight_decay": 0.5}, notes=("clipnorm 1.0",)
    )
    part = open_source(path, "_frontend")
    assert (part.chosen, part.optimizer) == ("_frontend", None)
    untold = archive(tmp_path / "y.keras", compile_config=None)
    assert open_source(untold).optimizer == plain.optimizer


def test_an_archive_of_another_class_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.keras", class_name="Mine")
    with pytest.raises(LeafError, match="one of the class Mine") as caught:
        open_source(path)
    assert caught.value.argument == str(path)
    assert open_source(path, ".").chosen == "."


@pytest.mark.parametrize(
    ("name", "classifier", "frontend"),
    [
        ("AudioClassifier", True, False),
        ("Custom>AudioClassifier", True, False),
        *((name, False, True) for name in ("Leaf", "TimeDomainFilterbanks", "SincNet")),
        *((name, False, True) for name in ("SincNetPlus", "MelFilterbanks")),
        *((name, False, False) for name in ("Mine", "Sequential", None, 3)),
    ],
)
def test_the_class_of_an_archive(name: object, classifier: bool, frontend: bool) -> None:
    """It is asked for where the whole archive is taken, and nobody vouches for it."""
    for weight, official in (("_head/kernel", classifier), ("_complex_conv/kernel", frontend)):
        opening._check_class(Path("x"), source(weight), name, ".")
        opening._check_class(Path("x"), source(weight, "leaf"), name, None)
        if official:
            opening._check_class(Path("x"), source(weight), name, None)
            continue
        refused(
            partial(opening._check_class, Path("x"), source(weight), name, None),
            *("convert", "x", "a model of the class AudioClassifier, or an official frontend"),
            f"one of the class {name}",
            "give --object . if your class computes what the official one does",
        )
