"""Classifiers with Keras' EfficientNetB0, written by TensorFlow when the tests run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from leaf_port import AudioClassifier, LeafError
from parity.oracles import official
from weight_conversion.official.convert import convert
from weight_conversion.official.settings import Settings
from weight_conversion.reference import worker

SCRIPT = Path(__file__).parents[1] / "support" / "_live_efficientnet.py"
# A weight in another place moves the logits by all of themselves; float32 by far less than this.
RELATIVE = 1e-3


@pytest.fixture(scope="module")
def made(live_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    python = [os.environ[official.PYTHON], "-I"]  # nothing of the folder that the user is in
    files = [os.environ[official.CHECKOUT], str(worker.__file__), str(folder)]
    command = [*python, str(SCRIPT), *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def settings() -> Settings:
    given = {"frontend": "mel", "n_filters": 40, "input_shape": "any"}
    return Settings(given, defaults=True)


@pytest.mark.parametrize(
    ("form", "answers"),
    [
        ("object", "logits"),
        ("x.h5", "logits"),
        ("x.weights.h5", "logits"),
        ("adapted.weights.h5", "adapted"),
    ],
)
def test_the_converted_model_answers_as_the_official_one(
    form: str, answers: str, made: Path, tmp_path: Path
) -> None:
    convert(made / form, tmp_path / "made", settings())
    model = AudioClassifier.from_pretrained(tmp_path / "made")
    with np.load(made / "answers.npz") as given, torch.no_grad():
        logits = model(torch.from_numpy(given["clips"])).numpy()
        off = np.abs(logits - given[answers]).max() / np.abs(given[answers]).max()
    assert off < RELATIVE


def test_statistics_that_the_official_loading_leaves_out_are_refused(
    made: Path, tmp_path: Path
) -> None:
    with pytest.raises(LeafError, match=r"mean 0 and variance 1.*weights\.h5"):
        convert(made / "adapted", tmp_path / "made", settings())
