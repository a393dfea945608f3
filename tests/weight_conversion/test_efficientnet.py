"""Keras' EfficientNetB0 as an encoder, in the files that Keras writes by layers and by attributes.

A recorded file would be 16 MB. Seeded weights are written here under the names that Keras 2.13 and
tf-keras 2.21 gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from leaf_port import AudioClassifier, EfficientNetB0, LeafError, MelFilterbanks
from weight_conversion.official import efficientnet
from weight_conversion.official.convert import Converted, convert
from weight_conversion.official.mapping import official_weights
from weight_conversion.official.settings import Settings
from weight_conversion.reference.export import official_tree

ORDER = {"gamma": 0, "beta": 1, "moving_mean": 2, "moving_variance": 3, "kernel": 0, "bias": 1}
ORDER |= {"mean": 0, "variance": 1, "count": 2, "depthwise_kernel": 0}
DEPENDS = "_layer_checkpoint_dependencies"


@pytest.fixture(scope="module")
def model() -> AudioClassifier:
    """With weights that are all different."""
    torch.manual_seed(0)
    made = AudioClassifier(3, MelFilterbanks(n_filters=40), EfficientNetB0(3))
    with torch.no_grad():
        for each in made.state_dict().values():
            each.uniform_(0.5, 1.5)
    return made.eval()


def weights(model: AudioClassifier) -> dict[str, Any]:
    count = {efficientnet.COUNT: np.zeros((), np.int64)}
    return {**official_weights(model), **count}


def numbered(path: str) -> tuple[int, str]:
    """Number and name of a weight of the encoder."""
    _, layer, name = path.split("/")
    return int(layer.rpartition("-")[2]), name


def by_layer(file: Path, model: AudioClassifier, name: str = "efficientnetb0") -> None:
    """``model.save_weights("x.h5")``: trained weights first, layers without weights by name."""
    names = list(efficientnet._names())
    names[0] = "normalization_4"
    groups: dict[str, list[tuple[str, Any]]] = {
        each: [] for each in ("mel_filterbanks", name, "sequential", "dense")
    }
    for path, value in weights(model).items():
        if path.startswith("_head/"):
            key = f"audio_classifier/dense/{path.rpartition('/')[2]}:0"
            groups["dense"].append((key, value))
        else:
            number, array = numbered(path)
            groups[name].append((f"{names[number]}/{array}:0", value))
    groups[name].sort(key=lambda each: each[0].rpartition("/")[2][0] in "mvc")
    with h5py.File(file, "w") as target:
        target.attrs["layer_names"] = [each.encode() for each in groups]
        for group, arrays in groups.items():
            made = target.create_group(group)
            made.attrs["weight_names"] = [key.encode() for key, _ in arrays]
            for key, value in arrays:
                made[key] = value


def _counted(step: int) -> Iterator[str]:
    """Names by class, the second of which Keras 2.13 counts as 2, later versions as 1."""
    seen: dict[str, int] = {}
    for kind in efficientnet.LAYERS:
        number = seen.get(kind, 0)
        plain = kind in efficientnet.WEIGHTED and kind != "normalization"
        yield f"{kind}_{number * (step if plain else 1)}" if number else kind
        seen[kind] = number + 1


def by_attribute(
    file: Path, model: AudioClassifier, later: bool, change: Callable[[list[str]], None]
) -> None:
    """``model.save_weights("x.weights.h5")``."""
    if later:
        top, inner = "layers/functional/layers", "layers/sequential/layers"
        head, mel = "layers/dense", "layers/mel_filterbanks/vars"
    else:
        top, inner, head = f"_encoder/{DEPENDS}", f"_pool/{DEPENDS}", "_head"
        mel = "_frontend/vars"
    names = list(_counted(1 if later else 2))
    pairs = zip(names, efficientnet.LAYERS, strict=True)
    weighted = [name for name, kind in pairs if kind in efficientnet.WEIGHTED]
    change(names)
    with h5py.File(file, "w") as target:
        for group in (mel, *(f"{inner}/{n}/vars" for n in ("flatten", "global_max_pooling2d"))):
            target.create_group(group)
        for name in names:
            target.require_group(f"{top}/{name}/vars")
        for path, value in weights(model).items():
            if path.startswith("_head/"):
                target[f"{head}/vars/{ORDER[path.rpartition('/')[2]]}"] = value
            else:
                number, array = numbered(path)
                target[f"{top}/{weighted[number]}/vars/{ORDER[array]}"] = value


def converted(file: Path, folder: Path, **given: Any) -> Converted:
    return convert(file, folder, Settings({"frontend": "mel", **given}, defaults=True))


def check(folder: Path, model: AudioClassifier) -> None:
    """The same bits, in the same places."""
    state = AudioClassifier.from_pretrained(folder).state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[key], each) for key, each in model.state_dict().items())


def test_a_file_by_layers(model: AudioClassifier, tmp_path: Path) -> None:
    by_layer(tmp_path / "x.h5", model)
    made = converted(tmp_path / "x.h5", tmp_path / "made", input_shape="100,40")
    encoder = made.tree["arguments"]["encoder"]
    assert encoder["arguments"] == {
        **{"in_channels": 3, "drop_connect_rate": 0.2, "input_shape": [100, 40]}
    }
    check(tmp_path / "made", model)


@pytest.mark.parametrize("later", [False, True])
def test_a_file_by_attributes(model: AudioClassifier, later: bool, tmp_path: Path) -> None:
    by_attribute(tmp_path / "x.weights.h5", model, later, lambda _: None)
    made = converted(tmp_path / "x.weights.h5", tmp_path / "made")
    assert made.tree["arguments"]["encoder"]["arguments"]["input_shape"] is None
    check(tmp_path / "made", model)


def test_the_shape_is_asked_for(model: AudioClassifier, tmp_path: Path) -> None:
    by_layer(tmp_path / "x.h5", model)
    with pytest.raises(LeafError, match="--input-shape any"):
        convert(tmp_path / "x.h5", tmp_path / "made", Settings({"frontend": "mel"}))
    with pytest.raises(LeafError, match="FRAMES,FILTERS or any, got '40'"):
        converted(tmp_path / "x.h5", tmp_path / "made", input_shape="40")


def test_another_application_is_refused_by_name(model: AudioClassifier, tmp_path: Path) -> None:
    by_layer(tmp_path / "x.h5", model, "efficientnetb1")
    with pytest.raises(LeafError, match="is Keras' EfficientNetB1: it is no EfficientNetB0"):
        converted(tmp_path / "x.h5", tmp_path / "made")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda names: names.append("rescaling_1"), "no place for rescaling_1"),
        (lambda names: names.remove("multiply"), "lacks multiply"),
        (lambda names: names.append("dropout_9"), "no place for dropout_9"),
    ],
)
def test_other_layers_are_refused(
    change: Callable[[list[str]], None], told: str, model: AudioClassifier, tmp_path: Path
) -> None:
    """Such as the second scaling of a model that started from ImageNet's weights."""
    by_attribute(tmp_path / "x.weights.h5", model, False, change)
    with pytest.raises(LeafError, match=told):
        converted(tmp_path / "x.weights.h5", tmp_path / "made")


def test_the_official_call() -> None:
    """Keras is told the shape that the model was built for, and the channels."""
    arguments = {"in_channels": 3, "drop_connect_rate": 0.1, "input_shape": [100, 40]}
    tree = official_tree({"kind": "EfficientNetB0", "arguments": arguments})
    assert tree["call"] == "tensorflow:keras.applications.EfficientNetB0"
    assert tree["with"] == {
        **{"include_top": False, "weights": None, "drop_connect_rate": 0.1},
        "input_shape": [100, 40, 3],
    }
    small = {"in_channels": 1, "blocks_args": [[3, 1, 8, 1, 1]]}
    with pytest.raises(LeafError, match="blocks_args"):
        official_tree({"kind": "EfficientNetB0", "arguments": small})
