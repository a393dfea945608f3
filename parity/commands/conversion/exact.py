"""The exact oracle's answers for a converted model: the formulas, by the model's description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.oracles.exact import efficientnet, frontends, models
from parity.oracles.exact.types import Array, Weights, below
from weight_conversion.verification.verify import EXACT, Clips, NotRunError, Subject

Tree = Mapping[str, Any]


class Exact:
    """Float64 answers from the formulas alone."""

    name, kind = "exact", EXACT

    def answers(self, subject: Subject, clips: Clips) -> dict[str, dict[str, Array]]:
        """Features and logits, by the clip's name.

        Raises:
            NotRunError: no formula is written for a part of the model.
        """
        weights = {path: value.astype(np.float64) for path, value in subject.weights.items()}
        return {
            name: answers(subject.config, weights, clip.astype(np.float64))
            for name, clip in clips.items()
        }


def answers(tree: Tree, weights: Weights, x: Array) -> dict[str, Array]:
    """The features, and of a classifier the logits, of (batch, samples) in evaluation mode."""
    if tree["kind"] != "AudioClassifier":
        return {"features": frontend(tree, weights, x)}
    arguments, made = tree["arguments"], dict[str, Array]()
    if arguments.get("frontend") is not None:
        x = frontend(arguments["frontend"], below(weights, "_frontend/"), x)
        made["features"], x = x, x[..., None]
    if arguments.get("encoder") is not None:
        x = _encoder(arguments["encoder"], below(weights, "_encoder/"), x)
    return {**made, "logits": models.head(x, below(weights, "_head/"))}


def frontend(tree: Tree, weights: Weights, x: Array) -> Array:
    """A frontend's features, (batch, frames, filters)."""
    kind, given = tree["kind"], tree["arguments"]
    if kind == "MelFilterbanks":
        names = ("n_filters", "sample_rate", "n_fft", "window_len", "window_stride")
        told = {name: given[name] for name in (*names, "min_freq", "max_freq")}
        return frontends.mel_filterbanks(x, **told, log_offset=_log_offset(given))
    stride, window = given["window_stride"], given["window_len"]
    if kind == "TimeDomainFilterbanks":
        return frontends.time_domain_filterbanks(x, weights, stride)
    if kind == "SincNet":
        return frontends.sincnet(x, weights, given["sample_rate"], window, stride)
    if kind == "SincNetPlus":
        return frontends.sincnet_plus(x, weights, given["sample_rate"], window, stride)
    if kind != "Leaf":
        raise NotRunError(f"the exact oracle has no {kind}")
    return _leaf(given, weights, x)


_LEAF = {
    *("n_filters", "sample_rate", "window_len", "window_stride", "compression_fn"),
    *("conv1d_cls", "pooling_cls", "preemp", "mean_var_norm"),
    *("pooling_padding", "pooling_bias"),  # of other ports; the bias is a weight
    *("learn_filters", "learn_pooling", "spec_augment", "arithmetic"),  # change no answer
    *("energies", "regularizer_fn"),
    "complex_conv_init",  # where training started
}


_CLASSES = {
    "conv1d_cls": ("GaborConv1d", "Conv1d", "NormalizedConv1d"),
    "pooling_cls": ("GaussianLowpass", "ChannelWiseLearnablePooling1d"),
}


def _leaf(given: Tree, weights: Weights, x: Array) -> Array:
    if unknown := sorted(given.keys() - _LEAF):
        raise NotRunError(f"the exact oracle's Leaf has no {', '.join(unknown)}")
    for name, known in _CLASSES.items():
        if given.get(name, known[0]) not in known:
            raise NotRunError(f"the exact oracle's Leaf has no {name} {given[name]}")
    compression = given.get("compression_fn") or {}
    kind = compression.get("kind") if isinstance(compression, dict) else compression
    if compression and kind not in ("PCEN", "log_compression"):
        raise NotRunError(f"the exact oracle's Leaf has no compression {kind}")
    floor = compression.get("arguments", {}).get("floor", 1e-6)
    return frontends.leaf(
        x,
        weights,
        rate=given["sample_rate"],
        window=given["window_len"],
        stride=given["window_stride"],
        normalized=given.get("conv1d_cls") == "NormalizedConv1d",
        channel_wise=given.get("pooling_cls") == "ChannelWiseLearnablePooling1d",
        log_offset=_log_offset(given),
        pooling_padding=given.get("pooling_padding", "SAME"),
        pcen_floor=floor,
    )


def _log_offset(given: Tree) -> float | None:
    """Of a logarithm; None where the compression is another or none."""
    compression = given.get("compression_fn")
    if compression is None or compression["kind"] != "log_compression":
        return None
    return float(compression["arguments"].get("log_offset", 1e-5))


def _encoder(tree: Tree, weights: Weights, x: Array) -> Array:
    """An encoder's map, in the official layout."""
    kind, given = tree["kind"], tree["arguments"]
    if kind == "ConvNet":
        depth, activation = len(given["filters"]), given.get("activation", "relu")
        return models.conv_net(x, weights, depth, False, activation)[0]
    if kind == "PANN":
        return models.pann(x, weights, given["depth"], False)[0]
    if kind == "EfficientNetB0":
        stages, known = given.get("blocks_args", efficientnet.B0), bool(given.get("input_shape"))
        return efficientnet.efficientnet(x, weights, known, False, stages)[0]
    if kind != "WaveGram":
        raise NotRunError(f"the exact oracle has no {kind}")
    return models.wavegram(x, weights, False)[0]
