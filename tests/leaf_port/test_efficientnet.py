"""EfficientNet-B0 beside what Keras and timm say of theirs; its numbers: parity/layers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from leaf_port.efficientnet import (
    BLOCKS,
    Convolution,
    EfficientNetB0,
    load_timm,
    timm_names,
    to_timm,
)
from leaf_port.errors import LeafError
from leaf_port.training.recipe import Recipe, build

SMALL = ((3, 2, 8, 2, 2),)


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 100


def randomised(encoder: EfficientNetB0) -> EfficientNetB0:
    """With statistics that do not make the answer vanish."""
    generator = torch.Generator().manual_seed(1)
    for name, each in encoder.named_buffers():
        if name.endswith("moving_variance"):
            each.uniform_(0.01, 0.1, generator=generator)
    return encoder.eval()


def test_it_has_the_weights_of_b0() -> None:
    """Keras counts 4,049,571 in its model of 3 channels, one of them an integer."""
    with torch.device("meta"):
        encoder = EfficientNetB0(3)
    assert sum(each.numel() for each in encoder.state_dict().values()) == 4_049_571 - 1
    assert sum(each.numel() for each in encoder.parameters()) == 4_007_548


@pytest.mark.parametrize(
    ("given", "size", "made"),
    [(None, (12, 10), (3, 2)), (None, (15, 11), (3, 2)), ((33, 39), (33, 39), (9, 10))],
)
def test_sizes(given: Any, size: tuple[int, int], made: tuple[int, int]) -> None:
    encoder = EfficientNetB0(input_shape=given, blocks_args=SMALL).eval()
    assert encoder(maps(2, 1, *size)).shape == (2, 1280, *made)


def test_a_known_size_counts_where_it_is_odd() -> None:
    """Elsewhere both paddings are one."""
    for size, same in (((64, 32), True), ((33, 32), False), ((32, 37), False)):
        answers = []
        for shape in (None, size):
            torch.manual_seed(0)
            encoder = randomised(EfficientNetB0(input_shape=shape, blocks_args=SMALL))
            found = encoder(maps(1, 1, *size))
            answers.append(found[..., : size[0] // 4, : size[1] // 4])
        assert torch.allclose(*answers) is same


def test_one_channel_is_repeated() -> None:
    encoder = randomised(EfficientNetB0(3, blocks_args=SMALL))
    x = maps(2, 1, 12, 10)
    torch.testing.assert_close(encoder(x), encoder(x.expand(-1, 3, -1, -1)))


def test_constants_normalise_the_input() -> None:
    """Before the first convolution, by their square root and in the scale of pixels."""
    encoder = EfficientNetB0(2, blocks_args=SMALL)
    encoder.normalization.mean.copy_(torch.tensor([0.5, -1.0]))
    encoder.normalization.variance.copy_(torch.tensor([4.0, 0.0]))
    found = encoder.normalization(torch.full((1, 2, 1, 1), 255.0))
    torch.testing.assert_close(found.flatten(), torch.tensor([0.25, 2.0 / 1e-7]))


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (maps(1, 2, 12, 10), "1"),
        (maps(1, 1, 3, 10), "at least 4 frames and 4 filters"),
        (maps(1, 12, 10), "channels"),
    ],
)
def test_other_inputs_are_refused(x: torch.Tensor, told: str) -> None:
    with pytest.raises(LeafError, match=told):
        EfficientNetB0(blocks_args=SMALL)(x)


def test_another_size_than_the_given_one_is_refused() -> None:
    with pytest.raises(LeafError, match="EfficientNetB0"):
        EfficientNetB0(input_shape=(40, 40), blocks_args=SMALL)(maps(1, 1, 41, 40))


@pytest.mark.parametrize(("depthwise", "fan_out"), [(False, 9 * 256), (True, 9)])
def test_initial_kernels(depthwise: bool, fan_out: int) -> None:
    """VarianceScaling(2, "fan_out", "truncated_normal"): cut off at two deviations."""
    torch.manual_seed(0)
    layer = Convolution(256, 256, 3, depthwise=depthwise, bias=True)
    deviation, values = math.sqrt(2.0 / fan_out), layer.weight.detach()
    assert values.std().item() == pytest.approx(deviation, rel=0.05)
    greatest = values.abs().max().item() / (2.0 * deviation / 0.87962566103423978)
    assert 0.95 < greatest <= 1.0 + 1e-6
    assert layer.bias is not None
    assert not layer.bias.any()


def test_whole_blocks_are_dropped_in_training() -> None:
    """For a share of the clips that grows with the depth; the others are scaled."""
    encoder = EfficientNetB0(drop_connect_rate=0.32)
    rates = [block.drop_rate for block in encoder.blocks()]
    assert rates == pytest.approx([0.02 * i for i in range(16)])
    assert [block.skips for block in encoder.blocks()].count(True) == 9
    block = next(block for block in encoder.blocks() if block.skips)
    block.drop_rate = 0.25
    torch.manual_seed(0)
    x = torch.ones(4000, 2, 3, 1)
    found = block._dropped(x)
    assert found.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert (found == found[:, :1, :1, :1]).all()
    assert (found[:, 0, 0, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert block.eval()._dropped(x) is x


def test_the_recipe_takes_it() -> None:
    encoder = build(Recipe(encoder="efficientnet_b0", dropout=0.3), 3).encoder
    assert isinstance(encoder, EfficientNetB0)
    assert (encoder.drop_connect_rate, encoder.input_shape) == (0.3, None)
    assert encoder.blocks_args == BLOCKS


def test_timm_names_are_told_apart() -> None:
    encoder = EfficientNetB0(blocks_args=SMALL)
    names = timm_names(encoder)
    assert len({*names.values()}) == len(names) == len(encoder.state_dict()) - 2
    assert names["block1a.se_reduce.bias"] == "blocks.0.0.se.conv_reduce.bias"
    assert names["block1b.project_bn.moving_variance"] == "blocks.0.1.bn3.running_var"


def test_a_state_goes_to_timm_and_back() -> None:
    first, second = (EfficientNetB0(blocks_args=SMALL) for _ in range(2))
    load_timm(second, to_timm(randomised(first)))
    state = second.state_dict()
    assert all(torch.equal(state[key], each) for key, each in first.state_dict().items())
    state = to_timm(first)
    del state["conv_stem.weight"]
    with pytest.raises(LeafError, match=r"conv_stem\.weight"):
        load_timm(second, state)


def test_timms_model_computes_the_same() -> None:
    try:
        import timm
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"needs timm: pip install leaf-port[timm] ({type(error).__name__})")
    torch.manual_seed(0)
    encoder = randomised(EfficientNetB0(input_shape=(47, 41))).double()
    model = timm.create_model("tf_efficientnet_b0", in_chans=1, num_classes=0).double().eval()
    model.load_state_dict(to_timm(encoder))
    x = maps(2, 1, 47, 41).double()
    with torch.no_grad():
        theirs = model.forward_features(encoder.normalization(x))
        torch.testing.assert_close(encoder(x), theirs, rtol=1e-9, atol=1e-12)
    again = EfficientNetB0(input_shape=(47, 41)).double()
    load_timm(again, model.state_dict())
    assert all(torch.equal(each, encoder.state_dict()[k]) for k, each in again.state_dict().items())
