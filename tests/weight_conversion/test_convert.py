"""Every recorded official checkpoint, converted without TensorFlow, gives the recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _conversion import MODELS, converted, settings
from _recorded_checkpoints import manifest
from safetensors.numpy import load_file
from torch import nn

import leaf_port as lp
from parity.commands.conversion.judge import DeclaredBudgets
from parity.layers import all_specs
from weight_conversion.official import adam
from weight_conversion.official.convert import convert
from weight_conversion.official.mapping import table
from weight_conversion.official.opening import open_source
from weight_conversion.reference.probe import clips
from weight_conversion.reference.record import ANSWERS, RECORDINGS
from weight_conversion.verification import backends, verify


def load(folder: Path) -> nn.Module:
    kind = json.loads((folder / "config.json").read_text())["kind"]
    module: nn.Module = getattr(lp, kind).from_pretrained(folder)
    return module


@pytest.mark.parametrize(("name", "file"), MODELS)
def test_features_and_logits_are_the_official_ones(name: str, file: str, tmp_path: Path) -> None:
    """Within what the layers declare that port and official code may differ by."""
    converted(name, tmp_path / "made", file)
    subject, _ = verify.subject(tmp_path / "made", open_source(RECORDINGS / name / file))
    recorded = load_file(RECORDINGS / name / ANSWERS)
    clip = clips(**manifest(name)["probe"])
    ours = backends.Backend("cpu").run(subject.model, [clip])[0]
    assert ours.keys() <= recorded.keys()
    sides = (
        verify.Side("cpu", verify.PORT, {"probe": ours}),
        verify.Side("official", verify.OFFICIAL, {"probe": recorded}),
    )
    judge = DeclaredBudgets()
    for output in ours:
        verdict = judge.judge(subject, clip, output, *sides, "probe")
        assert verdict.ok, f"{output}: {verdict.message}"
    if backends.LOGITS in ours:
        greatest = (side.answers["probe"][backends.LOGITS].argmax(1) for side in sides)
        np.testing.assert_array_equal(*greatest)


@pytest.mark.parametrize(("name", "file"), MODELS)
def test_the_weights_are_the_bits_of_the_checkpoint(name: str, file: str, tmp_path: Path) -> None:
    made = converted(name, tmp_path / "made", file)
    source = open_source(RECORDINGS / name / file)
    kept = load_file(tmp_path / "made" / "model.safetensors")
    assert kept.keys() == {row.key for row in made.rows}
    assert source.keys.keys() == {row.path for row in made.rows}
    for row in made.rows:
        value = source.tensor(row.path)
        moved = value if row.axes is None else value.transpose(row.axes)
        np.testing.assert_array_equal(kept[row.key], moved, strict=True)


@pytest.mark.parametrize("name", [name for name, file in MODELS if file == "checkpoint"])
def test_the_model_is_found_out(name: str, tmp_path: Path) -> None:
    """Kind and options are those of the recipe, as far as they are the model's."""
    tree = converted(name, tmp_path / "made").tree["arguments"]
    recipe = manifest(name)["model"]["with"]
    assert tree["num_outputs"] == recipe["num_outputs"]
    for part in ("frontend", "encoder"):
        if recipe[part] is None:
            assert tree[part] is None
            continue
        assert tree[part]["kind"] == recipe[part]["call"].partition(":")[2]
        for option, value in recipe[part]["with"].items():
            if not isinstance(value, dict):
                assert tree[part]["arguments"][option] == value


def test_the_table_agrees_with_the_declarations() -> None:
    """The parity suite declares the same correspondence, and has proven it."""
    for layer in ("leaf", "time_domain_filterbanks", "sincnet", "sincnet_plus"):
        spec = all_specs()[layer]
        for config in spec.configs:
            declared = {path: weight.key for path, weight in spec.weights(config).items()}
            assert {row.path: row.key for row in table(spec.port(config))} == declared
    spec = all_specs()["audio_classifier"]
    for config in spec.configs:
        declared_axes = {p: (w.key, w.axes) for p, w in spec.weights(config).items()}
        rows = {row.path: (row.key, row.axes) for row in table(spec.port(config))}
        assert rows == declared_axes


@pytest.mark.parametrize("fixed", [True, False])
def test_what_was_trained_is_trained(fixed: bool, tmp_path: Path) -> None:
    converted("leaf_fixed" if fixed else "leaf", tmp_path / "made")
    frontend = lp.AudioClassifier.from_pretrained(tmp_path / "made").frontend
    trained = {name for name, each in frontend.named_parameters() if each.requires_grad}
    assert ("complex_conv.kernel" in trained) is not fixed
    assert ("pooling.kernel" in trained) is not fixed
    assert "compress_fn.alpha" in trained


ADAMS = [("leaf", "checkpoint"), ("leaf", "by_attribute.weights.h5"), ("leaf_options", "train")]


@pytest.mark.parametrize(("name", "file"), [*ADAMS, ("leaf_fixed", ""), ("sincnet_plus", "")])
def test_adam_goes_on(name: str, file: str, tmp_path: Path) -> None:
    h5 = "h5" in file  # which does not tell the kind, nor the learning rate
    options: dict[str, Any] = {"optimizer": "adam"} if h5 else {}
    made = converted(name, tmp_path / "made", "" if file == "checkpoint" else file, **options)
    model = load(tmp_path / "made").train()
    optimizer = adam.restore(tmp_path / "made", model, lr=0.01 if h5 else None)
    source = open_source(RECORDINGS / name / ("" if file == "checkpoint" else file))
    slots, rows = adam.moments(source), {row.key: row for row in made.rows}
    named = {name: each for name, each in model.named_parameters() if each.requires_grad}
    assert {rows[key].path for key in named} == slots.keys()
    for key, parameter in named.items():
        state, (first, second) = optimizer.state[parameter], slots[rows[key].path]
        assert state["step"] == 4  # two epochs of two steps
        for ours, theirs in (("exp_avg", first), ("exp_avg_sq", second)):
            got = rows[key].to_official(state[ours])
            np.testing.assert_array_equal(got, source.reader.tensor(theirs), strict=True)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    before = [each.detach().clone() for each in named.values()]
    model(torch.from_numpy(clips(**manifest(name)["probe"]))).square().sum().backward()
    optimizer.step()
    assert all((a != b).any() for a, b in zip(before, named.values(), strict=True))


def test_names_and_order_give_the_same_slots() -> None:
    by_name = open_source(RECORDINGS / "leaf")
    by_order = open_source(RECORDINGS / "leaf" / "by_attribute.weights.h5")
    named, ordered = adam.moments(by_name), adam.moments(by_order)
    assert named.keys() == ordered.keys()
    for path, keys in named.items():
        for theirs, ours in zip(keys, ordered[path], strict=True):
            np.testing.assert_array_equal(
                by_name.reader.tensor(theirs), by_order.reader.tensor(ours)
            )


def _by_class(name: str) -> str:
    """A name of Keras 2.13 in the later layout, by classes."""
    classes = {"_complex_conv": "gabor_conv1d", "_pooling": "gaussian_lowpass"}
    classes |= {"_compress_fn": "pcen_layer", "_frontend": "leaf", "_encoder": "conv_net"}
    classes |= {"_head": "dense", "conv2d_2": "conv2d_1", "conv_block_2": "conv_block_1"}
    classes |= {"batch_normalization_2": "batch_normalization_1"}
    classes |= {"_activation": "squared_modulus"}
    if name.startswith("_pool"):
        classes["_pool"] = "sequential"
    made = []
    for part in name.split("/"):
        if part == "_layer_checkpoint_dependencies":
            continue
        own = ("vars", "ema", "optimizer", "metrics") if "_pool" in classes else ()
        own = own or ("vars", "ema", "optimizer", "metrics", "_pool")
        is_layer = part not in own and not part.isdigit()
        made += ["layers", classes.get(part, part)] if is_layer else [part]
    return "/".join(made)


def test_the_layout_of_later_versions(tmp_path: Path) -> None:
    """tf-keras 2.21 names groups after classes and counts by ones."""
    old = RECORDINGS / "leaf" / "by_attribute.weights.h5"
    with h5py.File(old, "r") as source, h5py.File(tmp_path / "x.weights.h5", "w") as target:

        def copy(name: str, item: object) -> None:
            if name.startswith("metrics"):
                return
            if isinstance(item, h5py.Dataset):
                target.create_dataset(_by_class(name), data=item[()])
            else:
                target.require_group(_by_class(name))

        source.visititems(copy)
    convert(tmp_path / "x.weights.h5", tmp_path / "new", settings("leaf"))
    converted("leaf", tmp_path / "old")
    new, plain = (load_file(tmp_path / each / "model.safetensors") for each in ("new", "old"))
    assert new.keys() == plain.keys()
    assert all(np.array_equal(new[key], plain[key]) for key in new)
