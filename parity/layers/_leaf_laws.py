"""What no recorded answer shows of Leaf: the user's parts, the way of its energies, a warning."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor, nn

from leaf_port import GaborInit, GaussianLowpass, Leaf, SampleRateWarning, _rates
from leaf_port.errors import LeafError
from parity.spec.random_arrays import Source


def _clips() -> Tensor:
    return torch.from_numpy(Source(1).audio(2, 900))


class _OfTheWaveform(Leaf):
    """Energies of its own, which take no lengths."""

    def energies(self, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return 2.0 * self._direct_energies(inputs)


class _Pooling(GaussianLowpass):
    """A pooling of the user's."""


@torch.no_grad()
def energies_of_the_users() -> str:
    """A frontend may have energies of the waveform alone; they are what is compressed."""
    features = _OfTheWaveform(n_filters=3, compression_fn=None)(_clips())
    wanted = 2.0 * Leaf(n_filters=3, compression_fn=None, energies="direct")(_clips())
    return "" if torch.equal(features, torch.clamp(wanted, min=1e-5)) else "others are compressed"


@torch.no_grad()
def biased_pooling() -> str:
    """Gaussian windows, those of the user's too, may have a bias, which is 1 at first."""
    for pooling in (GaussianLowpass, _Pooling):
        leaf = Leaf(n_filters=3, compression_fn=None, pooling_cls=pooling, pooling_bias=True)
        plain = Leaf(n_filters=3, compression_fn=None, pooling_cls=pooling, energies="direct")
        off = (leaf(_clips()) - plain(_clips()) - 1.0).abs().max().item()
        if off > 1e-5:
            return f"{pooling.__name__}: off by {off}"
    return ""


@torch.no_grad()
def channels_of_the_users() -> str:
    """Pooling and all behind it have as many channels as the user's activation gives."""
    for activation in (nn.ReLU(), nn.LeakyReLU(0.1)):
        features = Leaf(n_filters=3, activation=activation)(_clips())
        if features.shape[-1] != 6:
            return f"{features.shape[-1]} channels behind {activation}, not 6"
    return ""


@torch.no_grad()
def energies_at_once() -> str:
    """Where no gradient is wanted, 'auto' is the way that 'fft' is and 'direct' is not."""
    fft, auto, direct = (
        Leaf(n_filters=5, energies=way)(_clips()) for way in ("fft", "auto", "direct")
    )
    if not torch.equal(fft, auto):
        return "'auto' is another way than 'fft'"
    return "'fft' is the way of 'direct'" if torch.equal(fft, direct) else ""


@torch.no_grad()
def told_frames() -> str:
    """How many frames it tells of clips is how many it gives, and none of those it cannot take."""
    for padding in ("SAME", "VALID", "SYMMETRIC"):
        leaf = Leaf(n_filters=2, compression_fn=None, pooling_padding=padding)
        for samples in (-300, 0, 1, 160, 161, 400, 401, 560, 561, 900):
            wanted = _frames(leaf, samples)
            told = leaf.frames(samples)
            if told != wanted or leaf.frames([samples, samples]).tolist() != [wanted] * 2:  # type: ignore[union-attr]
                return f"of {samples} samples, {padding}, it tells {told} frames, not {wanted}"
    return ""


def _frames(leaf: Leaf, samples: int) -> int:
    """Of a clip; none of one that is refused."""
    if samples < 1:
        return 0
    try:
        return int(leaf(_clips()[:, :samples]).shape[1])
    except LeafError:
        return 0


def other_rates_warn() -> str:
    """The first frontend of a process warns whose default filters are of another rate."""
    filters = GaborInit(24000, 60.0, 7800.0)
    with _nobody_warned():
        for told, arguments in (
            ("no rate", {}),
            ("filters of its own", {"sample_rate": 24000, "complex_conv_init": filters}),
        ):
            if found := _warned(**arguments):
                return f"with {told} it warns: {found}"
        found = _warned(sample_rate=24000)
        if "Leaf(sample_rate=24000)" not in found:
            return f"at another rate it does not warn: {found}"
        return "it warns twice" if _warned(sample_rate=24000) else ""


@contextmanager
def _nobody_warned() -> Iterator[None]:
    with mock.patch.object(_rates, "_warned", set()):
        yield


def _warned(**arguments: object) -> str:
    """What a new frontend warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Leaf(n_filters=3, **arguments)  # type: ignore[arg-type]
    return "; ".join(str(e.message) for e in caught if e.category is SampleRateWarning)
