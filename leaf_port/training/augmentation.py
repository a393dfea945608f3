"""Waveform augmentation by torch-audiomentations (extra ``augment``)."""

from __future__ import annotations

from torch import Tensor

from leaf_port._installation import hint
from leaf_port.errors import LeafError
from leaf_port.training.loop import Augment

NAME = "gain, colored noise, shift, polarity"


def augmentation() -> Augment:
    """Changes each clip of a batch at random, by torch's generator.

    Each with a probability of one half: a gain of -6 to 6 dB, coloured noise at a signal-to-noise
    ratio of 10 to 30 dB, a shift of up to a tenth of the clip, the other polarity.

    Raises:
        LeafError: torch-audiomentations is not installed.
    """
    try:
        import torch_audiomentations as augmentations
    except ImportError as error:
        fix = hint("augment")
        raise LeafError("train", "--augment", "torch-audiomentations", "none", fix) from error
    together = augmentations.Compose(
        [
            augmentations.Gain(min_gain_in_db=-6.0, max_gain_in_db=6.0, p=0.5),
            augmentations.AddColoredNoise(min_snr_in_db=10.0, max_snr_in_db=30.0, p=0.5),
            augmentations.Shift(min_shift=-0.1, max_shift=0.1, rollover=False, p=0.5),
            augmentations.PolarityInversion(p=0.5),
        ],
        output_type="tensor",
    )

    def augment(waveforms: Tensor, sample_rate: int) -> Tensor:
        made: Tensor = together(waveforms[:, None], sample_rate=sample_rate)
        return made[:, 0]

    return augment
