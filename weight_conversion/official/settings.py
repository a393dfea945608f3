"""What a checkpoint cannot tell about its model: from arguments, a ``.gin`` file, or asked for.

A checkpoint holds weights alone. Nothing that changes the features is guessed: it is given as an
argument, bound in the ``.gin`` file of the training (whose unbound parameters are the official
defaults), or the official default by an explicit ``--defaults``; else it is asked for by name.
What acts in training only (dropout, SpecAugment) has the official default.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError
from weight_conversion.formats import gin
from weight_conversion.official.asked import Asked, not_given

FRONTENDS = {
    "leaf": "Leaf",
    "tfbanks": "TimeDomainFilterbanks",
    "sincnet": "SincNet",
    "sincnet_plus": "SincNetPlus",
    "mel": "MelFilterbanks",
    "none": None,
}
ARGUMENTS = (
    *("frontend", "sample_rate", "window_len", "window_stride", "n_filters", "n_fft"),
    *("min_freq", "max_freq", "compression", "log_offset", "pcen_floor", "conv1d_cls"),
    *("activation", "dropout", "learn_filters", "learn_pooling", "spec_augment", "input_shape"),
)
"""What can be given, by name."""

OFFICIAL: Mapping[str, Any] = {
    "n_filters": 40,
    "sample_rate": 16000,
    "window_len": 25.0,
    "window_stride": 10.0,
    "n_fft": 512,
    "min_freq": 60.0,
    "max_freq": 7800.0,
    "compression": "log",
    "log_offset": 1e-5,
    "pcen_floor": 1e-12,
    "conv1d_cls": "Conv1d",
    "activation": "relu",
    "input_shape": "any",
}
"""The official defaults, of what they are asked for (compression: of mel; Leaf's PCEN is seen)."""

_CONVOLUTIONS = {"Conv1D": "Conv1d", "NormalizedConv1D": "NormalizedConv1d"}
# Of Leaf, the classes that are converted. The shapes of weights do not tell a class of one's own.
_CLASSES = {
    "Leaf.conv1d_cls": ("GaborConv1D", *_CONVOLUTIONS),
    "Leaf.pooling_cls": ("GaussianLowpass", "ChannelWiseLearnablePooling1D"),
}
_OF_FRONTEND = (
    *("n_filters", "sample_rate", "window_len", "window_stride", "n_fft", "min_freq", "max_freq"),
    *("learn_filters", "learn_pooling", "spec_augment"),
)
_DIRECT = {
    "PCENLayer.floor": "pcen_floor",
    "log_compression.log_offset": "log_offset",
    "ConvBlock.activation": "activation",
    "ConvBlock.dropout": "dropout",
    "ConvNet.activation": "activation",
    "ConvNet.dropout": "dropout",
    "PANN.dropout_rate": "dropout_rate",
    "EfficientNetB0.drop_connect_rate": "drop_connect_rate",
    "EfficientNetB0.input_shape": "input_shape",
}


class Settings:
    """The answers to what is asked.

    Args:
        given: by name of the argument; None stands for not given.
        gin_file: of the training; arguments come before it.
        defaults: whether the official defaults answer the rest.

    Attributes:
        defaulted: arguments that a default has answered so far.
        lacking: what was needed and nobody gave, by name.
        assumed: arguments that the features do not depend on, and nobody gave.

    Raises:
        LeafError: a ``.gin`` file that cannot be read, or that binds what is not converted.
    """

    command = "convert"
    elsewhere = "its .gin file with --gin"

    def __init__(
        self,
        given: Mapping[str, Any] | None = None,
        gin_file: Path | None = None,
        defaults: bool = False,
    ) -> None:
        bound = {} if gin_file is None else _from_gin(gin_file)
        self._given = bound | {k: v for k, v in (given or {}).items() if v is not None}
        self._defaults = defaults or gin_file is not None
        self.defaulted: list[str] = []
        self.lacking: dict[str, Asked] = {}
        self.assumed: list[str] = []

    def need(self, name: str, what: str) -> Any:
        """A value that the features depend on.

        Where nobody gave it, it is noted as lacking and the official default stands in its place,
        so that everything that is lacking is found at once: :meth:`check` raises then.
        """
        if name not in self._given and self._defaults and name in OFFICIAL:
            self.defaulted.append(name)
            return OFFICIAL[name]
        return self._given_or(Asked(name, what, OFFICIAL[name]))

    def choose(self, name: str, what: str, choices: tuple[str, str], likely: str) -> str:
        """As :meth:`need`, of what no default answers; ``likely`` stands in its place."""
        return str(self._given_or(Asked(name, what, choices=choices), likely))

    def _given_or(self, asked: Asked, instead: Any = None) -> Any:
        if asked.name in self._given:
            return self._given[asked.name]
        self.lacking[asked.name] = asked
        return asked.default if instead is None else instead

    def check(self) -> None:
        """Asks for everything that is lacking.

        Raises:
            NotGivenError: something is.
        """
        if self.lacking:
            raise not_given(self.command, list(self.lacking.values()), self.elsewhere)

    def take(self, name: str, default: Any) -> Any:
        """A value that the features do not depend on."""
        if name not in self._given and default is not None:
            self.assumed.append(name)
        return self._given.get(name, default)


def _from_gin(path: Path) -> dict[str, Any]:
    """The bindings as arguments."""
    bound = gin.parse(path)
    made: dict[str, Any] = {}
    kind = None
    if "AudioClassifier.frontend" in bound:
        made["frontend"] = kind = _frontend(path, bound["AudioClassifier.frontend"])
    own = FRONTENDS.get(kind or "leaf") or "Leaf"
    for name in _OF_FRONTEND:
        # Leaf's own parameters hold for the classes that are made from it.
        for owner in (own,) if own == "MelFilterbanks" else ("Leaf", own):
            if f"{owner}.{name}" in bound:
                made[name] = _plain(path, f"{owner}.{name}", bound)
    made |= {ours: _plain(path, name, bound) for name, ours in _DIRECT.items() if name in bound}
    return made | _layers(path, own, bound)


def _frontend(path: Path, value: Any) -> str:
    names = {official: ours for ours, official in FRONTENDS.items()}
    name = value.name if isinstance(value, gin.Reference) else value
    if name not in names:
        expected = f"one of {', '.join(f'@{each}()' for each in names if each)}"
        raise _refusal(path, "AudioClassifier.frontend", expected, value)
    return names[name]


def _layers(path: Path, own: str, bound: Mapping[str, Any]) -> dict[str, Any]:
    """What is bound by reference: compression, convolution, activation."""
    made: dict[str, Any] = {}
    compression = bound.get(f"{own}.compression_fn", "unbound")
    kinds = {"PCENLayer": "pcen", "log_compression": "log", None: "none"}
    if compression != "unbound":
        name = compression.name if isinstance(compression, gin.Reference) else compression
        if name not in kinds:
            expected = "@PCENLayer(), @log_compression or None"
            raise _refusal(path, f"{own}.compression_fn", expected, compression)
        made["compression"] = kinds[name]
        if kinds[name] == "pcen":
            made["pcen_floor"] = bound.get("PCENLayer.floor", 1e-6)
    for parameter in _CLASSES if own == "Leaf" else ():  # others have classes of their own
        if parameter in bound:
            _check_class(path, parameter, bound[parameter])
    convolution = bound.get("Leaf.conv1d_cls")
    if isinstance(convolution, gin.Reference) and convolution.name in _CONVOLUTIONS:
        made["conv1d_cls"] = _CONVOLUTIONS[convolution.name]
    activation = bound.get("Leaf.activation", gin.Reference("SquaredModulus"))
    if activation != gin.Reference("SquaredModulus"):
        raise _refusal(path, "Leaf.activation", "@SquaredModulus()", activation)
    return made


def _check_class(path: Path, parameter: str, value: Any) -> None:
    known = _CLASSES[parameter]
    if not isinstance(value, gin.Reference) or value.name not in known:
        expected = f"one of {', '.join(f'@{name}' for name in known)}"
        raise _refusal(path, parameter, expected, value)


def _plain(path: Path, name: str, bound: Mapping[str, Any]) -> Any:
    value = bound[name]
    if isinstance(value, gin.Reference):
        raise _refusal(path, name, "a number, text, True, False or None", value)
    return value


def _refusal(path: Path, name: str, expected: str, got: object) -> LeafError:
    fix = "bind what the training used; other layers have to be converted by hand"
    return LeafError("gin", f"{path}: {name}", expected, got, fix)
