"""Building a frontend by name and sample rate."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from leaf_port import _checks, frontend
from leaf_port._bands import of_layer
from leaf_port._cli.refusal import WHERE, refusal
from leaf_port._rates import n_fft

Float64 = npt.NDArray[np.float64]


class Name(enum.Enum):
    """The frontends, by the names of the official code."""

    LEAF = "leaf"
    TFBANKS = "tfbanks"
    SINCNET = "sincnet"
    SINCNET_PLUS = "sincnet_plus"
    MEL = "mel"


TITLES = {
    Name.LEAF: "LEAF",
    Name.TFBANKS: "Time-domain filterbanks",
    Name.SINCNET: "SincNet",
    Name.SINCNET_PLUS: "SincNet+",
    Name.MEL: "Mel filterbanks",
}


@dataclass(frozen=True)
class Settings:
    """What a frontend is built from.

    Attributes:
        name: which frontend.
        n_filters: how many filters.
        window_len: of the filters and the pooling, in milliseconds.
        window_stride: between two frames, in milliseconds.
        min_freq: where the lowest filter starts, in Hz; None for the default of the frontend.
        max_freq: where the highest one ends, in Hz; None likewise.
    """

    name: Name
    n_filters: int = 40
    window_len: float = 25.0
    window_stride: float = 10.0
    min_freq: float | None = None
    max_freq: float | None = None

    def check(self) -> None:
        """Refuses sizes that are not positive, in the words of the command's options."""
        _checks.at_least(WHERE, "--n-filters", self.n_filters)
        _checks.positive(WHERE, "--window-len", self.window_len)
        _checks.positive(WHERE, "--window-stride", self.window_stride)
        self._check_band()

    def _check_band(self) -> None:
        """Refuses a band that no sample rate allows; the frontend refuses one above its own."""
        band = {"--min-freq": self.min_freq, "--max-freq": self.max_freq}
        for option, given in band.items():
            if given is None:
                continue
            if self.name in (Name.SINCNET, Name.SINCNET_PLUS):
                expected = "a frontend whose filters span a band: leaf, tfbanks or mel"
                fix = "leave it out: these filters scale with the sample rate"
                raise refusal(option, expected, self.name.value, fix)
            if _checks.finite(WHERE, option, given) < 0:
                raise refusal(option, "at least 0 Hz", f"{given:g}", "raise it")
        if self.min_freq is None or self.max_freq is None or self.min_freq < self.max_freq:
            return
        expected = f"a number below --max-freq ({self.max_freq:g} Hz)"
        raise refusal("--min-freq", expected, f"{self.min_freq:g}", "exchange the two")

    def band(self) -> dict[str, float]:
        """The arguments of ``for_sample_rate`` for the band, as far as they are given."""
        band = {"min_freq": self.min_freq, "max_freq": self.max_freq}
        return {name: hertz for name, hertz in band.items() if hertz is not None}

    def window(self, sample_rate: int) -> tuple[int, int]:
        """Window and stride, in samples."""
        return _checks.window_samples(WHERE, sample_rate, self.window_len, self.window_stride)


@dataclass(frozen=True)
class Asked:
    """The options that say what a frontend is built from; None for one that is not given."""

    name: Name | None = None
    n_filters: int | None = None
    window_len: float | None = None
    window_stride: float | None = None
    min_freq: float | None = None
    max_freq: float | None = None

    def settings(self) -> Settings:
        """With the official defaults of what is not given."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return Settings(**{"name": Name.LEAF} | {k: v for k, v in given.items() if v is not None})

    def refuse_band(self, weights: Path) -> None:
        """Refuses a band beside weights, which are the filters that they are.

        Raises:
            LeafError: naming the option.
        """
        for option, given in (("--min-freq", self.min_freq), ("--max-freq", self.max_freq)):
            if given is not None:
                expected = f"no band beside --weights {weights}, which hold the filters"
                raise refusal(option, expected, f"{given:g}", "leave one of the two out")

    def refuse_others_than(self, kept: Settings, told_by: Path) -> None:
        """Refuses an option that contradicts what a file tells.

        Raises:
            LeafError: naming the first such option.
        """
        for field in fields(self):
            given, told = getattr(self, field.name), getattr(kept, field.name)
            if given not in (None, told):
                option = "--frontend" if field.name == "name" else f"--{field.name}"
                got, told = (v.value if isinstance(v, Name) else v for v in (given, told))
                expected = f"{told}, as {told_by} tells"
                raise refusal(option.replace("_", "-"), expected, got, "leave the option out")


def build(settings: Settings, sample_rate: int) -> nn.Module:
    """The frontend at its initial weights, ready to evaluate.

    See ``for_sample_rate`` of the classes. SincNet and SincNet+ never receive the sample rate, as
    in the official code: their bands scale with it.

    Raises:
        LeafError: sizes that the frontend refuses.
    """
    settings.check()
    window, _ = settings.window(sample_rate)
    return _construct(settings, sample_rate, window).eval()


def _construct(settings: Settings, rate: int, window: int) -> nn.Module:
    n_filters, length, stride = settings.n_filters, settings.window_len, settings.window_stride
    shape: dict[str, Any] = {"n_filters": n_filters, "window_len": length, "window_stride": stride}
    shape |= settings.band()
    if settings.name is Name.MEL:
        shape["n_fft"] = n_fft(rate, window)
    kinds: dict[Name, Any] = {
        Name.LEAF: frontend.Leaf,
        Name.TFBANKS: frontend.TimeDomainFilterbanks,
        Name.SINCNET: frontend.SincNet,
        Name.SINCNET_PLUS: frontend.SincNetPlus,
        Name.MEL: frontend.MelFilterbanks,
    }
    made: nn.Module = kinds[settings.name].for_sample_rate(rate, **shape)
    return made


def center_frequencies(module: nn.Module, sample_rate: int) -> Float64:
    """Centre frequency of each filter in Hz, in the order of the features: ``(n_filters,)``."""
    if isinstance(module, frontend.MelFilterbanks):
        centers = module.center_frequencies()
    else:
        centers = of_layer(module.get_submodule("complex_conv"), sample_rate)[0]
    return np.asarray(centers.numpy(), dtype=np.float64)
