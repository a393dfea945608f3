"""WaveGram in the ``.weights.h5`` layouts of Keras 2.13 and of tf-keras 2.21.

A recorded file would be 1.3 MB each. The recorded checkpoint's weights are written here under the
names that the official ``model.save_weights`` gave in either version.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from _conversion import converted
from safetensors.numpy import load_file

from weight_conversion.official.opening import open_source
from weight_conversion.reference.record import RECORDINGS

_ARRAYS = {"kernel": 0, "bias": 1, "gamma": 0, "beta": 1, "moving_mean": 2, "moving_variance": 3}
_MEMBER = re.compile(r"layer_with_weights-(\d)")


def _keras_2_13(path: str) -> str:
    """Attributes for the encoder's own members but those in a list of layers; counts by twos."""
    *parts, array = path.split("/")
    depends = "/_layer_checkpoint_dependencies/"
    if parts == ["_head"]:
        return f"_head/vars/{_ARRAYS[array]}"
    if parts[1] in ("pre_conv0", "pre_bn0"):
        kind = {"pre_conv0": "conv1d", "pre_bn0": "batch_normalization"}[parts[1]]
        return f"_encoder/layers/{kind}/vars/{_ARRAYS[array]}"
    if parts[1] == "last_block":
        return f"_encoder/last_block{depends}{_member(parts[2], 'conv2d', 2)}/vars/{_ARRAYS[array]}"
    block = _counted("pann_wav_block", 2 * _number(parts[2]))
    member = _member(parts[3], "conv1d", 2)
    return f"_encoder/layers/sequential{depends}{block}{depends}{member}/vars/{_ARRAYS[array]}"


def _keras_2_21(path: str) -> str:
    """Attributes only where they are no list of layers; classes; counts by ones."""
    *parts, array = path.split("/")
    if parts == ["_head"]:
        return f"layers/dense/vars/{_ARRAYS[array]}"
    top = "layers/wave_gram"
    if parts[1] in ("pre_conv0", "pre_bn0"):
        return f"{top}/{parts[1]}/vars/{_ARRAYS[array]}"
    if parts[1] == "last_block":
        member = _member(parts[2], "conv2d", 1)
        return f"{top}/layers/pann_conv_block/layers/{member}/vars/{_ARRAYS[array]}"
    block, member = _counted("pann_wav_block", _number(parts[2])), _member(parts[3], "conv1d", 1)
    return f"{top}/pre_blocks/layers/{block}/layers/{member}/vars/{_ARRAYS[array]}"


def _number(part: str) -> int:
    found = _MEMBER.fullmatch(part)
    assert found
    return int(found[1])


def _member(part: str, convolution: str, step: int) -> str:
    """Convolutions and normalisations in turns: the second of either has a number."""
    number = _number(part)
    kind = "batch_normalization" if number % 2 else convolution
    return _counted(kind, number // 2 * step)


def _counted(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _weightless(named: Callable[[str], str]) -> list[str]:
    """The groups of the layers without weights, which are listed too."""
    blocks = {f"pre_blocks/layer_with_weights-{i}": "max_pooling1d" for i in range(3)}
    blocks["last_block"] = "average_pooling2d"
    made = []
    for block, pooling in blocks.items():
        key = named(f"_encoder/{block}/layer_with_weights-0/kernel")
        above = key.rpartition("/vars/")[0].rpartition("/")[0]
        made += [f"{above}/{name}/vars" for name in ("re_lu", "re_lu_1", pooling)]
    head = named("_head/kernel").rpartition("/vars/")[0]
    pool = "_pool/_layer_checkpoint_dependencies" if head == "_head" else "layers/sequential/layers"
    return made + [f"{pool}/{name}/vars" for name in ("flatten", "global_max_pooling2d")]


@pytest.mark.parametrize("named", [_keras_2_13, _keras_2_21])
def test_the_weights_find_their_places(named: Callable[[str], str], tmp_path: Path) -> None:
    source = open_source(RECORDINGS / "wavegram")
    file = tmp_path / "x.weights.h5"
    with h5py.File(file, "w") as target:
        for path in source.keys:
            target[named(path)] = source.tensor(path)
        for group in _weightless(named):
            target.create_group(group)
    converted("wavegram", tmp_path / "new", source=file)
    converted("wavegram", tmp_path / "old")
    new, old = (load_file(tmp_path / each / "model.safetensors") for each in ("new", "old"))
    assert new.keys() == old.keys()
    assert all(new[key].tobytes() == old[key].tobytes() for key in new)
