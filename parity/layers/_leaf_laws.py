"""What no recorded answer shows of Leaf: the user's parts, the way of its energies, a warning."""

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from leaf_port import (
    ChannelsFirst,
    ChannelWiseLearnablePooling1d,
    Constant,
    Conv1d,
    GaborConv1d,
    GaborInit,
    GaussianLowpass,
    Leaf,
    MaxPooling1d,
    NormalizedConv1d,
    SampleRateWarning,
    SincConv1d,
    SincNet,
    SincNetPlus,
    SpecAugment,
    _rates,
    _registry,
    pretrained,
)
from leaf_port._bands import of_layer
from leaf_port._lengths import by_length
from leaf_port._ops.energies.choice import Energies
from leaf_port.errors import LeafError
from parity.layers._common import asked_memory
from parity.port.operations_watch import OperationsWatch
from parity.spec.invariant import unlike
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
    clips = _clips().double()
    told: dict[str, Any] = {"n_filters": 3, "compression_fn": None}
    leaf, official = _OfTheWaveform(**told).double(), Leaf(**told, energies="direct").double()
    features, wanted = leaf(clips), 2.0 * official(clips)
    if not torch.equal(features, torch.clamp(wanted, min=1e-5)):
        return "others are compressed"
    rows = leaf(clips, lengths=[900, 400])
    alone = (wanted[:1], 2.0 * official(clips[1:, :400]))
    for row, one in zip(rows, alone, strict=True):
        heard, right = row[: one.shape[1]], torch.clamp(one[0], min=1e-5)
        if problem := unlike(heard.numpy(), right.numpy()):
            return f"of clips of several lengths others are compressed: {problem}"
    return ""


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
    heard = list[Tensor]()
    activation = nn.ReLU()
    activation.register_forward_hook(lambda _layer, inputs, output: heard.extend([*inputs, output]))
    with torch.enable_grad():
        Leaf(n_filters=3, activation=activation)
    silent = not any(each.requires_grad or bool(each.any()) for each in heard)
    return "" if silent else "it hears something, or a gradient, when a frontend is built"


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


class _Told(nn.Module):
    """A part of the user's, which keeps what it is told."""

    def __init__(self, **told: Any) -> None:
        super().__init__()
        self.told = told
        self.weight = nn.Parameter(torch.ones(1), requires_grad=told["trainable"])


class _ToldConvolution(_Told):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.expand(-1, -1, self.told["filters"])


class _ToldPooling(_Told):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, :: self.told["strides"]]


def parts_of_the_users() -> str:
    """Convolution and pooling of the user's are told what the official ones are told."""
    filters, windows = GaborInit(), Constant(0.3)
    leaf = Leaf(
        n_filters=3,
        conv1d_cls=_ToldConvolution,
        pooling_cls=_ToldPooling,
        complex_conv_init=filters,
        pooling_init=windows,
        regularizer_fn=_penalty,
        learn_pooling=False,
    )
    common = {"kernel_size": 401, "padding": "SAME", "use_bias": False}
    wanted = {
        "complex_conv": {
            **common,
            "filters": 6,
            "strides": 1,
            "kernel_initializer": filters,
            "kernel_regularizer": _penalty,
            "trainable": True,
        },
        "pooling": {
            **common,
            "num_channels": 3,
            "strides": 160,
            "kernel_initializer": windows,
            "kernel_regularizer": None,
            "trainable": False,
        },
    }
    for name, told in wanted.items():
        if (found := getattr(leaf, name).told) != told:
            return f"{name} is told {found}, not {told}"
    return ""


class _Weightless(nn.Module):
    """A convolution of the user's that has no weights."""

    def __init__(self, **told: Any) -> None:
        super().__init__()
        self.filters = told["filters"]

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.expand(-1, -1, self.filters)


def without_weights() -> str:
    """A convolution of the user's needs no weights."""
    leaf = Leaf(n_filters=3, conv1d_cls=_Weightless)
    found = leaf.pooling.num_channels
    return "" if found == 3 else f"behind it there are {found} channels"


def _penalty(weight: Tensor) -> Tensor:
    return weight.abs().sum()


class _Asked(nn.Module):
    """An activation of the user's, which keeps what it is asked, and in which mode."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[object, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.asked.append((tuple(x.shape), x.dtype, x.device.type, self.training))
        return x[..., :5]


def asked_of_the_users() -> str:
    """When it is built, an activation of the user's is asked once, in evaluation mode.

    On a window of silence, on the device and in the precision of the convolution of the user's.
    """
    moves: tuple[tuple[torch.dtype | None, str], ...] = (
        (None, "cpu"),
        (torch.float64, "cpu"),
        (None, "meta"),
    )
    windows: tuple[tuple[int, float], ...] = ((401, 25.0), (2, 0.05))  # of one sample, two
    for (samples, window), (dtype, device) in itertools.product(windows, moves):
        activation = _Asked()
        with torch.autocast("cpu", torch.bfloat16):
            leaf = Leaf(
                n_filters=3,
                activation=activation,
                conv1d_cls=partial(_moved, device, dtype),
                compression_fn=None,
                pooling_cls=MaxPooling1d,
                window_len=window,
            )
        wanted = [((1, samples, 6), dtype or torch.float32, device, False)]
        if activation.asked != wanted:
            return f"it is asked {activation.asked}, not {wanted}"
        if leaf.pooling.num_channels != 5:
            return f"the pooling has {leaf.pooling.num_channels} channels, the activation 5"
        if not all(module.training for module in leaf.modules()):
            return "something is left in evaluation mode"
    return ""


def _moved(device: str, dtype: torch.dtype | None, **told: Any) -> Conv1d:
    return Conv1d(**told).to(device, dtype)


def told_lengths() -> str:
    """Of lengths that are refused the first 80 letters are told."""
    many: list[Any] = [0.5] * 100
    leaf = Leaf(n_filters=3)
    for call in (leaf.frames, partial(leaf, _clips())):
        try:
            call(lengths=many)
        except LeafError as error:
            if error.argument != "lengths" or error.got != str(many)[:80]:
                return str(error)
        else:
            return "they are taken"
    return ""


def learned() -> str:
    """Filters and pre-emphasis are trained where filters are learned, windows where these are."""
    for filters, windows in itertools.product((False, True), (False, True)):
        leaf = Leaf(n_filters=3, preemp=True, learn_filters=filters, learn_pooling=windows)
        for name, each in leaf.named_parameters():
            part = name.partition(".")[0]
            wanted = {"pooling": windows, "compress_fn": True}.get(part, filters)
            if each.requires_grad is not wanted:
                return f"{name} with learn_filters={filters}, learn_pooling={windows}"
    return ""


def channels_without_memory() -> str:
    """Built without memory, the parts have as many channels as built with it."""
    leaky = nn.LeakyReLU(0.1)
    for conv, activation in (
        (Conv1d, leaky),
        (SincConv1d, leaky),
        (SincConv1d, None),
        (_Mine, None),
    ):
        found = []
        for device in ("cpu", "meta"):
            with torch.device(device):
                leaf = Leaf(n_filters=4, conv1d_cls=conv, activation=activation)
            found.append(leaf.pooling.num_channels)
        if found[0] != found[1]:
            return f"{conv.__name__}, {activation}: {found[1]} channels, with memory {found[0]}"
    return ""


class _Mine(Conv1d):
    """A convolution of the user's with channels of its own."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs).repeat(1, 1, 2)


def built_in_inference_mode() -> str:
    """A frontend that was built in inference mode answers outside of it too."""
    with torch.inference_mode():
        leaf = Leaf(n_filters=3, compression_fn="log")
        before = leaf(_clips())
    return "" if torch.equal(leaf(_clips()), before) else "it answers otherwise"


def memory_of_whole_numbers() -> str:
    """A model that a folder describes gets memory of the dtypes that its buffers have."""
    with torch.device("meta"):
        layer = nn.BatchNorm1d(3)
    dtype = pretrained.materialised(layer).num_batches_tracked.dtype
    return "" if dtype == torch.int64 else f"a counter is {dtype}"


@torch.no_grad()
def lengths_elsewhere() -> str:
    """Lengths tell the same where torch's default device has no values."""
    for leaf in (Leaf(n_filters=3), Leaf(n_filters=3, mean_var_norm=True)):
        usual = leaf(_clips(), lengths=[900, 500])
        with torch.device("meta"):
            found = leaf(_clips(), lengths=[900, 500])
        if not torch.equal(found, usual):
            return "under another default device they tell something else"
        no_clip = _clips()[:0]
        shapes = leaf(no_clip).shape, leaf(no_clip, lengths=[]).shape
        if shapes[0] != shapes[1]:
            return f"lengths of no clip make features of {tuple(shapes[1])}"
    with FakeTensorMode():  # a graph knows how many clips are as long
        by_length(lambda rows: rows, torch.empty(3, 5, 1), [5, 3, 5])
    clips = torch.rand(2, 5, 1)
    if by_length(lambda rows: rows, clips, [3, 3]).data_ptr() != clips.data_ptr():
        return "clips of one length are copied"
    if by_length(lambda rows: rows, clips[:0], []).shape != (0, 5, 1):
        return "of no clip there is something"
    return ""


def taken_at_once() -> str:
    """Clips of several lengths are compressed at once, where no feature hears a later frame."""
    lengths = [900, 500]
    frontends = {
        "the usual one": (Leaf(n_filters=3), 1),
        "one that augments in training": (Leaf(n_filters=3, spec_augment=True).eval(), 1),
        "one that augments": (Leaf(n_filters=3, spec_augment=True), 2),
        "one that normalises a clip": (Leaf(n_filters=3, mean_var_norm=True), 2),
        "one with a compression of the user's": (Leaf(n_filters=3, compression_fn=_Root()), 2),
        "one with energies of the user's": (_OfTheWaveform(n_filters=3), 2),
    }
    for name, (leaf, wanted) in frontends.items():
        compressed: list[object] = []
        assert isinstance(leaf.compress_fn, nn.Module)  # noqa: S101
        leaf.compress_fn.register_forward_hook(lambda *told: compressed.append(told))  # noqa: B023
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            leaf(_clips(), lengths=lengths)
        if len(compressed) != wanted:
            return f"{name}: compressed {len(compressed)} times, not {wanted}"
    return ""


class _Root(nn.Module):
    """A compression of the user's."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sqrt()


class _Augmentation(SpecAugment):
    """An augmentation of the user's."""


def told_parts() -> str:
    """What is told of an augmentation, and of a pooling of the user's."""
    mine, others = _Augmentation(), SpecAugment(time_mask_count=5)
    for given, wanted in (
        (False, False),
        (True, True),
        (SpecAugment(), True),
        (others, others),
        (mine, mine),
    ):
        told = Leaf(n_filters=3, spec_augment=given)._arguments()["spec_augment"]
        if told is not wanted:
            return f"of the augmentation {given} is told {told}"
    for kind in (Leaf, SincNet, SincNetPlus):
        leaf = kind(n_filters=3)
        leaf.pooling = _Root()
        if (told := leaf._arguments().get("pooling_padding", "nothing")) is not None:
            return f"{kind.__name__}: of the padding of a pooling of the user's is told {told}"
    return ""


def memory_of_filters() -> str:
    """It asks whether the taps of all filters fit, before it makes any."""
    leaf = Leaf(n_filters=6, window_len=20.0)
    assert isinstance(leaf.complex_conv, GaborConv1d)  # noqa: S101
    taps = leaf.complex_conv.impulse_responses().numel()
    owner, argument, count = asked_memory(lambda: Leaf(n_filters=6, window_len=20.0))[0]
    if (owner, argument) != ("Leaf", "window_len"):
        return f"{owner} asks first, for {argument}"
    return "" if count == taps else f"it asks for {count} numbers, the filters have {taps}"


def gradient_by_the_waveform() -> str:
    """Where it is asked for, 'auto' takes it layer by layer, and 'fft' as all others, at once."""
    ways: tuple[tuple[Energies, bool], ...] = (("auto", True), ("fft", False))
    for way, layered in ways:
        leaf, clips = Leaf(n_filters=3, energies=way), _clips()[..., None].requires_grad_()
        total = leaf.energies(clips).sum()
        with OperationsWatch() as watch:
            torch.autograd.grad(total, clips)
        if any(name.startswith("convolution") for name in watch.seen) is not layered:
            return f"{way!r} takes it {'at once' if layered else 'layer by layer'}"
    return ""


def first_filters() -> str:
    """The default filters are the official ones of 16 kHz, as many as there are."""
    for count in (13, 41, 60):  # of which some lie near the middle between two bins
        kernel = Leaf(n_filters=count).get_parameter("complex_conv.kernel")
        wanted = GaborInit(sample_rate=16000, min_freq=60.0, max_freq=7800.0)(
            kernel.shape, kernel.dtype
        )
        if not torch.equal(kernel, wanted):
            return f"of {count} filters some are others"
    return ""


class _Plain(nn.Module):
    """A frontend of the user's that knows no lengths."""

    def forward(self, waveform: Tensor) -> Tensor:
        return waveform[..., None]


@torch.no_grad()
def channels_first() -> str:
    """The other layout is the same features, of one clip or of several, and tells its frontend."""
    frontend = Leaf(n_filters=3)
    model, clips = ChannelsFirst(frontend), _clips()
    if _registry.KINDS.get("ChannelsFirst") is not ChannelsFirst:
        return "no folder may name it"
    if model._arguments() != {"frontend": frontend} or model.frontend is not frontend:
        return f"{model._arguments()} is told"
    features = frontend(clips).mT
    lengths = [900, 400]
    for how, made, wanted in (
        ("several", model(clips), features),
        ("several with a channel", model(clips[:, None]), features),
        ("one of them", model(clips[0]), frontend(clips[:1])[0].mT),
        ("with lengths", model(clips, lengths=lengths), frontend(clips, lengths=lengths).mT),
        ("of a frontend without lengths", ChannelsFirst(_Plain())(clips), clips[:, None]),
        ("one with its length", model(clips[0], [400]), frontend(clips[:1], [400])[0].mT),
    ):
        if not torch.equal(made, wanted):
            return f"{how}: other features"
    for given in (torch.ones(2, 2, 900), torch.ones(2, 1, 1, 900)):
        try:
            model(given)
        except LeafError as error:
            if (error.owner, error.argument) != ("ChannelsFirst", "inputs"):
                return str(error)
            if str(tuple(given.shape)) != error.got:
                return f"{error.got} is told of {tuple(given.shape)}"
        else:
            return f"{tuple(given.shape)} is taken"
    return ""


def parts_of_folders() -> str:
    """Which classes of convolution and pooling a model's folder may name."""
    parts = (Conv1d, GaborConv1d, NormalizedConv1d, GaussianLowpass, ChannelWiseLearnablePooling1d)
    expected = {type(each(2, 3)).__name__: each for each in parts}
    return "" if expected == _registry.PARTS else f"they are {sorted(_registry.PARTS)}"


def centres_and_widths() -> str:
    """Centres and widths of the filters, in this order; another rate scales sinc filters alone."""
    for leaf in (Leaf(n_filters=3), SincNet(n_filters=3)):
        centres, widths = of_layer(leaf.complex_conv, 16000)
        if not torch.equal(leaf.center_frequencies(), centres):
            return "centres are others"
        if not torch.equal(leaf.bandwidths(), widths):
            return "widths are others"
        if torch.equal(centres, widths):
            return "centres are widths"
    for kind in (SincNet, SincNetPlus):
        leaf = kind.for_sample_rate(24000, n_filters=3)
        if (leaf.sample_rate, leaf.n_filters) != (24000, 3) or type(leaf) is not kind:
            return f"{kind.__name__}.for_sample_rate(24000) is {leaf}"
    return ""
