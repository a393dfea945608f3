"""How far a step of the training may be from the exact one, beside the worst observed.

In units of each element's own rounding, as everywhere in the suite. The official side's bounds are
wider: its fused batch normalisation adds up in plain float32, and its FFT is less exact. The port
that adds up so is within ``like``, which shows the first of the two.
"""

from __future__ import annotations

import dataclasses

from parity import spec
from parity.layers._reasons import FUSED_BATCH_NORMALISATION

_TENSORFLOW_FFT = (
    "TensorFlow 2.13's FFT is off by 14 eps (2^-23) of a frame's norm at 512 points (root mean "
    "square; TensorFlow 2.21's by a sixteenth of that or less), of which the recorded units count "
    "0.29"
)
_MEASURED = "torch 2.13.0, TF 2.13.1"


@dataclasses.dataclass(frozen=True)
class TrainingBudget:
    """The bounds of a model's steps.

    Attributes:
        budget: of the port and of the official code.
        like: of loss, logits and state of the port that adds up as TensorFlow does, from the
            official ones.
        like_gradient: of its gradients.
    """

    budget: spec.Budget
    like: spec.Bound
    like_gradient: spec.Bound


_PLAIN = TrainingBudget(
    spec.Budget(
        port=spec.Bound(5.7, 2.87),
        reference=spec.Bound(18, 9.05, FUSED_BATCH_NORMALISATION),
        port_gradient=spec.Bound(8, 4.1),
        reference_gradient=spec.Bound(25, 12.69, FUSED_BATCH_NORMALISATION),
        measured=_MEASURED,
    ),
    like=spec.Bound(8.7, 4.39),
    like_gradient=spec.Bound(6.8, 3.42),
)
_MEL = TrainingBudget(
    spec.Budget(
        port=spec.Bound(5, 0.94),
        reference=spec.Bound(28, 14.28, _TENSORFLOW_FFT),
        port_gradient=spec.Bound(5, 2.21),
        reference_gradient=spec.Bound(38, 19.29, _TENSORFLOW_FFT),
        measured=_MEASURED,
    ),
    like=spec.Bound(20, 9.87, _TENSORFLOW_FFT),
    like_gradient=spec.Bound(30, 15.3, _TENSORFLOW_FFT),
)


def of(model: str) -> TrainingBudget:
    """The bounds of a model."""
    return _MEL if model == "mel_filterbanks" else _PLAIN
