"""What stands beside the model is told; of several models none is chosen silently."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _conversion import settings
from _rewritten import Graph, Object, graph

from leaf_port import LeafError
from weight_conversion.official.convert import Converted, convert
from weight_conversion.reference.record import RECORDINGS


def made(tmp_path: Path, change: Callable[[Graph], object], **options: Any) -> Converted:
    path = graph(tmp_path / "c", change)
    return convert(path, tmp_path / "made", settings("leaf"), **options)


def refused(tmp_path: Path, change: Callable[[Graph], object], *told: str) -> None:
    with pytest.raises(LeafError) as caught:
        made(tmp_path, change)
    for each in told:
        assert each in str(caught.value)


def number(g: Graph, value: int = 3) -> int:
    return g.variable(np.int64(value))


def network(g: Graph) -> int:
    kernel = g.variable(np.zeros((4, 3), np.float32), "dense_1/kernel")
    dense = g.add(Object({"kernel": kernel}))
    return g.add(Object({"layer_with_weights-0": dense, "layer-0": dense}))


def test_step_and_epoch(tmp_path: Path) -> None:
    found = made(tmp_path, lambda g: g.wrap("model", step=number(g), epoch=number(g)))
    assert (found.object, found.moments) == ("model", 24)
    assert set(found.left_out) == {"step", "epoch"}


def test_an_optimiser_under_another_name(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.wrap("model", opt=g.at("").children["optimizer"])

    found = made(tmp_path, change)
    assert (found.object, found.moments, found.left_out) == ("model", 24, ())


def test_an_optimiser_beside_the_model_alone(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.wrap("net", opt=g.at("").children.pop("optimizer"))

    found = made(tmp_path, change)
    assert (found.object, found.moments, found.left_out) == ("net", 24, ())


def test_two_optimisers(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        old = g.at("optimizer")
        g.wrap("model", opt=g.add(Object({"_iterations": old.children["_iterations"]})))

    found = made(tmp_path, change)
    assert found.moments == 0
    assert any("one of several: opt, model/optimizer" in each for each in found.left_out)


def test_a_second_network(tmp_path: Path) -> None:
    found = made(tmp_path, lambda g: g.wrap("model", teacher=network(g)))
    assert (found.object, found.left_out) == ("model", ("teacher",))


def test_a_second_classifier_has_to_be_chosen(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.wrap("model", ema=g.copied(0))

    refused(tmp_path, change, "several", "--object ema", "--object model")
    chosen = [
        convert(tmp_path / "c", tmp_path / name, settings("leaf"), wanted=name)
        for name in ("model", "ema")
    ]
    assert [each.object for each in chosen] == ["model", "ema"]
    assert [each.left_out[0] for each in chosen] == ["ema", "model"]
    kept = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("model", "ema")]
    assert kept[0] != kept[1]


def test_nested_checkpoints(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.wrap("model")
        del g.objects[0].children["save_counter"]
        g.wrap("train", step=number(g))

    found = made(tmp_path, change)
    assert (found.object, found.left_out, found.moments) == ("train/model", ("step",), 24)


def test_a_list_of_models(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.wrap("0", **{"1": g.copied(0)})
        g.wrap("models")

    refused(tmp_path, change, "--object models/0", "--object models/1")


def test_variables_at_the_model_itself(tmp_path: Path) -> None:
    """``tf.train.Checkpoint(model, step=...)``."""

    def change(g: Graph) -> None:
        g.at("").children["step"] = number(g)
        g.at("").children["save_counter"] = g.variable(np.int64(1), "save_counter")

    found = made(tmp_path, change)
    assert (found.object, found.left_out) == (".", ("step",))


def test_a_frontend_alone(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        front = g.number("_frontend")
        g.objects[0] = Object({"frontend": front, "step": number(g)})

    found = made(tmp_path, change)
    assert (found.tree["kind"], found.object, found.left_out) == ("Leaf", "frontend", ("step",))


def test_a_frontend_beside_a_network(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.objects[0] = Object({"frontend": g.number("_frontend"), "net": network(g)})

    refused(tmp_path, change, "--object frontend for its frontend")


def test_a_frontend_by_two_names(tmp_path: Path) -> None:
    found = made(tmp_path, lambda g: g.wrap("model", front=g.number("_frontend")))
    assert (found.object, found.left_out) == ("model", ())
    part = convert(tmp_path / "c", tmp_path / "f", settings("leaf"), wanted="model/_frontend")
    assert part.tree["kind"] == "Leaf"


def test_a_classifier_inside_another_model(tmp_path: Path) -> None:
    """Without ``save_counter``, what is beside it may be computed with it."""

    def change(g: Graph) -> None:
        g.wrap("base", temperature=network(g))
        del g.objects[0].children["save_counter"]

    refused(tmp_path, change, "--object base for its AudioClassifier")


def test_a_name_that_is_none(tmp_path: Path) -> None:
    path = graph(tmp_path / "c", lambda g: g.wrap("model"))
    with pytest.raises(LeafError, match="--object: expected one of model"):
        convert(path, tmp_path / "made", settings("leaf"), wanted="gone")


def test_nothing_of_a_model(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        g.objects[0] = Object({"step": number(g)})

    refused(tmp_path, change, "neither")


def test_what_export_writes_is_named(tmp_path: Path) -> None:
    def change(g: Graph) -> None:
        kernel = g.at("_head").children["kernel"]
        lists = g.add(Object({"0": kernel}))
        g.objects[0] = Object({"_endpoint_names": g.add(), "variables": lists})

    refused(tmp_path, change, "model.export()", "save_weights")


def test_the_newest_of_several_is_named(tmp_path: Path) -> None:
    for name in ("ckpt-1", "ckpt-2", "ckpt-10"):
        for suffix in (".index", ".data-00000-of-00001"):
            old = RECORDINGS / "leaf" / f"checkpoint{suffix}"
            shutil.copy(old, tmp_path / f"{name}{suffix}")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "ckpt-10"\n')
    out = tmp_path.parent / f"{tmp_path.name}-made"
    assert convert(tmp_path, out, settings("leaf")).notes == (
        "ckpt-10, the newest of 3 checkpoints",
    )
    again = convert(tmp_path / "ckpt-2", out, settings("leaf"), force=True)
    assert again.notes == ()
