"""The models of the study: Leaf as it is, and with what public ports do otherwise.

The ports' faults are those that ``python -m parity audit`` tells of SpeechBrain 1.1.2 and that the
code of autrainer 0.10.0 (``models/leaf.py``, class ``LeafIs``) shows. SpeechBrain's mel triangles
in Hz (0.003 of the output) are not among them: all variants but autrainer's start from the same
filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port import AudioClassifier, ConvNet, Leaf, MelFilterbanks
from leaf_port._ops import scan
from leaf_port._rates import max_frequency
from leaf_port.constraints import constrain_after_step
from leaf_port.optim import KerasAdam
from leaf_port.postprocessing import ExponentialMovingAverage
from leaf_port.scales import CONSTANT, ScaleInit
from leaf_port.training.draws import seed_of
from parity.commands.study.cells import AUTRAINER, EXACT, FASTER, FROZEN, MEL, SPEECHBRAIN, Cell

ENCODER = (16, 32, 64)
FASTER_BY = 10.0


class UnclippedMovingAverage(ExponentialMovingAverage):
    """``m[t] = smooth x[t] + (1 - smooth) m[t - 1]``: autrainer's, whatever ``smooth`` is."""

    def forward(self, inputs: Tensor, initial_state: Tensor) -> Tensor:
        """As its base, but for the clipping."""
        return scan.diagonal_recurrence(self.smooth * inputs, 1.0 - self.smooth, initial_state)


class BaseWidths(ScaleInit):
    """Filters on a scale whose deviation is ``sample_rate / (2 base)``, as in autrainer.

    The official ones, and those of ``ScaleInit``, match the width of the triangle's square root at
    half. ``base`` is the whole triangle's. Constant filters follow this rule in both.
    """

    def __call__(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Parameters, ``(filters, 2)``."""
        made, base = self._parameters(shape[0])
        if self.scale != CONSTANT:
            made[:, 1] = self.sample_rate / (2.0 * base)
        return made.to(dtype)


def build(cell: Cell, sample_rate: int, outputs: int) -> AudioClassifier:
    """A model with initial weights that the cell's seed decides; the encoder's are the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(cell.seed, "study"))
        encoder = ConvNet(ENCODER, dropout=0.1)
        model = AudioClassifier(outputs, None, encoder)
        model.frontend = _FRONTENDS[cell.variant](cell.initial, sample_rate)
        return model


def _leaf(initial: str, sample_rate: int, **given: Any) -> Leaf:
    """With the official filters of the mel scale, and those of ``ScaleInit`` of others."""
    scale = None if initial == "mel" else initial
    return Leaf.for_sample_rate(sample_rate, scale=scale, **given)


def _speechbrain(initial: str, sample_rate: int) -> Leaf:
    return _leaf(initial, sample_rate, pooling_padding="SYMMETRIC", pooling_bias=True)


def _autrainer(initial: str, sample_rate: int) -> Leaf:
    leaf = _leaf(initial, sample_rate, pooling_padding="SYMMETRIC")
    compression: Any = leaf.compress_fn
    kernel: Any = leaf.complex_conv.kernel
    widths = BaseWidths(initial, sample_rate, 60.0, max_frequency(sample_rate))
    unclipped = UnclippedMovingAverage(compression.ema.num_channels, 0.04, True, True)
    with torch.no_grad():
        kernel.copy_(widths(tuple(kernel.shape), kernel.dtype))
    compression.ema = unclipped
    return leaf


def _frozen(initial: str, sample_rate: int) -> Leaf:
    return _leaf(initial, sample_rate, learn_filters=False, learn_pooling=False)


def _mel(_initial: str, sample_rate: int) -> MelFilterbanks:
    return MelFilterbanks.for_sample_rate(sample_rate)


_FRONTENDS: Mapping[str, Callable[[str, int], nn.Module]] = {
    EXACT: _leaf,
    FROZEN: _frozen,
    FASTER: _leaf,
    SPEECHBRAIN: _speechbrain,
    AUTRAINER: _autrainer,
    MEL: _mel,
}


def optimizer(cell: Cell, model: AudioClassifier, rate: float) -> KerasAdam:
    """Keras' Adam; without constraints after each step for the ports' faults."""
    if cell.variant in (SPEECHBRAIN, AUTRAINER):
        return KerasAdam(model.parameters(), lr=rate)
    if cell.variant != FASTER:
        return KerasAdam(model, lr=rate)
    leaf: Any = model.frontend
    filters = [leaf.complex_conv.kernel, leaf.pooling.kernel]
    own = {id(each) for each in filters}
    others = [each for each in model.parameters() if id(each) not in own]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": filters, "lr": FASTER_BY * rate}]
    made = KerasAdam(groups, lr=rate)
    constrain_after_step(made, model)
    return made
