"""The table of weights: each has its row, and what it gives is the caller's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from leaf_port import (
    PCEN,
    AudioClassifier,
    ConvNet,
    EfficientNetB0,
    Leaf,
    LeafError,
    TimeDomainFilterbanks,
    WaveGram,
)
from weight_conversion.official.mapping import Row, match, official_weights, table


def test_official_weights_stay_as_they_were_when_training_goes_on() -> None:
    model = AudioClassifier(3, Leaf(n_filters=4), ConvNet([4]))
    kept = official_weights(model)
    before = {path: value.copy() for path, value in kept.items()}
    with torch.no_grad():
        for weight in model.state_dict().values():
            weight.add_(1.0)
    for path, value in kept.items():
        np.testing.assert_array_equal(value, before[path], strict=True)


def test_changing_official_weights_leaves_the_model_alone() -> None:
    model = Leaf(n_filters=4)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for value in official_weights(model).values():
        value += 1.0
    for key, after in model.state_dict().items():
        assert torch.equal(after, before[key])


STEP = "layer_with_weights-"
BATCH = ("gamma", "beta", "moving_mean", "moving_variance")


def test_each_weight_has_its_row() -> None:
    model = AudioClassifier(3, Leaf(n_filters=4), ConvNet([4]))
    conv = ((3, 2, 0, 1), (3, 1, 1, 4)), ((3, 2, 0, 1), (1, 3, 4, 4))
    expected = [
        Row("_frontend/_complex_conv/kernel", "frontend.complex_conv.kernel", None, (4, 2)),
        Row("_frontend/_pooling/kernel", "frontend.pooling.kernel", None, (1, 1, 4, 1)),
        *(
            Row(f"_frontend/_compress_fn/{n}", f"frontend.compress_fn.{n}", None, (4,))
            for n in ("alpha", "delta", "root")
        ),
        Row("_frontend/_compress_fn/ema/smooth", "frontend.compress_fn.ema.smooth", None, (4,)),
    ]
    for i in (0, 1):
        above = f"_encoder/{STEP}0/{STEP}"
        expected += [
            Row(f"{above}{2 * i}/kernel", f"encoder.0.{3 * i}.weight", *conv[i]),
            Row(f"{above}{2 * i}/bias", f"encoder.0.{3 * i}.bias", None, (4,)),
            *(
                Row(f"{above}{2 * i + 1}/{n}", f"encoder.0.{3 * i + 2}.{n}", None, (4,))
                for n in BATCH
            ),
        ]
    expected += [
        Row("_head/kernel", "head.weight", (1, 0), (4, 3)),
        Row("_head/bias", "head.bias", None, (3,)),
    ]
    assert table(model) == expected


@pytest.mark.parametrize(
    ("module", "name", "axes", "shape"),
    [
        (nn.Conv1d(2, 3, 5, bias=False), "kernel", (2, 1, 0), (5, 2, 3)),
        (nn.Conv2d(2, 4, (5, 7), bias=False), "kernel", (3, 2, 0, 1), (5, 7, 2, 4)),
        (nn.Linear(2, 3, bias=False), "kernel", (1, 0), (2, 3)),
        (
            nn.Conv2d(4, 4, (5, 7), groups=4, bias=False),
            "depthwise_kernel",
            (2, 3, 0, 1),
            (5, 7, 4, 1),
        ),
        (nn.PReLU(2), "weight", None, (2,)),
    ],
)
def test_each_kind_of_kernel_has_its_axes(
    module: nn.Module, name: str, axes: tuple[int, ...] | None, shape: tuple[int, ...]
) -> None:
    """There and back the bits stay, each at its place, in memory of their own and in C order."""
    model = AudioClassifier(3, None, ConvNet([4]))
    model.encoder = nn.Sequential(nn.ReLU(), module)
    row = table(model)[0]
    assert row == Row(f"_encoder/layer_with_weights-0/{name}", "encoder.1.weight", axes, shape)
    value = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    tensor = row.to_torch(value)
    assert tensor.shape == module.state_dict()["weight"].shape
    assert tensor.is_contiguous()
    assert not np.shares_memory(tensor.numpy(), value)
    back = row.to_official(tensor)
    np.testing.assert_array_equal(back, value, strict=True)
    assert back.flags.c_contiguous
    assert not np.shares_memory(back, tensor.numpy())


class Elsewhere:
    """A tensor of another device, which NumPy cannot read there."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.cpu = lambda: tensor

    def detach(self) -> Elsewhere:
        return self

    def numpy(self) -> None:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


def test_a_tensor_of_another_device_becomes_an_array() -> None:
    value: Any = Elsewhere(torch.tensor([1.0, 2.0]))
    assert Row("a", "a", None, (2,)).to_official(value).tolist() == [1.0, 2.0]


def test_a_parameter_becomes_an_array() -> None:
    model = Leaf(n_filters=4)
    row = table(model)[0]
    (kernel,) = model.complex_conv.parameters()
    np.testing.assert_array_equal(row.to_official(kernel), kernel.detach().numpy(), strict=True)


def test_paths_that_are_longer_in_the_official_code() -> None:
    paths = {row.key: row.path for row in table(TimeDomainFilterbanks(n_filters=4))}
    assert paths["pooling.kernel"] == "_pooling/pool/kernel"
    fixed = Leaf(n_filters=4, compression_fn=PCEN(4, learn_smooth_coef=False))
    found = {row.key: row.path for row in table(fixed)}
    assert found["compress_fn.ema.kernel"] == "_compress_fn/ema/cell/kernel"
    assert found["compress_fn.ema.recurrent_kernel"] == "_compress_fn/ema/cell/recurrent_kernel"


def test_a_classifier_of_a_head_alone() -> None:
    model = AudioClassifier(3, None, ConvNet([4]))
    model.encoder = None
    assert [row.path for row in table(model)] == ["_head/kernel", "_head/bias"]


ROWS = [Row("a/kernel", "a", None, (2, 3)), Row("b/kernel", "b", None, (2,))]
FOUND = {"a/kernel": ("float32", (2, 3)), "b/kernel": ("float32", (2,))}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"b/kernel": None}, "missing: b/kernel"),
        ({"c": ("float32", ())}, "unexpected: c"),
        ({"b/kernel": ("float32", (3,))}, "of another shape: b/kernel (3,) for (2,)"),
        ({"b/kernel": ("float64", (2,))}, "not float32: b/kernel float64"),
        (
            {"a/kernel": ("float64", (3, 2)), "b/kernel": ("int32", ())},
            "of another shape: a/kernel (3, 2) for (2, 3), b/kernel () for (2,); "
            "not float32: a/kernel float64, b/kernel int32",
        ),
    ],
)
def test_weights_of_another_model_are_refused(change: dict[str, Any], told: str) -> None:
    match(ROWS, FOUND, "the source", "Leaf")
    found = {path: each for path, each in (FOUND | change).items() if each is not None}
    with pytest.raises(LeafError) as caught:
        match(ROWS, found, "the source", "Leaf")
    fix = "check --frontend, --sample-rate, --window-len and the other arguments of the model"
    error = caught.value
    assert (error.owner, error.argument) == ("convert", "the source")
    assert (error.expected, error.got, error.fix) == ("the weights of Leaf", told, fix)


def paths_of(encoder: nn.Module) -> dict[str, str]:
    """The path of each kernel and of each weight that is alone, by its key."""
    rows = table(AudioClassifier(3, None, encoder))
    found = {row.key.removeprefix("encoder."): row.path.removeprefix("_encoder/") for row in rows}
    return {key: path for key, path in found.items() if key.rpartition(".")[2] not in BATCH}


def test_parts_of_a_wavegram_have_names_of_their_own() -> None:
    """Only members of a Sequential are numbered."""
    blocks = {
        f"pre_blocks.{i}.{3 * j}.weight": f"pre_blocks/{STEP}{i}/{STEP}{2 * j}/kernel"
        for i in range(3)
        for j in range(2)
    }
    last = {f"last_block.{3 * j}.weight": f"last_block/{STEP}{2 * j}/kernel" for j in range(2)}
    assert paths_of(WaveGram()) == {
        "pre_conv0.weight": "pre_conv0/kernel",
        **blocks,
        **last,
        "head.weight": "_head/kernel",
        "head.bias": "_head/bias",
    }


def test_layers_of_efficientnet_are_one_flat_list() -> None:
    names = ["normalization", "stem_conv", "stem_bn", "block1a.dwconv", "block1a.bn"]
    names += ["block1a.se_reduce", "block1a.se_expand", "block1a.project_conv"]
    names += ["block1a.project_bn", "top_conv", "top_bn"]
    own = {
        **{"normalization": ["mean", "variance"], "block1a.dwconv": ["depthwise_kernel"]},
        **{f"block1a.se_{each}": ["kernel", "bias"] for each in ("reduce", "expand")},
        **{each: ["kernel"] for each in ("stem_conv", "block1a.project_conv", "top_conv")},
    }
    spelled = {"depthwise_kernel": "weight", "kernel": "weight"}
    assert paths_of(EfficientNetB0(1, blocks_args=[[3, 1, 8, 1, 1]])) == {
        **{
            f"{name}.{spelled.get(weight, weight)}": f"{STEP}{i}/{weight}"
            for i, name in enumerate(names)
            for weight in own.get(name, [])
        },
        "head.weight": "_head/kernel",
        "head.bias": "_head/bias",
    }
