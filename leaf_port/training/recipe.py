"""What is trained, and how: the official configurations (example/configs) by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from leaf_port import _checks, frontend
from leaf_port.encoders import EfficientNetB0, TimmEncoder
from leaf_port.errors import LeafError
from leaf_port.models import PANN, AudioClassifier, ConvNet
from leaf_port.postprocessing import SpecAugment
from leaf_port.training.draws import seed_of

FILTERS = (64, 128, 256, 256, 512, 512)  # example/configs/common.gin
FRONTENDS: Mapping[str, Any] = {
    "leaf": frontend.Leaf,
    "leaf_custom": frontend.Leaf,
    "mel": frontend.MelFilterbanks,
    "sincnet": frontend.SincNet,
    "sincnet_plus": frontend.SincNetPlus,
    "tfbanks": frontend.TimeDomainFilterbanks,
}
"""The official configurations."""

ENCODERS = ("convnet", "pann", "efficientnet_b0")
PRECISIONS = ("float32", "bfloat16", "float16")
_TIMM = "timm:"


@dataclass(frozen=True)
class Recipe:
    """A model and its training; the defaults are the official ones.

    Attributes:
        config: a name of :data:`FRONTENDS`.
        encoder: ``"convnet"``, ``"pann"``, ``"efficientnet_b0"``, or ``"timm:NAME"``; None for that
            of the configuration.
        filters: channels of ConvNet's blocks.
        dropout: of the encoder's blocks; None for 0.1 (ConvNet), 0.3 (PANN of leaf_custom) or 0.2.
            EfficientNet-B0 drops whole blocks, the last one for this share of the clips.
        n_filters: of the frontend.
        sample_rate: in Hz, of the recordings.
        seq_len: length of an example, in samples; None for a second.
        epochs: how often each clip is trained on.
        steps_per_epoch: batches that count as an epoch; None for all.
        batch_size: examples of a step, over all processes.
        learning_rate: Adam's.
        seed: of weights, order, crops and dropout.
        loudness: whether the clips' loudness is normalised.
        spec_augment: whether features are augmented; None for what the configuration says.
        precision: of the encoder; the frontend computes in float32.
        compression: of Leaf, as its ``compression_fn``; None for that of the configuration.
    """

    config: str = "leaf"
    encoder: str | None = None
    filters: tuple[int, ...] = FILTERS
    dropout: float | None = None
    n_filters: int = 40
    sample_rate: int = 16000
    seq_len: int | None = None
    epochs: int = 10
    steps_per_epoch: int | None = None
    batch_size: int = 64
    learning_rate: float = 1e-4
    seed: int = 0
    loudness: bool = True
    spec_augment: bool | None = None
    precision: str = "float32"
    compression: str | None = None

    def __post_init__(self) -> None:
        _one_of("config", self.config, FRONTENDS)
        if self.encoder is not None and not self.encoder.startswith(_TIMM):
            _one_of("encoder", self.encoder, (*ENCODERS, f"{_TIMM}NAME"))
        _one_of("precision", self.precision, PRECISIONS)
        for name in ("n_filters", "sample_rate", "epochs", "batch_size"):
            _checks.at_least("train", name, getattr(self, name))
        for name in ("seq_len", "steps_per_epoch"):
            if getattr(self, name) is not None:
                _checks.at_least("train", name, getattr(self, name))
        _checks.positive("train", "learning_rate", self.learning_rate)
        _checks.at_least("train", "seed", self.seed, 0)
        if self.spec_augment and self.config == "mel":
            fix = "leave it out: the official mel filterbanks have none"
            raise LeafError("train", "spec_augment", "none with mel", "it", fix)
        if self.compression is not None and not self.config.startswith("leaf"):
            fix = "leave it out, or train leaf"
            got = f"{self.compression!r} for {self.config}"
            raise LeafError("train", "compression", "no compression but Leaf's", got, fix)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)

    @property
    def length(self) -> int:
        """Of an example, in samples."""
        return self.sample_rate if self.seq_len is None else self.seq_len


def build(recipe: Recipe, num_outputs: int) -> AudioClassifier:
    """The model of a recipe, with initial weights that its seed decides.

    Raises:
        LeafError: an argument that a layer refuses.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(recipe.seed, "weights"))
        return AudioClassifier(num_outputs, _frontend(recipe), _encoder(recipe))


def _frontend(recipe: Recipe) -> nn.Module:
    custom = recipe.config == "leaf_custom"
    augments = custom if recipe.spec_augment is None else recipe.spec_augment
    given: dict[str, Any] = {"n_filters": recipe.n_filters}
    if augments:  # leaf_custom.gin
        given["spec_augment"] = SpecAugment(freq_mask_max_bins=8) if custom else True
    if recipe.config.startswith("leaf"):
        given["compression_fn"] = recipe.compression or ("log" if custom else "pcen")
    made: nn.Module = FRONTENDS[recipe.config].for_sample_rate(recipe.sample_rate, **given)
    return made


def _encoder(recipe: Recipe) -> nn.Module:
    custom = recipe.config == "leaf_custom"
    encoder = recipe.encoder or ("pann" if custom else "convnet")
    if encoder == "convnet":
        dropout = 0.1 if recipe.dropout is None else recipe.dropout
        return ConvNet(recipe.filters, dropout=dropout)
    if encoder == "pann":
        depth, usual = (7, 0.3) if custom else (6, 0.2)
        dropout = usual if recipe.dropout is None else recipe.dropout
        return PANN(depth, dropout, num_features=recipe.n_filters)
    if encoder == "efficientnet_b0":
        return EfficientNetB0(drop_connect_rate=0.2 if recipe.dropout is None else recipe.dropout)
    if recipe.dropout is not None:
        fix = "leave it out: the model of timm has its own"
        raise LeafError("train", "dropout", "none beside an encoder of timm", recipe.dropout, fix)
    return TimmEncoder(encoder.removeprefix(_TIMM))


def _one_of(name: str, value: object, names: Any) -> None:
    if value not in names:
        fix = "check the name"
        raise LeafError("train", name, f"one of {', '.join(names)}", repr(value), fix)
