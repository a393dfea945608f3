"""An optimiser's kind is what the checkpoint says, or what the user says; else it is left out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _conversion import converted, settings
from _rewritten import Graph, Object, graph

from leaf_port import AudioClassifier, LeafError
from leaf_port.optim import KerasAdamW
from weight_conversion.official import adam
from weight_conversion.official.convert import Converted, convert
from weight_conversion.reference.record import RECORDINGS

H5 = "by_attribute.weights.h5"


def made(tmp_path: Path, change: Callable[[Graph], object], **options: Any) -> Converted:
    path = graph(tmp_path / "c", change)
    return convert(path, tmp_path / "made", settings("leaf"), **options)


def edge(name: str) -> Callable[[Graph], None]:
    """One more list, as another kind has."""

    def change(g: Graph) -> None:
        g.at("optimizer").children[name] = g.variable(np.float32(1.0), "Adam/Variable")

    return change


def lists(first: str, second: str, name: str) -> Callable[[Graph], None]:
    """The lists and names of another kind."""

    def change(g: Graph) -> None:
        children = g.at("optimizer").children
        children[first], children[second] = children.pop("_momentums"), children.pop("_velocities")
        g.renamed("Adam/m/", f"{name}/{first.strip('_')}/")
        g.renamed("Adam/v/", f"{name}/{second.strip('_')}/")

    return change


def renamed(name: str) -> Callable[[Graph], None]:
    return lambda g: g.renamed("Adam/", f"{name}/")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edge("_u_product"), "Nadam"),
        (lists("_m", "_u", "Adamax"), "Adamax"),
        (lists("_accumulated_grads", "_accumulated_delta_vars", "Adadelta"), "Adadelta"),
        (lists("_accumulators", "_linears", "Ftrl"), "Ftrl"),
        (lists("_velocities", "_momentums", "RMSprop"), "RMSprop"),
        (lists("_m", "_u", "Adam"), "Adamax"),
        (lists("_first", "_second", "Adam"), "called Adam and keeps _first, _second"),
        (edge("_velocity_hats_of_mine"), "called Adam and keeps"),
        (renamed("Lion"), "Adam or Lion"),
    ],
)
def test_another_kind_is_left_out_by_name(
    change: Callable[[Graph], None], told: str, tmp_path: Path
) -> None:
    found = made(tmp_path, change)
    if told == "Adam or Lion":  # lists of Adam's under the name of another: not told which
        assert "does not say which" in found.left_out[0]
    else:
        assert told in found.left_out[0]
        with pytest.raises(LeafError, match="as --optimizer says"):
            convert(tmp_path / "c", tmp_path / "again", settings("leaf"), optimizer="adam")
    assert (found.optimizer, found.moments) == (None, 0)
    assert not (tmp_path / "made" / adam.FILE).exists()
    config = json.loads((tmp_path / "made" / "config.json").read_text())
    assert config["optimizer"] is None
    assert config["not_converted"] == list(found.left_out)


LEGACY = ["Adamax", "Nadam", "RMSprop", "Adadelta", "Ftrl", "Adagrad"]


@pytest.mark.parametrize("kind", LEGACY)
def test_legacy_optimisers_are_named_by_their_numbers(kind: str, tmp_path: Path) -> None:
    path = graph(tmp_path / "c", lambda g: g.renamed("Adam/", f"{kind}/"), "leaf_options")
    found = convert(path, tmp_path / "made", settings("leaf_options"))
    assert (found.optimizer, kind in found.left_out[0]) == (None, True)


def test_a_name_of_ones_own_is_asked_for(tmp_path: Path) -> None:
    left = made(tmp_path, renamed("my_opt"))
    assert "--optimizer adam or adamw" in left.left_out[0]
    found = convert(tmp_path / "c", tmp_path / "two", settings("leaf"), optimizer="adam")
    assert (found.optimizer, found.moments, found.left_out) == ("Adam", 24, ())


def test_loss_scaling_keeps_adam(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.renamed("Adam/", "cond_1/Adam/")
        g.at("optimizer").children["loss_scale"] = g.add()

    found = made(tmp_path, change)
    assert (found.optimizer, found.moments) == ("Adam", 24)
    assert "scale of the loss" in found.left_out[0]


def test_moving_averages_are_told(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        extra = g.variable(np.zeros((8, 2), np.float32), "Adam/average/kernel")
        number = g.add()
        g.objects[number].children["0"] = extra
        g.at("optimizer").children["_model_variables_moving_average"] = number

    found = made(tmp_path, change)
    assert (found.optimizer, found.moments) == ("Adam", 24)
    assert "EMA" in found.left_out[0]


def test_amsgrad_keeps_its_greatest(tmp_path: Path) -> None:
    """A third slot of each weight; without the list of them there is none to restore."""

    def change(g: Graph) -> None:
        second = g.objects[g.number("optimizer/_velocities")].children
        hats = {name: g.copied(number) for name, number in second.items()}
        g.at("optimizer").children["_velocity_hats"] = g.add(Object(hats))

    found = made(tmp_path, change)
    assert (found.optimizer, found.moments, found.left_out) == ("Adam", 24, ())
    model = AudioClassifier.from_pretrained(tmp_path / "made")
    restored = adam.restore(tmp_path / "made", model)
    assert restored.param_groups[0]["amsgrad"] is True
    for state in restored.state.values():
        assert torch.equal(state["max_exp_avg_sq"], state["exp_avg_sq"] + 1)


@pytest.mark.parametrize("lacks", ["the last", "the first"])
def test_amsgrad_with_a_slot_less_is_refused(lacks: str, tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        second = g.objects[g.number("optimizer/_velocities")].children
        hats = dict(second)
        del hats[str(len(hats) - 1) if lacks == "the last" else "0"]
        g.at("optimizer").children["_velocity_hats"] = g.add(Object(hats))

    with pytest.raises(LeafError, match="_velocity_hats"):
        made(tmp_path, change)


@pytest.mark.parametrize("told", [False, "yes", None])
def test_amsgrad_that_config_json_does_not_tell_is_refused(told: object, tmp_path: Path) -> None:
    """Its slots would be of no parameter."""

    def change(g: Graph) -> None:
        number = g.number("optimizer/_velocities")
        g.at("optimizer").children["_velocity_hats"] = number

    made(tmp_path, change)
    path = tmp_path / "made" / "config.json"
    config = json.loads(path.read_text())
    assert config["optimizer"].pop("amsgrad") is True
    path.write_text(json.dumps(config | {"optimizer": config["optimizer"] | {"amsgrad": told}}))
    model = AudioClassifier.from_pretrained(tmp_path / "made")
    with pytest.raises(LeafError, match="missing or unexpected: max_exp_avg_sq"):
        adam.restore(tmp_path / "made", model)


def test_the_last_rate_of_a_schedule_is_taken(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        children = g.at("optimizer").children
        children["_current_learning_rate"] = children.pop("_learning_rate")

    assert "schedule" in made(tmp_path, change).left_out[0]
    model = AudioClassifier.from_pretrained(tmp_path / "made")
    optimizer = adam.restore(tmp_path / "made", model)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_adamw_is_restored_as_adamw(tmp_path: Path) -> None:
    assert made(tmp_path, renamed("AdamW")).optimizer == "AdamW"
    model = AudioClassifier.from_pretrained(tmp_path / "made")
    with pytest.raises(LeafError, match="weight_decay"):
        adam.restore(tmp_path / "made", model)
    optimizer = adam.restore(tmp_path / "made", model, weight_decay=0.05)
    assert isinstance(optimizer, KerasAdamW)
    assert optimizer.param_groups[0]["weight_decay"] == 0.05


def test_the_decay_of_adamw_is_keras_own(tmp_path: Path) -> None:
    """Beside Adam's step, each weight loses ``lr weight_decay`` of itself, before the step."""
    made(tmp_path, renamed("AdamW"))
    after = {}
    for decay in (0.0, 0.05):
        model = AudioClassifier.from_pretrained(tmp_path / "made")
        before = model.head.weight.detach().clone()
        optimizer = adam.restore(tmp_path / "made", model, weight_decay=decay)
        for weight in model.parameters():
            weight.grad = torch.full_like(weight, 0.5)
        optimizer.step()
        after[decay] = model.head.weight.detach().double()
    lost = after[0.0] - after[0.05]
    # Two roundings of a weight in either run, each half a unit in the last place.
    bound = 4.0 * 2.0**-24 * torch.maximum(before.abs().double(), after[0.0].abs())
    assert ((lost - 0.01 * 0.05 * before.double()).abs() <= bound).all()


def test_a_weights_file_does_not_say_which(tmp_path: Path) -> None:
    found = converted("leaf", tmp_path / "made", H5)
    assert (found.optimizer, found.moments) == (None, 0)
    assert "--optimizer adam or adamw" in found.left_out[0]
    found = converted("leaf", tmp_path / "two", H5, optimizer="adam")
    assert (found.optimizer, found.moments) == ("Adam", 24)
    model = AudioClassifier.from_pretrained(tmp_path / "two")
    with pytest.raises(LeafError, match="learning rate"):
        adam.restore(tmp_path / "two", model)
    assert adam.restore(tmp_path / "two", model, lr=0.01).param_groups[0]["lr"] == 0.01


def test_what_is_no_kind(tmp_path: Path) -> None:
    with pytest.raises(LeafError, match="one of adam, adamw"):
        converted("leaf", tmp_path / "made", H5, optimizer="sgd")


def archive(path: Path, optimizer: dict[str, Any], name: str = "AudioClassifier") -> Path:
    """A ``.keras`` file of Keras 2.13."""
    compiled = {"optimizer": {"module": "keras.optimizers", **optimizer}}
    config = {"class_name": name, "config": {}, "compile_config": compiled}
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("metadata.json", '{"keras_version": "2.13.1"}')
        made.writestr("config.json", json.dumps(config))
        made.write(RECORDINGS / "leaf" / H5, "model.weights.h5")
    return path


def test_an_archive_says_which(tmp_path: Path) -> None:
    numbers = {"learning_rate": 0.02, "beta_1": 0.8, "epsilon": 1e-5, "clipnorm": 1.0}
    path = archive(tmp_path / "x.keras", {"class_name": "Adam", "config": numbers})
    found = convert(path, tmp_path / "made", settings("leaf"))
    assert (found.optimizer, found.moments) == ("Adam", 24)
    assert found.left_out == ("clipnorm 1.0 of Adam",)
    model = AudioClassifier.from_pretrained(tmp_path / "made")
    group = adam.restore(tmp_path / "made", model).param_groups[0]
    assert (group["lr"], group["betas"], group["eps"]) == (0.02, (0.8, 0.999), 1e-5)


def test_an_archive_of_another_kind(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.keras", {"class_name": "Nadam", "config": {}})
    assert "Nadam" in convert(path, tmp_path / "made", settings("leaf")).left_out[0]


def test_an_archive_of_another_class(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.keras", {"class_name": "Adam", "config": {}}, "Mine")
    with pytest.raises(LeafError, match=r"the class Mine; give --object \."):
        convert(path, tmp_path / "made", settings("leaf"))
    convert(path, tmp_path / "made", settings("leaf"), wanted=".")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_bytes(content)
    with pytest.raises(LeafError, match=r"a \.keras archive"):
        convert(tmp_path / "x.keras", tmp_path / "made", settings("leaf"))


def test_an_archive_with_broken_weights_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as made:
        made.writestr("config.json", "{}")
        made.writestr("model.weights.h5", b"none")
    with pytest.raises(LeafError, match=r"x\.keras: model\.weights\.h5: expected an HDF5 file"):
        convert(tmp_path / "x.keras", tmp_path / "made", settings("leaf"))


def test_a_compressed_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("config.json", "{}")
    with pytest.raises(LeafError, match="uncompressed"):
        convert(tmp_path / "x.keras", tmp_path / "made", settings("leaf"))
