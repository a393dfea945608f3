"""What no recorded answer shows of EfficientNet: its stages, first kernels, dropped clips."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port.efficientnet import Block, Convolution, EfficientNetB0, InputNormalization

# One in 1e8 of all seeds misses a bound. Those of means are Hoeffding's inequality.
_MISS = 1e-8
_CUT = 2.0
_DENSITY = math.exp(-0.5 * _CUT**2) / math.sqrt(2.0 * math.pi)
_SHARE = math.erf(_CUT / math.sqrt(2.0))
# Of a normal distribution of deviation 1 that is cut off at two: Keras divides by its root.
_VARIANCE = 1.0 - 2.0 * _CUT * _DENSITY / _SHARE

# Table 1 of https://arxiv.org/abs/1905.11946: operator, channels, layers. The first layer of a
# stage has the stride: 2 where the table's next resolution is half of the stage's.
_TABLE = (
    ("MBConv1, k3x3", 16, 1, 1),
    ("MBConv6, k3x3", 24, 2, 2),
    ("MBConv6, k5x5", 40, 2, 2),
    ("MBConv6, k3x3", 80, 3, 2),
    ("MBConv6, k5x5", 112, 3, 1),
    ("MBConv6, k5x5", 192, 4, 2),
    ("MBConv6, k3x3", 320, 1, 1),
)
_STEM, _HEAD = 32, 1280
# Keras' summary of the model without its top: trained parameters, for an image of three channels.
_TRAINED = 4_007_548


def _within(spread: float, count: int) -> float:
    """How far a mean of ``count`` independent values of a range ``spread`` may be off."""
    return spread * math.sqrt(math.log(2.0 / _MISS) / (2.0 * count))


def initial_kernels() -> str:
    """Normal, cut off at two deviations, of a variance of ``2 / fan_out``, as Keras has it."""
    makers = {  # each of 10,000 numbers or more
        "full": (lambda: Convolution(32, 64, 3), 9 * 64),
        "of one tap": (lambda: Convolution(50, 200, bias=True), 200),
        "strided": (lambda: Convolution(20, 30, 5, 2), 25 * 30),
        "depthwise": (lambda: Convolution(500, 500, 5, 2, depthwise=True), 25),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for kind, (make, fan_out) in makers.items():
            layer = make()
            for problem in _unlike_normal(layer.weight.detach().double(), 2.0 / fan_out):
                return f"{kind}: {problem}"
            if layer.bias is not None and bool(layer.bias.any()):
                return f"{kind}: a bias that is not 0"
    return ""


def _unlike_normal(values: Tensor, variance: float) -> Iterator[str]:
    """How values are not of the rule."""
    most = _CUT * math.sqrt(variance / _VARIANCE)
    scaled = values.flatten() / most
    for side, end in (("least", -scaled.min().item()), ("greatest", scaled.max().item())):
        if not 0.95 < end < 1.0 + 2.0**-20:
            yield f"the {side} is {end:.4g} of the bound"
    if abs(scaled.mean().item()) > _within(2.0, scaled.numel()):
        yield f"a mean of {scaled.mean().item():.3g} of the bound"
    off = scaled.square().mean().item() * most**2 / variance
    if abs(off - 1.0) > _within(most**2 / variance, scaled.numel()):
        yield f"{off:.3g} of the variance"


@torch.no_grad()
def dropped_clips() -> str:
    """Training drops a block for whole clips, a share of them, and scales it for the others."""
    rate, clips = 0.25, 2000
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = Block(8, 3, 8, 2, 1, drop_rate=rate, known=False).double()
        inputs = torch.randn(clips, 8, 2, 3, dtype=torch.float64)
        without = copy.deepcopy(block)
        without.drop_rate = 0.0
        rest = without(inputs) - inputs  # before `block`, whose statistics move alike
        made = block(inputs) - inputs
        if not torch.equal(block.eval()(inputs), without.eval()(inputs)):
            return "it drops clips in evaluation"
    dropped = made.flatten(1).abs().amax(1) < 1e-12
    share = dropped.double().mean().item()
    if abs(share - rate) > _within(1.0, clips):
        return f"a share of {share:.3g} is dropped, not {rate}"
    kept = rest[~dropped] / (1.0 - rate)
    if not torch.allclose(made[~dropped], kept, 1e-9, 1e-9):
        return "others are not scaled"
    block.drop_rate = 1.0
    return "" if torch.equal(block.train()(inputs), inputs) else "a rate of 1 drops not all"


def rising_rates() -> str:
    """The share that is dropped rises by the same step from block to block, from 0."""
    stages = ((3, 1, 16, 1, 1), (5, 2, 8, 2, 2), (3, 2, 8, 3, 1))
    blocks = EfficientNetB0(1, 0.5, blocks_args=stages).blocks()
    rates = [block.drop_rate for block in blocks]
    wanted = [0.5 * number / 5 for number in range(5)]
    return "" if rates == wanted else f"{rates}, not {wanted}"


def as_published() -> str:
    """The default model has the stages of the paper's table, and tells none of its own."""
    with torch.device("meta"):
        model = EfficientNetB0(3)
    if "blocks_args" in model._arguments():
        return "the default model tells stages of its own"
    made = {name: _made(each) for name, each in model.named_modules() if _has_kernel(each)}
    wanted = dict(_published())
    for name in made.keys() | wanted.keys():
        if made.get(name) != wanted.get(name):
            return f"{name} is {made.get(name)}, published is {wanted.get(name)}"
    rates = [block.drop_rate for block in model.blocks()]
    rising = [0.2 * number / 16 for number in range(16)]
    if rates != rising:
        return f"the shares that are dropped are {rates}"
    trained = sum(each.numel() for each in model.parameters())
    return "" if trained == _TRAINED else f"{trained} parameters, published are {_TRAINED}"


def _has_kernel(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d)


def _made(layer: Any) -> tuple[object, ...]:
    """Shape of the kernel, stride, groups and whether there is a bias."""
    return tuple(layer.weight.shape), layer.stride, layer.groups, layer.bias is not None


def _published() -> Iterator[tuple[str, tuple[object, ...]]]:
    """Each convolution by its name, as :func:`_made` tells it."""
    yield "stem_conv", ((_STEM, 3, 3, 3), (2, 2), 1, False)
    channels = _STEM
    for stage, (operator, filters, layers, stride) in enumerate(_TABLE, 1):
        ratio, size = int(operator[6]), int(operator[-1])
        for repeat in range(layers):
            block = f"block{stage}{'abcd'[repeat]}"
            inner, squeezed = ratio * channels, channels // 4
            hop = stride if repeat == 0 else 1
            if ratio > 1:
                yield f"{block}.expand_conv", ((inner, channels, 1, 1), (1, 1), 1, False)
            yield f"{block}.dwconv", ((inner, 1, size, size), (hop, hop), inner, False)
            yield f"{block}.se_reduce", ((squeezed, inner, 1, 1), (1, 1), 1, True)
            yield f"{block}.se_expand", ((inner, squeezed, 1, 1), (1, 1), 1, True)
            yield f"{block}.project_conv", ((filters, inner, 1, 1), (1, 1), 1, False)
            channels = filters
    yield "top_conv", ((_HEAD, channels, 1, 1), (1, 1), 1, False)


def few_channels() -> str:
    """A quarter of a block's channels are left where it squeezes them, rounded down; one of few."""
    for channels, wanted in ((1, 1), (3, 1), (7, 1), (8, 2), (11, 2), (12, 3)):
        block = Block(channels, 3, 8, 2, 1, drop_rate=0.0, known=False)
        if (found := block.se_reduce.out_channels) != wanted:
            return f"{channels} channels are squeezed to {found}, not {wanted}"
    return ""


@torch.no_grad()
def constant_channels() -> str:
    """An input that does not vary is divided by ``1e-7``, as Keras does."""
    layer = InputNormalization(3)
    x = torch.full((1, 1, 1, 1), 51.0)
    for variance, deviation in ((0.0, 1e-7), (1e-15, 1e-7), (4e-14, 2e-7), (0.25, 0.5)):
        layer.variance.fill_(variance)
        off = (layer(x) * deviation / 0.2 - 1.0).abs().max().item()
        if off > 1e-6:
            return f"of a variance of {variance} the input is not divided by {deviation}"
    return ""


@torch.no_grad()
def repeated_channel() -> str:
    """A map of one channel is taken as if each channel were it."""
    model = EfficientNetB0(3, blocks_args=((3, 1, 8, 1, 1),)).eval()
    x = torch.randn(2, 1, 8, 9)
    same = torch.equal(model(x), model(x.expand(-1, 3, -1, -1)))
    return "" if same else "a map of three such channels has another answer"


@torch.no_grad()
def maps_alone() -> str:
    """A strided convolution takes a map without an axis of clips, as torch's own does."""
    for known in (False, True):
        layer = Convolution(2, 3, 3, 2, known=known)
        one = torch.randn(2, 7, 8)
        if not torch.equal(layer(one), layer(one[None])[0]):
            return f"a map alone is another one, its size {'known' if known else 'unknown'}"
    size = Convolution(1, 2, 3, 2)(torch.ones(1, 1, 7, 8)).shape[2:]
    return "" if size == (3, 4) else f"of 7 x 8 values, as if their number was known, come {size}"
