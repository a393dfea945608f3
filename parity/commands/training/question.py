"""A training step as a question that the suite's runner asks: loss, logits, gradients, state."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from leaf_port import AudioClassifier, MelFilterbanks
from parity.commands.training.models import FILTERS, Model
from parity.layers._common import uniform
from parity.layers.audio_classifier import SPEC as CLASSIFIER
from parity.layers.mel_filterbanks import SPEC as MEL
from parity.spec import Array, Case, Config, LayerSpec, Question, Weight
from parity.spec.layer_spec import Sampling
from weight_conversion.official import mapping

LOSS, LOGITS = "output/0", "output/1"


class StepQuestion(Question):
    """A question whose gradients are those of the loss itself."""

    def cotangent(self, index: int, shape: Sequence[int]) -> Array:
        """1 for the loss, 0 for the logits."""
        return np.full(shape, 1.0 if index == 0 else 0.0, np.float32)


def _call(layer: AudioClassifier, clips: Tensor, labels: Tensor) -> list[Tensor]:
    """``SparseCategoricalCrossentropy(from_logits=True)`` of the batch, and the logits."""
    logits = layer(clips)
    return [F.cross_entropy(logits, labels.long()), logits]


def declaration(model: Model) -> LayerSpec:
    """The model in training, as a declaration of which the runner takes the port's part."""

    def port(config: Config) -> AudioClassifier:
        arithmetic = config.get("arithmetic")
        return model.build() if arithmetic is None else model.build(arithmetic=arithmetic)

    built = model.build()
    trained = {name for name, each in built.named_parameters() if each.requires_grad}
    weights = {
        row.path: Weight(row.key, uniform(0.0, 1.0), row.axes, differentiable=row.key in trained)
        for row in mapping.table(built)
    }
    constants = _constants(model)
    return dataclasses.replace(
        CLASSIFIER,
        name=f"training {model.name}",
        port=port,
        call=_call,
        weights=lambda _config: weights,
        differentiable=(),
        sampling=Sampling(),
        exceptions=dataclasses.replace(CLASSIFIER.exceptions, constants=lambda _config: constants),
    )


def _constants(model: Model) -> Mapping[str, Array]:
    """How far mel's window and matrix may be off, which are computed when the model is built."""
    if model.name != "mel_filterbanks":
        return {}
    signature = inspect.signature(MelFilterbanks).parameters
    config = {name: each.default for name, each in signature.items()} | {"n_filters": FILTERS}
    found = MEL.exceptions.constants(config)
    return {f"frontend.{name}": size for name, size in found.items()}


def question(model: Model, step: int, draw: int, weights: Mapping[str, Array]) -> StepQuestion:
    """What is asked of a step: the batch, from the weights before it."""
    clips, labels = model.batch(step, draw)
    case = Case(f"training {model.name}", {"step": step}, training=True)
    return StepQuestion(case, {"clips": clips, "labels": labels}, dict(weights), [])
