"""What frontends tell of wrong waveforms, and take of compressions: no recorded answer shows it."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from unittest import mock

import torch
from torch import Tensor, nn

from leaf_port import PCEN, Leaf, MelFilterbanks, _rates, log_compression, streaming
from leaf_port.errors import LeafError
from leaf_port.normalization import LayerNormalization
from leaf_port.stable_pcen import StablePCEN
from parity.layers._common import asked_memory
from parity.port import told_lengths
from parity.spec.invariant import ROUNDING
from parity.spec.random_arrays import Source


def hints() -> str:
    """Of a waveform of too few axes the batch axis is missing, of too many axes some are."""
    wanted = {1: "add the batch axis: x[None]", 4: "flatten the other axes"}
    for frontend in (Leaf(n_filters=3), MelFilterbanks(n_filters=3)):
        for axes in (0, 1, 4, 5):
            told = _refused(frontend, torch.zeros([1] * (axes - 1) + [900] * bool(axes)))
            if told != wanted.get(axes, wanted[4]):
                return f"{type(frontend).__name__}, of {axes} axes: {told!r}"
    return ""


def _refused(frontend: nn.Module, waveform: Tensor) -> str:
    try:
        frontend(waveform)
    except LeafError as error:
        return error.fix
    return "accepted"


# Of a rate and a window in samples the size of the transform: a power of two that holds both.
_SIZES = {
    (16000, 1): 512,
    (16000, 512): 512,
    (16000, 513): 1024,
    (16000, 1024): 1024,
    (16000, 1601): 2048,
    (44100, 1025): 2048,
    (44100, 2048): 2048,
    (44100, 2049): 4096,
    (64000, 1): 2048,
    (96000, 1): 4096,
    (8000, 100): 512,
}


def sizes_of_transforms() -> str:
    """The transform of mel filters is as long as the rate asks for, and holds a window."""
    for (rate, window), size in _SIZES.items():
        if (found := _rates.n_fft(rate, window)) != size:
            return f"{found} for a window of {window} samples at {rate} Hz, not {size}"
    return ""


def memory() -> str:
    """A frontend is built where the memory holds just as many numbers as it asks for."""
    build = functools.partial(Leaf, n_filters=3)
    most = max(numbers for _, _, numbers in asked_memory(build))
    for held, built in ((most, True), (most - 1, False)):
        told = {"SC_PAGE_SIZE": 4, "SC_PHYS_PAGES": held}  # a number has 4 bytes
        with mock.patch.object(os, "sysconf", side_effect=told.__getitem__):
            try:
                build()
            except LeafError as error:
                if built or not error.expected.startswith("filters that fit in the memory of"):
                    return f"of {most} numbers, {held} fit: {error}"
            else:
                if not built:
                    return f"of {most} numbers, {held} are said to be enough"
    return ""


def _mean_free(energies: Tensor) -> Tensor:
    """A compression that hears the whole clip."""
    return energies - energies.mean(dim=1, keepdim=True)


class _MeanFree(nn.Module):
    def forward(self, energies: Tensor) -> Tensor:
        """A compression that hears the whole clip."""
        return _mean_free(energies)


class _OfTheUser(PCEN):
    def forward(self, inputs: Tensor) -> Tensor:
        """PCEN of what hears the whole clip."""
        return super().forward(_mean_free(inputs).square())


class _Log(nn.Module):
    def forward(self, energies: Tensor) -> Tensor:
        """What hears no other frame, but nobody knows."""
        return torch.log(energies)


def _others() -> Iterator[tuple[object, str]]:
    """Compressions that may hear later frames, and how they are told."""
    yield _MeanFree(), "_MeanFree"
    yield _OfTheUser(3), "_OfTheUser"
    yield _mean_free, repr(_mean_free)
    partial = functools.partial(_mean_free)
    yield partial, repr(partial)
    yield _Log(), "_Log"


def compressions_by_length() -> str:
    """With lengths told, a compression of the user's hears nothing of the padding."""
    clip = torch.from_numpy(Source(1).audio(1, 900)).double()
    for compression, name in _others():
        leaf = Leaf(n_filters=3, compression_fn=compression).double()  # type: ignore[arg-type]
        if problem := next(told_lengths.unlike_alone(leaf, clip, ROUNDING), ""):
            return f"{name}: {problem}"
    return ""


def compressions_of_streams() -> str:
    """A stream takes the compressions that are known to hear no later frame, and refuses others."""
    partial = functools.partial(log_compression, log_offset=1e-3)
    known = (PCEN(3), StablePCEN(3), LayerNormalization(3), log_compression, partial, None)
    for taken in known:
        streaming.check_compression("Leaf", taken)
    expected = "PCEN, StablePCEN, log_compression, LayerNormalization or None"
    for compression, name in _others():
        try:
            streaming.check_compression("Leaf", compression)
        except LeafError as error:
            whole = error.owner, error.argument, error.expected, error.got
            if whole != ("Leaf.stream", "compression_fn", expected, name) or not error.fix:
                return f"of {name} it tells: {error}"
        else:
            return f"{name} is taken"
    return ""


LAWS = {
    "hints about wrong waveforms": hints,
    "memory that is just enough": memory,
    "sizes of transforms": sizes_of_transforms,
    "compressions of clips of several lengths": compressions_by_length,
    "compressions of streams": compressions_of_streams,
}
