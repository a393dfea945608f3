"""The table of weights: what it gives is the caller's own."""

from __future__ import annotations

import numpy as np
import torch

from leaf_port import AudioClassifier, ConvNet, Leaf
from weight_conversion.official.mapping import official_weights


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
