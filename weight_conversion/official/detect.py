"""Which model a checkpoint is of: from its paths and shapes, and what they cannot tell.

The result is the description that ``leaf_port.pretrained.build`` builds: ``kind`` and
``arguments``. Whether it is right is not decided here: the weights must match the model's table
wholly (``weight_conversion.official.mapping``).
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from leaf_port.errors import LeafError
from weight_conversion.official import consistency, efficientnet, structure
from weight_conversion.official.layers import Layer
from weight_conversion.official.settings import FRONTENDS, Settings
from weight_conversion.official.source import Source

Tree = dict[str, Any]

_OFFICIAL_RATE = 16000
_ACTIVATIONS = {"Leaf": "squared_modulus", "TimeDomainFilterbanks": "squared_modulus"}
_CLASSES = {"sinc_net": "SincNet", "sinc_net_plus": "SincNetPlus", "leaf": "Leaf"} | {
    **{"time_domain_filterbanks": "TimeDomainFilterbanks", "mel_filterbanks": "MelFilterbanks"}
}
# A Gabor filter's centre lies in [0, pi]; the edge of a sinc filter is in Hz, by the thousand.
_HIGHEST_RADIANS = 2 * math.pi


def detect(source: Source, settings: Settings, trained: frozenset[str]) -> Tree:
    """The model of a checkpoint.

    Args:
        source: the checkpoint.
        settings: what it cannot tell.
        trained: weights that have an optimiser's slots; empty where there is none.

    Returns:
        ``{"kind": ..., "arguments": {...}}``.

    Raises:
        NotGivenError: arguments that are needed; names all of them.
        LeafError: no model of the official code.
    """
    tree = describe(source, settings, trained)
    settings.check()
    return tree


def describe(source: Source, settings: Settings, trained: frozenset[str]) -> Tree:
    """As :func:`detect`; what is lacking is noted in ``settings``, and the likely value taken.

    Raises:
        LeafError: no model of the official code.
    """
    if "_head/kernel" in source.keys:
        return _classifier(source, settings, trained)
    if "_complex_conv/kernel" in source.keys:
        tree = _Frontend(source, settings, trained, "").tree()
        if tree is not None:
            return tree
    expected = "the weights of an official AudioClassifier or frontend"
    got = f"{len(source.keys)} others" if source.keys else "none"
    fix = "see what is in it: python -m weight_conversion inspect"
    raise LeafError("convert", str(source.path), expected, got, fix)


def _classifier(source: Source, settings: Settings, trained: frozenset[str]) -> Tree:
    encoder = _encoder(source, settings)
    wavegram = encoder is not None and encoder["kind"] == "WaveGram"
    part = _Frontend(source, settings, trained, "_frontend/")
    frontend = None if wavegram else part.tree()
    shape = source.shape("_head/kernel")
    consistency.axes(shape, (2,), source.path, "_head/kernel")
    arguments: Tree = {"num_outputs": shape[-1], "frontend": frontend, "encoder": encoder}
    if encoder is None and frontend is None:
        arguments["num_features"] = shape[0]
    return {"kind": "AudioClassifier", "arguments": arguments}


def _encoder(source: Source, settings: Settings) -> Tree | None:
    """ConvNet's members are blocks; PANN's first is a normalisation; WaveGram has names.

    EfficientNetB0's first has constants.
    """
    if not any(path.startswith("_encoder/") for path in source.keys):
        return None
    if "_encoder/pre_conv0/kernel" in source.keys:
        return {"kind": "WaveGram", "arguments": {}}
    if efficientnet.FIRST in source.keys:
        return _efficientnet(source, settings)
    blocks = _count(source, "_encoder/")
    if "_encoder/layer_with_weights-0/gamma" in source.keys:
        return _pann(source, settings, blocks - 1)
    return _conv_net(source, settings, blocks)


def _pann(source: Source, settings: Settings, depth: int) -> Tree:
    rate = settings.take("dropout_rate", settings.take("dropout", 0.2))
    sizes = {"num_features": _shape(source, "_encoder/layer_with_weights-0/gamma")[0]}
    first = _shape(source, "_encoder/layer_with_weights-1/layer_with_weights-0/kernel")
    sizes["in_channels"] = first[-2]
    return {"kind": "PANN", "arguments": {"depth": depth, "dropout_rate": rate, **sizes}}


def _efficientnet(source: Source, settings: Settings) -> Tree:
    given = settings.need("input_shape", "the input_shape that EfficientNetB0 was built for")
    rate = settings.take("drop_connect_rate", settings.take("dropout", 0.2))
    arguments: Tree = {"in_channels": _shape(source, efficientnet.STEM)[-2]}
    arguments |= {"drop_connect_rate": rate, "input_shape": efficientnet.input_shape(given)}
    return {"kind": "EfficientNetB0", "arguments": arguments}


def _conv_net(source: Source, settings: Settings, blocks: int) -> Tree:
    kernels = [
        _shape(source, f"_encoder/layer_with_weights-{i}/layer_with_weights-0/kernel")
        for i in range(max(1, blocks))
    ]
    what = "the activation of ConvNet's blocks, by Keras' name"
    arguments: Tree = {"filters": [shape[-1] for shape in kernels]}
    arguments["activation"] = settings.need("activation", what)
    arguments["dropout"] = settings.take("dropout", 0.0)
    arguments["in_channels"] = kernels[0][-2]
    normalised = re.compile(r"^_encoder/.*/gamma$")
    if not any(normalised.match(path) for path in source.keys):
        arguments["normalization_layer"] = None
    return {"kind": "ConvNet", "arguments": arguments}


def _count(source: Source, prefix: str) -> int:
    """How many members with weights a Sequential has."""
    member = re.compile(re.escape(prefix) + r"layer_with_weights-(\d+)/")
    found = [match[1] for path in source.keys if (match := member.match(path))]
    numbers = [consistency.numbered(each, source.path) for each in found]
    return consistency.count(numbers, source.path, prefix)


def _shape(source: Source, path: str) -> tuple[int, ...]:
    """A shape that the model is found out by; of at least two axes where it is a kernel."""
    expected = f"{path}, as in the official encoders"
    fix = "only ConvNet, PANN, WaveGram and EfficientNetB0 are converted"
    if path not in source.keys:
        raise LeafError("convert", str(source.path), expected, "none", fix)
    shape = source.shape(path)
    consistency.axes(shape, (2, 3, 4) if path.endswith("kernel") else (1,), source.path, path)
    return shape


class _Frontend:
    """Finds out about the frontend below ``prefix``."""

    def __init__(
        self, source: Source, settings: Settings, trained: frozenset[str], prefix: str
    ) -> None:
        self.source, self.settings, self.trained, self.prefix = source, settings, trained, prefix

    def tree(self) -> Tree | None:
        """Its description; None for no frontend."""
        name = self.settings.take("frontend", None) or self._name()
        if name not in FRONTENDS:
            expected = f"one of {', '.join(FRONTENDS)}"
            raise LeafError("convert", "--frontend", expected, repr(name), "give one of them")
        kind = FRONTENDS[name]
        self._check_layers(kind)
        if kind is None:
            return None
        arguments = self._mel() if kind == "MelFilterbanks" else self._leaf(kind)
        return {"kind": kind, "arguments": arguments}

    def _check_layers(self, kind: str | None) -> None:
        """The layers without weights are those of the class too.

        Raises:
            LeafError: the class, or the activation, is another.
        """
        layer = self._layer()
        if layer is None and kind is not None:
            self._refuse(kind, "no frontend")
        if layer is None:
            return
        if kind is None:
            self._refuse("no frontend", f"one{f' of the class {layer.kind}' if layer.kind else ''}")
        elif layer.kind and _CLASSES.get(layer.kind) != kind:
            self._refuse(kind, f"the class {layer.kind}")
        elif kind != "MelFilterbanks" and self.source.whole:
            expected = _ACTIVATIONS.get(kind, "leaky_re_lu")
            if structure.activation(layer) != expected:
                self._refuse(f"{expected} in _activation", structure.activation(layer))

    def _layer(self) -> Layer | None:
        return self.source.layers.members.get("_frontend") if self.prefix else self.source.layers

    def _refuse(self, expected: str, got: str) -> None:
        fix = "give the --frontend that it is; layers of one's own are not converted"
        raise LeafError("convert", f"{self.source.path}: frontend", expected, got, fix)

    def has(self, path: str) -> bool:
        """Whether there is such a weight."""
        return self.prefix + path in self.source.keys

    def shape(self, path: str) -> tuple[int, ...]:
        """The axes of a weight; none where there is none."""
        return self.source.shape(self.prefix + path) if self.has(path) else ()

    def _name(self) -> str:
        if not self.has("_complex_conv/kernel"):
            what = "the frontend, mel or none: both are without weights"
            likely = "none" if self._layer() is None else "mel"
            return self.settings.choose("frontend", what, ("mel", "none"), likely)
        if len(self.shape("_complex_conv/kernel")) == 3:
            return "tfbanks" if self.has("_pooling/pool/kernel") else "leaf"
        path = f"{self.prefix}_complex_conv/kernel"
        consistency.axes(self.source.shape(path), (2,), self.source.path, path)
        centres = self.source.tensor(path)[..., 0]
        if np.max(np.abs(centres), initial=0.0) <= _HIGHEST_RADIANS:
            return "leaf"
        return "sincnet_plus" if self.has("_pooling/kernel") else "sincnet"

    def _leaf(self, kind: str) -> Tree:
        made: Tree = {"n_filters": self._filters(), **self._times(kind), **self._learned()}
        made["preemp"] = self.has("_preemp_conv/kernel")
        made["mean_var_norm"] = self.has("_instance_norm/gamma")
        made["spec_augment"] = self.settings.take("spec_augment", False)
        if kind == "Leaf":
            made |= self._classes()
            made["compression_fn"] = self._compression()
        return made

    def _filters(self) -> int:
        """Filters: rows of ``(filters, 2)``, or half of the channels of ``(taps, 1, channels)``."""
        shape = self.shape("_complex_conv/kernel")
        if self.has("_complex_conv/kernel"):
            consistency.axes(shape, (2, 3), self.source.path, f"{self.prefix}_complex_conv/kernel")
        if not shape:
            return int(self.settings.need("n_filters", "the number of filters"))
        return shape[0] if len(shape) == 2 else shape[-1] // 2

    def _times(self, kind: str) -> Tree:
        """Rate, window and stride; the official TimeDomainFilterbanks counts at 16 kHz always."""
        need = self.settings.need
        made: Tree = {"window_stride": need("window_stride", "the hop of the pooling, in ms")}
        if kind == "TimeDomainFilterbanks" and len(self.shape("_complex_conv/kernel")) == 3:
            taps = self.shape("_complex_conv/kernel")[0]
            length = (taps - 1) / (_OFFICIAL_RATE / 1000)
            return {"sample_rate": _OFFICIAL_RATE, "window_len": length, **made}
        made["sample_rate"] = need("sample_rate", "the sample rate, in Hz")
        made["window_len"] = need("window_len", "the window of filters and pooling, in ms")
        return made

    def _learned(self) -> Tree:
        """What is trained has slots; without an optimiser, as given."""
        parts = {"learn_filters": "_complex_conv/kernel"}
        parts["learn_pooling"] = "_pooling/kernel"
        if self.has("_pooling/pool/kernel"):
            parts["learn_pooling"] = "_pooling/pool/kernel"
        return {name: self._is_trained(path, name) for name, path in parts.items()}

    def _is_trained(self, path: str, name: str) -> bool:
        if self.trained and self.has(path):
            return self.prefix + path in self.trained
        return bool(self.settings.take(name, True))

    def _classes(self) -> Tree:
        """Layers of other classes than the default ones, seen by the shapes of their kernels."""
        made: Tree = {}
        if len(self.shape("_complex_conv/kernel")) == 3:
            what = "Conv1d or NormalizedConv1d, whose kernels look alike"
            made["conv1d_cls"] = self.settings.need("conv1d_cls", what)
        if len(self.shape("_pooling/kernel")) == 3:
            made["pooling_cls"] = "ChannelWiseLearnablePooling1d"
        return made

    def _compression(self) -> Tree | None:
        if self.has("_compress_fn/alpha"):
            return self._pcen()
        what = "the compression, log or none: the official default, PCEN, would have weights"
        kind = self.settings.choose("compression", what, ("log", "none"), "none")
        return self._without_weights(kind)

    def _pcen(self) -> Tree:
        channels = self.shape("_compress_fn/alpha")
        smooth = self.shape("_compress_fn/ema/smooth")
        arguments: Tree = {"num_channels": channels[0] if channels else 0}
        arguments["floor"] = self.settings.need("pcen_floor", "PCEN's floor")
        arguments["trainable"] = self._is_trained("_compress_fn/alpha", "learn_compression")
        arguments["learn_smooth_coef"] = bool(smooth)
        arguments["per_channel_smooth_coef"] = smooth == channels and smooth != (1,)
        return {"kind": "PCEN", "arguments": arguments}

    def _without_weights(self, kind: str) -> Tree | None:
        if kind == "none":
            return None
        if kind != "log":
            got, fix = repr(kind), "PCEN has weights, and there are none of it"
            raise LeafError("convert", "--compression", "log or none", got, fix)
        offset = self.settings.need("log_offset", "the offset in the logarithm")
        return {"kind": "log_compression", "arguments": {"log_offset": offset}}

    def _mel(self) -> Tree:
        asked = {
            "n_filters": "the number of mel filters",
            "sample_rate": "the sample rate, in Hz",
            "n_fft": "the size of the Fourier transform, in samples",
            "window_len": "the window, in ms",
            "window_stride": "the hop, in ms",
            "min_freq": "where the first triangle starts, in Hz",
            "max_freq": "where the last triangle ends, in Hz",
        }
        made = {name: self.settings.need(name, what) for name, what in asked.items()}
        kind = self.settings.need("compression", "the compression, log or none")
        return {**made, "compression_fn": self._without_weights(kind)}
