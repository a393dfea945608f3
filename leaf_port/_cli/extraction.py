"""From clips to features."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from leaf_port import _checks
from leaf_port._cli import frontends
from leaf_port._cli.audio import Clip, Float32
from leaf_port._cli.frontends import Asked, Float64, Name, Settings
from leaf_port._cli.refusal import WHERE, refusal
from leaf_port._frame_times import frame_times
from leaf_port._quantities import quantity
from leaf_port.errors import InitialFilterWarning, LeafError

if TYPE_CHECKING:  # it needs safetensors, which only --weights does
    from leaf_port._cli.weights import Folder

_COPIES = 3  # of the filtered signal that a forward pass holds at once


@dataclass(frozen=True)
class Features:
    """The features of a clip and what is needed to show them.

    Attributes:
        clip: what they were computed from.
        settings: of the frontend.
        weights: where its weights come from; None for the initial ones.
        sample_rate: that the clip was taken to have, in Hz.
        values: ``(frames, filters)``.
        times: middle of each frame in seconds, ``(frames,)``.
        frequencies: centre of each filter in Hz, ``(filters,)``, in the order of ``values``.
        quantity: what the values are, in words.
    """

    clip: Clip
    settings: Settings
    weights: Path | None
    sample_rate: int
    values: Float32
    times: Float64
    frequencies: Float64
    quantity: str = ""

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.clip.samples) / self.sample_rate


class Extractor:
    """Computes features; keeps one frontend for each sample rate that it meets.

    Args:
        settings: of the frontend.
        sample_rate: to use instead of the clips' own, in Hz. Nothing is resampled.
        weights: a safetensors file, or the frontend of a folder; None for the initial weights.
        mono: whether clips of several channels are taken, as their mean.

    Attributes:
        sample_rate_is_told: whether it is known which sample rate the weights are for.
        weights_rate: that such weights are taken for, in Hz: the first clip's, which other
            processes may have; None where the first one here tells.

    Raises:
        LeafError: settings out of range, a sample rate below 1 or other than the folder's, weights
            that cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        sample_rate: int | None,
        weights: Path | Folder | None,
        mono: bool = False,
    ) -> None:
        settings.check()
        if sample_rate is not None:
            _checks.at_least(WHERE, "--sample-rate", sample_rate)
        self.settings = settings
        self.mono = mono
        self.sample_rate = sample_rate
        self.sample_rate_is_told = sample_rate is not None or not isinstance(weights, Path)
        self.weights = weights if weights is None or isinstance(weights, Path) else weights.path
        self.weights_rate: int | None = None
        self._state = None
        self._modules: dict[int, nn.Module] = {}
        if isinstance(weights, Path):
            from leaf_port._cli.weights import read_weights  # needs safetensors

            self._state = read_weights(weights)
        elif weights is not None:
            if sample_rate not in (None, weights.sample_rate):
                expected = f"{weights.sample_rate} Hz, as the weights are for"
                raise refusal("--sample-rate", expected, f"{sample_rate} Hz", "leave it out")
            self._modules[weights.sample_rate] = weights.module

    @classmethod
    def of_options(
        cls,
        asked: Asked,
        sample_rate: int | None,
        weights: Path | None,
        mono: bool = False,
    ) -> Extractor:
        """From the command's options; a folder of weights tells what is not given."""
        if weights is None:
            return cls(asked.settings(), sample_rate, None, mono)
        asked.refuse_band(weights)
        from leaf_port._cli.weights import folder_of, read_folder  # needs safetensors

        folder = folder_of(weights)
        if folder is None:
            return cls(asked.settings(), sample_rate, weights, mono)
        found = read_folder(folder, asked)
        return cls(found.settings, sample_rate, found, mono)

    def __call__(self, clip: Clip) -> Features:
        """The features of ``clip``.

        Raises:
            LeafError: a clip too short or too long for the frontend, a sample rate it refuses,
                weights that do not fit it, features that are not finite.
        """
        rate = self.rate(clip.sample_rate)
        module = self.module(clip.path, rate)
        with _about(clip.path, rate):
            values = self._evaluate(module, clip)
        times = frame_times(module, len(values), len(clip.samples), WHERE)
        frequencies = frontends.center_frequencies(module, rate)
        told = self.settings, self.weights, rate
        return Features(clip, *told, values, times, frequencies, quantity(module))

    def rate(self, own: int) -> int:
        """The sample rate that a clip is taken to have, in Hz, from that of its file."""
        return own if self.sample_rate is None else self.sample_rate

    def module(self, clip: Path, rate: int) -> nn.Module:
        """The frontend for a clip of a rate; of given weights there is one only."""
        if rate in self._modules:
            return self._modules[rate]
        only = next(iter(self._modules), self.weights_rate)
        if self.weights is not None and only not in (None, rate):
            told = "as the weights are for" if self._state is None else "as the clips before it"
            fix = f"resample it; --sample-rate {only} takes the samples as they are"
            raise refusal(clip, f"{only} Hz, {told}", f"{rate} Hz", fix)
        with _about(clip, rate):
            self._modules[rate] = self._build(rate)
        return self._modules[rate]

    def _build(self, rate: int) -> nn.Module:
        if self.weights is None or self._state is None:
            return frontends.build(self.settings, rate)
        from leaf_port._cli.weights import load_weights

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InitialFilterWarning)
            module = frontends.build(self.settings, rate)
        load_weights(module, self.weights, self._state)
        return module

    def _evaluate(self, module: nn.Module, clip: Clip) -> Float32:
        self._check_memory(clip)
        with torch.inference_mode():
            outputs = module(torch.from_numpy(clip.samples)[None])
        values = np.asarray(outputs[0].numpy(), dtype=np.float32)
        return checked_frames(clip.path, len(clip.samples), values)

    def _check_memory(self, clip: Clip) -> None:
        """Refuses a clip whose filtered signal, one sample a filter, the memory cannot hold."""
        if self.settings.name is Name.MEL:
            return
        elements = _COPIES * 2 * self.settings.n_filters * len(clip.samples)
        try:
            _checks.fits_memory(WHERE, str(clip.path), clip.path, elements)
        except LeafError as error:
            expected = "a clip that fits in memory once filtered"
            got = f"{len(clip.samples)} samples ({4 * elements / 2**30:.1f} GiB)"
            fix = "cut it into shorter clips"
            raise refusal(clip.path, expected, got, fix) from error


def checked_frames(clip: Path, samples: int, values: Float32) -> Float32:
    """``(frames, filters)``, if there are any and all are finite."""
    if not len(values):
        got = f"{samples} samples, which give no frame"
        raise refusal(clip, "at least one window", got, "give a longer clip")
    if not np.isfinite(values).all():
        got = "NaN or infinity among them"
        raise refusal(clip, "finite features", got, "check the clip and --weights")
    return values


@contextlib.contextmanager
def _about(clip: Path, rate: int) -> Iterator[None]:
    """Makes errors of the frontend errors about a clip."""
    try:
        yield
    except LeafError as error:
        if error.owner == WHERE:
            raise
        about = f"{clip} ({rate} Hz): {error.owner}.{error.argument}"
        raise refusal(about, error.expected, error.got, error.fix) from error
