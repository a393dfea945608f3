"""The recorded official checkpoints are whole, and the readers see in them what TensorFlow saw."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from _recorded_checkpoints import BUNDLES, CHECKPOINTS, H5, NAMES, manifest
from safetensors.numpy import load_file

from weight_conversion.formats.keras_h5 import KerasWeights
from weight_conversion.formats.reader import open_reader
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.reference.probe import clips
from weight_conversion.reference.recipes import RECIPES
from weight_conversion.reference.record import ANSWERS, MANIFEST, RECORDINGS, SHARDS
from weight_conversion.reference.worker import sha256

MOST_BYTES = 3_000_000


def test_every_recipe_is_recorded() -> None:
    assert sorted([*(recipe.name for recipe in RECIPES), SHARDS]) == NAMES
    for recipe in RECIPES:
        assert manifest(recipe.name)["model"] == recipe.model
        assert manifest(recipe.name)["optimizer"] == recipe.optimizer
        assert len(manifest(recipe.name)["checkpoints"]) == len(recipe.forms)


def test_the_recordings_are_small() -> None:
    assert sum(path.stat().st_size for path in RECORDINGS.rglob("*") if path.is_file()) < MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_those_that_were_recorded(name: str) -> None:
    files = {
        path.relative_to(RECORDINGS / name).as_posix(): path
        for path in (RECORDINGS / name).rglob("*")
        if path.is_file() and path.name != MANIFEST
    }
    hashes = {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
    assert hashes == manifest(name)["files"]


@pytest.mark.parametrize(("name", "file"), CHECKPOINTS)
def test_types_shapes_and_values_are_those_that_tensorflow_read(name: str, file: str) -> None:
    found = open_reader(RECORDINGS / name / file)
    read = {
        key: {
            "dtype": found.dtype(key),
            "shape": list(found.shape(key)),
            "sha256": sha256(found.tensor(key)),
        }
        for key in sorted(found.keys())
    }
    assert read == manifest(name)["checkpoints"][file]


@pytest.mark.parametrize(("name", "file"), CHECKPOINTS)
def test_a_tensor_has_the_shape_and_type_that_were_told(name: str, file: str) -> None:
    found = open_reader(RECORDINGS / name / file)
    for key in found.keys():  # noqa: SIM118
        told = found.dtype(key)
        read = {"string": "object", "bfloat16": "float32"}.get(told, told)
        assert found.tensor(key).shape == found.shape(key)
        assert found.tensor(key).dtype == read


@pytest.mark.parametrize(("name", "file"), [each for each in BUNDLES if each[0] != SHARDS])
def test_the_object_graph_names_every_variable(name: str, file: str) -> None:
    """All keys but the graph's and the slots by reference have a path; no path holds a list."""
    checkpoint = Checkpoint(RECORDINGS / name / file)
    graph = checkpoint.object_graph()
    slots = {slot.key for _, _, slot in graph.slots()}
    found = checkpoint.variables()
    assert {*found.values(), *slots, "_CHECKPOINTABLE_OBJECT_GRAPH"} == set(checkpoint.keys())
    for path, key in found.items():
        if "keras_api" not in path:
            node = graph.child(path)
            assert node is not None
            assert node.variable is not None
            assert node.variable.key == key


def test_a_saved_model_has_the_paths_of_its_checkpoint() -> None:
    saved = Checkpoint(RECORDINGS / "leaf" / "saved_model")
    plain = Checkpoint(RECORDINGS / "leaf")
    paths, others = saved.variables(), plain.variables()
    assert {path for path in paths if "keras_api" not in path} == set(others)
    for path, key in others.items():
        np.testing.assert_array_equal(saved.tensor(paths[path]), plain.tensor(key), strict=True)


def test_slots_by_reference_belong_to_their_variables() -> None:
    checkpoint = Checkpoint(RECORDINGS / "leaf_options")
    slots = checkpoint.object_graph().slots()
    assert {name for _, name, _ in slots} == {"m", "v"}
    assert {len({v.key for v, name, _ in slots if name == each}) for each in "mv"} == {27}
    for variable, name, slot in slots:
        expected = variable.key.replace("/.ATTR", f"/.OPTIMIZER_SLOT/optimizer/{name}/.ATTR")
        assert slot.key == expected
        assert checkpoint.shape(slot.key) == checkpoint.shape(variable.key)


def test_a_layer_file_lists_the_weights_in_the_order_of_the_model() -> None:
    by_layer = KerasWeights(RECORDINGS / "leaf" / "by_layer.h5")
    assert by_layer.by_layer
    assert by_layer.keys()[0] == "leaf/kernel:0"
    assert by_layer.keys()[-1] == "dense/audio_classifier/dense/bias:0"
    assert not KerasWeights(RECORDINGS / "leaf" / "by_attribute.weights.h5").by_layer


@pytest.mark.parametrize(("name", "file"), H5)
def test_keras_files_hold_the_weights_of_the_checkpoint(name: str, file: str) -> None:
    checkpoint = Checkpoint(RECORDINGS / name)
    weights = KerasWeights(RECORDINGS / name / file)

    def hashes(source: Checkpoint | KerasWeights, kinds: tuple[str, ...]) -> list[str]:
        keys = [key for key in source.keys() if key.startswith(kinds)]  # noqa: SIM118
        return sorted(sha256(source.tensor(key)) for key in keys)

    model = ("_frontend", "_encoder", "_head")
    assert hashes(weights, (*model, "leaf", "conv_net", "dense")) == hashes(checkpoint, model)


@pytest.mark.parametrize("name", [name for name in NAMES if name != SHARDS])
def test_features_and_logits_are_of_the_probe(name: str) -> None:
    probe, answers = manifest(name)["probe"], load_file(RECORDINGS / name / ANSWERS)
    assert clips(**probe).shape == (probe["batch"], probe["samples"])
    assert answers["logits"].shape == (probe["batch"], 3)
    frames = {"wavegram": None, "tfbanks": 13, "leaf_options": 30}.get(name, 15)
    shape = None if frames is None else (probe["batch"], frames, 8)
    assert (answers["features"].shape if "features" in answers else None) == shape
    assert np.abs(np.diff(answers["logits"], axis=0)).max() > 0


def test_probe_clips_are_the_same_bits_everywhere() -> None:
    made = clips(1001, 2, 2400)
    assert made.dtype == np.float32
    assert hashlib.sha256(made.astype("<f4").tobytes()).hexdigest() == (
        "4975f2435a021a451413b7dd76b4d52717565f42d39ce63848c68af117667c34"
    )


def test_nothing_recorded_names_a_place() -> None:
    for path in RECORDINGS.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(place in data for place in (b"/home/", b"/tmp/", b"/opt/", b"/usr/"))
