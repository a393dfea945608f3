"""The ``.gin`` files of the official training, parsed and not executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaf_port import LeafError
from weight_conversion.formats.gin import Reference, parse
from weight_conversion.official.detect import detect
from weight_conversion.official.opening import open_source
from weight_conversion.official.settings import Settings
from weight_conversion.reference.record import RECORDINGS

COMMON = """
# -*-Python-*-
import leaf_audio.frontend
from leaf_audio import models
train.workdir = '/a#b/'  # a comment
data.prepare.transform_fns = [@data.align, @data.loudness_normalization]
AudioClassifier.encoder = @ConvNet()
ConvNet.filters = [
    4,
    5,  # the second
]
ConvBlock.activation = 'relu'
ConvBlock.dropout = 0.1
"""
LEAF = """
include 'example/configs/common.gin'
AudioClassifier.frontend = @leaf_audio.frontend.Leaf()
rate = 8000
same = %rate
Leaf.sample_rate = %same
Leaf.activation = @SquaredModulus()
Leaf.compression_fn = @PCENLayer()
pooling/tf.keras.initializers.Constant.value = 0.4
PCENLayer.floor = 1e-9
"""


@pytest.fixture
def leaf(tmp_path: Path) -> Path:
    """Files in the official layout: includes are named from the root of the checkout."""
    configs = tmp_path / "example" / "configs"
    configs.mkdir(parents=True)
    (configs / "common.gin").write_text(COMMON)
    (configs / "leaf.gin").write_text(LEAF)
    return configs / "leaf.gin"


def changed(leaf: Path, text: str) -> Path:
    leaf.write_text(f"{LEAF}\n{text}\n")
    return leaf


def test_bindings_macros_includes_and_references(leaf: Path) -> None:
    found = parse(leaf)
    assert found["Leaf.sample_rate"] == 8000
    assert found["AudioClassifier.frontend"] == Reference("Leaf")
    assert found["ConvNet.filters"] == [4, 5]
    assert found["train.workdir"] == "/a#b/"
    assert found["pooling/tf.keras.initializers.Constant.value"] == 0.4


def test_brackets_inside_text_lose_no_binding(leaf: Path) -> None:
    found = parse(changed(leaf, "train.workdir = '/a(b'\nLeaf.n_filters = 7"))
    assert (found["train.workdir"], found["Leaf.n_filters"]) == ("/a(b", 7)


def test_macros_inside_lists(leaf: Path) -> None:
    assert parse(changed(leaf, "ConvNet.filters = [%rate, 2]"))["ConvNet.filters"] == [8000, 2]


def test_later_bindings_win(leaf: Path) -> None:
    assert parse(changed(leaf, "ConvBlock.dropout = 0.5"))["ConvBlock.dropout"] == 0.5


def test_the_model_of_a_checkpoint(leaf: Path) -> None:
    """What is bound holds, arguments come before it, and the rest are the official defaults."""
    source = open_source(RECORDINGS / "leaf")

    def found(**given: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = detect(source, Settings(given, leaf), frozenset())["arguments"]
        return arguments

    frontend = found()["frontend"]["arguments"]
    assert frontend["sample_rate"] == 8000
    assert frontend["window_len"] == 25.0
    assert frontend["compression_fn"]["arguments"]["floor"] == 1e-9
    assert found()["encoder"]["arguments"]["dropout"] == 0.1
    assert found(sample_rate=4000)["frontend"]["arguments"]["sample_rate"] == 4000


def test_parameters_of_leaf_hold_for_the_frontends_made_from_it(leaf: Path) -> None:
    text = "AudioClassifier.frontend = @SincNet()\nSincNet.window_len = 20.0"
    made = Settings(gin_file=changed(leaf, text))
    assert [made.need(each, "") for each in ("sample_rate", "window_len")] == [8000, 20.0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("include 'gone.gin'", "gone.gin"),
        ("include 'leaf.gin'", "circle"),
        ("Leaf.n_filters = %nothing", "%nothing"),
        ("x = %y\ny = %x", "macro"),
        ("Leaf.n_filters 40", "name.parameter = value"),
        ("Leaf.sample_rate = __import__('os').getcwd()", "(line 12)"),
        ("Leaf.activation = @Relu()", "Leaf.activation"),
        ("Leaf.compression_fn = @Cube()", "compression_fn"),
        ("AudioClassifier.frontend = @Wav2Vec()", "AudioClassifier.frontend"),
    ],
)
def test_what_is_wrong_is_told(leaf: Path, text: str, told: str) -> None:
    with pytest.raises(LeafError) as caught:
        Settings(gin_file=changed(leaf, text))
    assert told in str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(LeafError, match=r"gone\.gin"):
        Settings(gin_file=tmp_path / "gone.gin")
    (tmp_path / "binary.gin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LeafError, match=r"binary\.gin"):
        Settings(gin_file=tmp_path / "binary.gin")
