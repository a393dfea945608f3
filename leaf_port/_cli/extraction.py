"""From clips to features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from leaf_port import _checks
from leaf_port._cli import frontends
from leaf_port._cli.audio import Clip, Float32
from leaf_port._cli.frontends import Float64, Name, Settings
from leaf_port._cli.refusal import WHERE, refusal
from leaf_port.errors import LeafError

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
    """

    clip: Clip
    settings: Settings
    weights: Path | None
    sample_rate: int
    values: Float32
    times: Float64
    frequencies: Float64

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.clip.samples) / self.sample_rate


class Extractor:
    """Computes features; keeps one frontend for each sample rate that it meets.

    Args:
        settings: of the frontend.
        sample_rate: to use instead of the clips' own, in Hz. Nothing is resampled.
        weights: a safetensors file; None for the initial weights.

    Raises:
        LeafError: settings out of range, a sample rate below 1, weights that cannot be read.
    """

    def __init__(self, settings: Settings, sample_rate: int | None, weights: Path | None) -> None:
        settings.check()
        if sample_rate is not None:
            _checks.at_least(WHERE, "--sample-rate", sample_rate)
        self.settings = settings
        self.sample_rate = sample_rate
        self.weights = weights
        self._state = None
        if weights is not None:
            from leaf_port._cli.weights import read_weights  # needs safetensors

            self._state = read_weights(weights)
        self._modules: dict[int, nn.Module] = {}

    def __call__(self, clip: Clip) -> Features:
        """The features of ``clip``.

        Raises:
            LeafError: a clip too short or too long for the frontend, a sample rate it refuses,
                weights that do not fit it, features that are not finite.
        """
        rate = clip.sample_rate if self.sample_rate is None else self.sample_rate
        try:
            module = self._module(rate)
            values = self._evaluate(module, clip)
        except LeafError as error:
            if error.where == WHERE:
                raise
            about = f"{clip.path} ({rate} Hz): {error.where}.{error.argument}"
            raise refusal(about, error.expected, error.got, error.fix) from error
        settings = self.settings
        times = frontends.frame_times(settings, rate, len(clip.samples), len(values))
        frequencies = frontends.center_frequencies(module, rate)
        return Features(clip, settings, self.weights, rate, values, times, frequencies)

    def _module(self, rate: int) -> nn.Module:
        if rate not in self._modules:
            module = frontends.build(self.settings, rate)
            if self.weights is not None and self._state is not None:
                from leaf_port._cli.weights import load_weights

                load_weights(module, self.weights, self._state)
            self._modules[rate] = module
        return self._modules[rate]

    def _evaluate(self, module: nn.Module, clip: Clip) -> Float32:
        self._check_memory(clip)
        with torch.inference_mode():
            outputs = module(torch.from_numpy(clip.samples)[None])
        values = np.asarray(outputs[0].numpy(), dtype=np.float32)
        where = str(clip.path)
        if not len(values):
            got = f"{len(clip.samples)} samples, which give no frame"
            raise refusal(where, "at least one window", got, "give a longer clip")
        if not np.isfinite(values).all():
            got = "NaN or infinity among them"
            raise refusal(where, "finite features", got, "check the clip and --weights")
        return values

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
