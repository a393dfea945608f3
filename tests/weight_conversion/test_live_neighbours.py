"""What people have beside the recorded checkpoints, written by TensorFlow when the tests run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _conversion import settings
from _next_step import Step

from leaf_port import AudioClassifier, Leaf, LeafError
from leaf_port.optim import KerasAdam
from parity.oracles import official
from weight_conversion.official import adam
from weight_conversion.official.convert import Converted, convert
from weight_conversion.official.mapping import official_weights
from weight_conversion.reference import worker

SCRIPT = Path(__file__).parents[1] / "support" / "_live_neighbours.py"


@pytest.fixture(scope="module")
def made(live_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, each in a folder."""
    folder = tmp_path_factory.mktemp("live")
    python = [os.environ[official.PYTHON], "-I"]  # nothing of the folder that the user is in
    files = [os.environ[official.CHECKOUT], str(worker.__file__), str(folder)]
    command = [*python, str(SCRIPT), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def converted(source: Path, tmp_path: Path, **options: Any) -> Converted:
    return convert(source, tmp_path / "made", settings("leaf"), **options)


# Optimisers


@pytest.mark.parametrize(
    ("name", "kind", "given"),
    [
        ("adam", None, {}),
        ("legacy_adam", None, {}),
        ("adam_betas", None, {"betas": (0.8, 0.99)}),
        ("adam_decay", None, {"weight_decay": 0.1}),
        ("adamw", None, {"weight_decay": 0.1}),
        ("adam_own_name", "adam", {}),
        ("adamw_own_name", "adamw", {"weight_decay": 0.1}),
        ("adam_ema", None, {}),
        ("adam_amsgrad", None, {}),
        ("legacy_adam_amsgrad", None, {}),
    ],
)
def test_the_next_step_is_that_of_keras(
    name: str, kind: str | None, given: dict[str, Any], made: Path, tmp_path: Path
) -> None:
    with np.load(made / name / "step.npz") as recorded:
        step = Step(made / name, recorded, tmp_path / "made", kind=kind, **given)
    assert step.beyond() == set()
    assert (len(step.weights), step.t) == (24, 3)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("adam_betas", {}),
        ("adam_decay", {}),
        ("adamw", {"weight_decay": 0.0}),
        ("adam", {"weight_decay": 0.1}),
    ],
)
def test_other_numbers_are_another_step(
    name: str, given: dict[str, Any], made: Path, tmp_path: Path
) -> None:
    with np.load(made / name / "step.npz") as recorded:
        assert Step(made / name, recorded, tmp_path / "made", **given).beyond()


@pytest.mark.parametrize("name", ["adam_amsgrad", "legacy_adam_amsgrad"])
def test_amsgrad_is_not_plain_adam(
    name: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adam, "KerasAdam", lambda *args, amsgrad: KerasAdam(*args))
    with np.load(made / name / "step.npz") as recorded:
        assert Step(made / name, recorded, tmp_path / "made").beyond()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("adam_schedule", "the schedule of the learning rate"),
        ("adam_ema", "moving averages"),
        ("adam_scaled", "the scale of the loss"),
        ("adam_clipping", ""),
    ],
)
def test_what_is_around_adam_is_named(name: str, told: str, made: Path, tmp_path: Path) -> None:
    found = converted(made / name, tmp_path)
    assert (found.optimizer, found.moments) == ("Adam", 24)
    assert len(found.left_out) == (1 if told else 0)
    assert told in " ".join(found.left_out)


OTHERS = {
    "sgd": "SGD",
    "sgd_momentum": "SGD",
    "legacy_sgd_momentum": "SGD",
    "rmsprop": "RMSprop",
    "rmsprop_centered": "RMSprop",
    "legacy_rmsprop": "RMSprop",
    "lion": "Lion",
    "adafactor": "Adafactor",
    **{
        f"{old}{kind.lower()}": kind
        for kind in ("Nadam", "Adamax", "Adadelta", "Adagrad", "Ftrl")
        for old in ("", "legacy_")
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_optimiser_is_left_out_by_name(name: str, made: Path, tmp_path: Path) -> None:
    found = converted(made / name, tmp_path)
    assert (found.optimizer, found.moments) == (None, 0)
    assert found.left_out == (f"the optimiser, {OTHERS[name]}: only plain Adam and AdamW are",)
    for asked in ("adam", "adamw"):
        with pytest.raises(LeafError, match=OTHERS[name]):
            converted(made / name, tmp_path, optimizer=asked, force=True)


@pytest.mark.parametrize("name", ["adam_own_name", "adamw_own_name"])
def test_a_name_of_ones_own_is_asked_for(name: str, made: Path, tmp_path: Path) -> None:
    found = converted(made / name, tmp_path)
    assert (found.optimizer, found.moments) == (None, 0)
    assert "does not say which it is" in found.left_out[0]


# Architectures

FILES = ["object", "saved/weights", "w.weights.h5", "w.h5"]
MODELS = ["sequential_max", "sequential_average", "own"]


@pytest.mark.parametrize("file", FILES)
def test_a_model_without_a_frontend_is_refused(file: str, made: Path, tmp_path: Path) -> None:
    with pytest.raises(LeafError, match="the weights of an official AudioClassifier or frontend"):
        converted(made / "no_leaf" / file, tmp_path)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", MODELS)
def test_the_frontend_in_somebodys_model_is_offered(
    name: str, file: str, made: Path, tmp_path: Path
) -> None:
    source = made / name / file
    with pytest.raises(LeafError, match=r"\(frontend\) in something else") as caught:
        converted(source, tmp_path)
    offered = caught.value.fix.partition("--object ")[2].split()[0]
    assert converted(source, tmp_path, wanted=offered).kind == "Leaf"
    _check(Leaf.from_pretrained(tmp_path / "made"), made / name)


def _check(leaf: Leaf, folder: Path) -> None:
    """The weights are those that TensorFlow had, bit by bit."""
    ours = official_weights(leaf)
    with np.load(folder / "weights.npz") as theirs:
        assert set(ours) == set(theirs)
        for path in ours:
            assert ours[path].tobytes() == theirs[path].tobytes()


# Names


@pytest.mark.parametrize(
    ("name", "found", "optimizer", "left_out"),
    [
        ("net_opt", "net", "Adam", ()),
        ("step_epoch", "model", "Adam", ("epoch", "step")),
        ("second_network", "model", None, ("discriminator",)),
        ("nested", "train/model", "Adam", ()),
    ],
)
def test_a_model_under_any_name(
    name: str,
    found: str,
    optimizer: str | None,
    left_out: tuple[str, ...],
    made: Path,
    tmp_path: Path,
) -> None:
    told = converted(made / "names" / name, tmp_path)
    assert (told.object, told.optimizer, told.left_out) == (found, optimizer, left_out)
    model = AudioClassifier.from_pretrained(tmp_path / "made")
    assert isinstance(model.frontend, Leaf)
    _check(model.frontend, made / "names")


def test_a_frontend_alone(made: Path, tmp_path: Path) -> None:
    assert converted(made / "names" / "frontend", tmp_path).kind == "Leaf"
    _check(Leaf.from_pretrained(tmp_path / "made"), made / "names")


def test_two_models_are_listed(made: Path, tmp_path: Path) -> None:
    source = made / "names" / "two_models"
    with pytest.raises(LeafError, match=r"--object average .*--object model"):
        converted(source, tmp_path)
    assert converted(source, tmp_path, wanted="model").left_out == ("average",)
    model = AudioClassifier.from_pretrained(tmp_path / "made")
    assert isinstance(model.frontend, Leaf)
    _check(model.frontend, made / "names")
