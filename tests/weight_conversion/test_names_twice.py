"""Two layers that would have one official name: none is lost, so the model is another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from _rewritten import keras

from leaf_port import LeafError
from weight_conversion.official import keras_paths
from weight_conversion.official.layers import Layer
from weight_conversion.official.opening import open_source

FRONTEND = "_frontend"
CONTAINER = f"{FRONTEND}/_layer_checkpoint_dependencies"


def of_kinds(*names: tuple[str, str]) -> dict[str, Layer]:
    """Layers by name and class, each with a weight of its own."""
    return {name: Layer(kind, {}, {"kernel": name}) for name, kind in names}


GABOR = ("gabor_conv1d", "gabor_conv1d")
LOWPASS = ("gaussian_lowpass", "gaussian_lowpass")


@pytest.mark.parametrize(
    ("names", "official"),
    [
        ([GABOR, LOWPASS], ["_complex_conv", "_pooling"]),
        ([GABOR, ("_pooling", ""), LOWPASS], ["_complex_conv", "_pooling", "gaussian_lowpass"]),
        ([GABOR, LOWPASS, ("_pooling", "")], ["_complex_conv", "gaussian_lowpass", "_pooling"]),
        (
            [GABOR, LOWPASS, ("gaussian_lowpass_1", "gaussian_lowpass")],
            ["_complex_conv", "_pooling", "gaussian_lowpass_1"],
        ),
        (
            [("conv1d", "conv1d"), GABOR, ("_preemp_conv", "")],
            ["conv1d", "_complex_conv", "_preemp_conv"],
        ),
    ],
)
def test_a_frontends_layers(names: Sequence[tuple[str, str]], official: list[str]) -> None:
    made = keras_paths.frontend(Layer("leaf", of_kinds(*names)))
    assert made is not None
    assert list(made.members) == official
    assert [key for _, key in made.weights()] == [name for name, _ in names]


PLAIN, SECOND = ("conv1d", "conv1d"), ("conv1d_1", "conv1d")


@pytest.mark.parametrize(
    ("names", "official"),
    [
        ([PLAIN, LOWPASS], ["_complex_conv", "_pooling"]),
        ([SECOND, LOWPASS], ["_complex_conv", "_pooling"]),
        ([PLAIN, SECOND, LOWPASS], ["_preemp_conv", "_complex_conv", "_pooling"]),
        ([PLAIN, GABOR], ["_preemp_conv", "_complex_conv"]),
        ([GABOR, SECOND], ["_complex_conv", "conv1d_1"]),
    ],
)
def test_convolutions_of_one_class(names: Sequence[tuple[str, str]], official: list[str]) -> None:
    """The first is the pre-emphasis where there are others beside it."""
    made = keras_paths.frontend(Layer("leaf", of_kinds(*names), {"mine": "key"}))
    assert made is not None
    assert (list(made.members), made.arrays) == (official, {"mine": "key"})


@pytest.mark.parametrize(
    ("name", "kind", "official"),
    [
        ("leaky_re_lu", "leaky_re_lu", "_activation"),
        ("leaky_re_lu_3", "leaky_re_lu", "_activation"),
        ("learnable_pooling", "learnable_pooling", "_pooling"),
        ("mine_2", "mine", "mine_2"),
    ],
)
def test_layers_of_a_frontend_by_itself(name: str, kind: str, official: str) -> None:
    convolution = Layer("", {}, {"kernel:0": "a"})
    members = {"tfbanks_complex_conv": convolution, name: Layer(kind)}
    made = keras_paths.frontend_by_layers(Layer("", members), {"a": (8, 2)})
    assert made is not None
    assert list(made.members) == ["_complex_conv", official]
    assert made.members["_complex_conv"].arrays == {"kernel": "a"}
    assert made.members[official] == Layer()


def test_a_weight_that_is_none_of_its_layer_stays_in_it() -> None:
    """Filters where the pre-emphasis should be."""
    members = {
        "tfbanks_preemp": Layer("", {}, {"kernel:0": "a"}),
        "tfbanks_complex_conv": Layer("", {}, {"kernel:0": "b"}),
    }
    made = keras_paths.frontend_by_layers(Layer("", members), {"a": (5, 1, 1), "b": (8, 2)})
    assert made is not None
    weights = {"_preemp_conv/_complex_conv/kernel": "a", "_complex_conv/kernel": "b"}
    assert dict(made.weights()) == weights


@pytest.mark.parametrize("first", [True, False])
def test_a_classifiers_parts(first: bool) -> None:
    known = [("dense", "dense"), ("sequential", "sequential"), ("pann", "pann")]
    names = [("_encoder", ""), *known] if first else [*known, ("_encoder", "")]
    made = keras_paths.classifier(Layer("", of_kinds(*names)))
    assert made is not None
    assert {*made.members} == {"_head", "_pool", "pann", "_encoder"}
    assert sorted(key for _, key in made.weights()) == sorted(name for name, _ in names)


@pytest.mark.parametrize("first", [True, False])
def test_a_wavegrams_layers(first: bool) -> None:
    known, other = of_kinds(("pre_conv0", "")), of_kinds(("conv1d", "conv1d"))
    encoder = Layer("wave_gram", {**known, **other} if first else {**other, **known})
    parts = of_kinds(("_head", "dense"))
    made = keras_paths.classifier(Layer("", {**parts, "_encoder": encoder}))
    assert made is not None
    assert {name: each.arrays for name, each in made.members["_encoder"].members.items()} == {
        **{"pre_conv0": {"kernel": "pre_conv0"}, "conv1d": {"kernel": "conv1d"}},
    }


def test_a_second_pooling_in_a_file_by_attributes_is_refused(tmp_path: Path) -> None:
    """It would stand unread beside the one that is converted."""

    def change(file: h5py.File) -> None:
        file.move(f"{FRONTEND}/_complex_conv", f"{CONTAINER}/gabor_conv1d")
        file[f"{CONTAINER}/gaussian_lowpass/vars/0"] = np.zeros((1, 1, 8, 1), np.float32)

    path = keras(tmp_path / "x.weights.h5", change)
    with pytest.raises(LeafError, match="gaussian_lowpass"):
        open_source(path)


@pytest.mark.parametrize("other", [(), ("leaky_re_lu",), ("leaky_re_lu", "max_pooling1d")])
def test_a_second_activation_in_a_file_by_layers_is_refused(
    other: tuple[str, ...], tmp_path: Path
) -> None:
    """It would compute in the trained model and not in the converted one."""
    arrays = {"tfbanks_complex_conv": (8, 2), "learnable_pooling": (1, 1, 8, 1)}
    names = ("tfbanks_complex_conv", "squared_modulus", "learnable_pooling", *other)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["layer_names"] = np.array(names, "S30")
        for name in names:
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array(["kernel:0"] if name in arrays else [], "S30")
            if name in arrays:
                group["kernel:0"] = np.full(arrays[name], 0.5, np.float32)
    if not other:
        assert set(open_source(tmp_path / "x.h5").keys) == {
            *("_complex_conv/kernel", "_pooling/kernel")
        }
        return
    with pytest.raises(LeafError) as caught:
        open_source(tmp_path / "x.h5")
    assert all(name in str(caught.value) for name in other)
