"""What no recorded answer shows of EfficientNet: its initial kernels, and what training drops."""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from leaf_port.efficientnet import Block, Convolution, EfficientNetB0

# One in 1e8 of all seeds misses a bound. Those of means are Hoeffding's inequality.
_MISS = 1e-8
_CUT = 2.0
_DENSITY = math.exp(-0.5 * _CUT**2) / math.sqrt(2.0 * math.pi)
_SHARE = math.erf(_CUT / math.sqrt(2.0))
# Of a normal distribution of deviation 1 that is cut off at two: Keras divides by its root.
_VARIANCE = 1.0 - 2.0 * _CUT * _DENSITY / _SHARE


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
