"""Laws of Leaf's energies at once: every engine computes them and their gradients.

The three layers in float64 are the measure. ``_energies_ways`` asks which way is taken.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from leaf_port import GaborConv1d, GaussianLowpass, Leaf, padding
from leaf_port._ops.energies import (
    blocks,
    by_kernel,
    by_rows,
    by_torch,
    filters,
    library,
    operation,
    reach,
)
from leaf_port.constraints import GaborConstraint
from leaf_port.initializers import Constant

# A sum of squares of which each is as near as float32's rounding allows: some units of it.
BOUND = 2.0**-19
# Of a gradient as a whole, or of that by one clip.
GRADIENT_BOUND = 2.0**-18

CENTRES = (0.05, 0.5, 1.1, 3.0, 2.0)
WIDTHS = (30.0, 14.0, 1.5, 9.0, 25.0)
POOLING = (0.4, 0.001, 0.2, 0.45, 0.7)  # the second and the last beyond their bounds

GIVEN = ("filters", "pooling", "waveform", "bias")
"""What a gradient may be asked by."""


@dataclasses.dataclass(frozen=True)
class Some:
    """Some clips, and the window that hears them. All is in samples.

    Attributes:
        taps: of filters and windows.
        hop: between frames.
        samples: of the batch.
        lengths: of the clips; empty where all are whole.
        padding: of the pooling.
        bias: whether the pooling adds one.
        scale: of the second half of each clip.
        silent: the samples that are 0, from first to last.
        deaf: the frames that no gradient comes from.
    """

    taps: int
    hop: int
    samples: int
    lengths: tuple[int, ...] = ()
    padding: str = padding.SAME
    bias: bool = False
    scale: float = 1.0
    silent: tuple[int, int] = (0, 0)
    deaf: tuple[int, int] = (0, 0)

    @property
    def known(self) -> list[int] | None:
        """The lengths as ``Leaf.energies`` takes them."""
        return list(self.lengths) or None

    def leaf(self, energies: str = "fft") -> Leaf:
        """A frontend, the same each time."""
        leaf = Leaf(
            n_filters=len(CENTRES),
            sample_rate=1000,
            window_len=self.taps - 1,
            window_stride=self.hop,
            pooling_padding=self.padding,
            pooling_bias=self.bias,
            complex_conv_init=lambda _shape, dtype: torch.tensor(
                list(zip(CENTRES, WIDTHS, strict=True)), dtype=dtype
            ),
            energies=energies,  # type: ignore[arg-type]
        )
        with torch.no_grad():
            leaf.get_parameter("pooling.kernel").copy_(torch.tensor(POOLING).reshape(1, 1, -1, 1))
        return leaf

    def clips(self) -> Tensor:
        """``(clips, samples, 1)``; not zero behind a clip's end, where nothing may listen."""
        made = noise(len(self.lengths) or 2, self.samples)
        made[:, self.samples // 2 :] *= self.scale
        made[:, slice(*self.silent)] = 0.0
        return made.unsqueeze(2)

    def change(self, energies: Tensor) -> Tensor:
        """A gradient by energies, float32's numbers."""
        made = noise(*energies.shape, seed=1)
        made[:, slice(*self.deaf)] = 0.0
        return made.to(energies.dtype)


SHAPES = (
    Some(201, 80, 3000, (3000, 1900)),  # filters narrow enough for fewer points than a block has
    Some(201, 67, 2500),  # as above, where no segment starts on a sample of those
    Some(401, 160, 3300),  # filters of two numbers of points
    Some(51, 20, 1000),
    Some(51, 20, 3001),
    Some(51, 23, 1234, (1234, 300, 1, 51, 50, 300)),
    Some(51, 2, 700),  # as many frames as a block may have
    Some(50, 7, 800, (800, 450)),  # a segment starts between samples of the lower rate
    Some(51, 60, 900, (900, 61, 60, 59, 1)),  # samples that no frame hears
    Some(51, 23, 900, (900, 51, 200), padding=padding.VALID),
    Some(51, 23, 900, (900, 51, 47, 46, 1), padding=padding.SYMMETRIC),  # with a frame at an end
    Some(50, 7, 800, padding=padding.SYMMETRIC, bias=True),
    Some(51, 20, 700, (700, 90), bias=True),
    Some(50, 51, 901, (901, 900, 60), padding=padding.SYMMETRIC),
    Some(51, 20, 1300, scale=1e-4),
    Some(51, 20, 1),
    Some(51, 60, 2, (2, 1)),
    Some(51, 20, 1400, (1400,) * 7),  # more blocks that are cut off than a group has
    Some(51, 51, 508),  # of the first block only one energy lies before the clip
)
GRADIENTS = (
    *SHAPES,
    Some(201, 80, 3000, scale=1e-6, silent=(0, 1500)),
    Some(51, 20, 1300, silent=(400, 1000)),
    Some(51, 20, 1300, silent=(1, 1300)),
    Some(51, 20, 1300, (1300, 900), deaf=(3, 40)),
    Some(51, 20, 1300, deaf=(3, 64)),
    Some(51, 120, 900),  # samples that no frame hears, of clips that are whole
    Some(51, 20, 800, silent=(0, 799), deaf=(0, 39)),
    Some(51, 20, 800, (800, 400), silent=(11, 390), deaf=(1, 60)),
    Some(51, 60, 800, silent=(1, 800), deaf=(1, 60)),
    Some(51, 20, 800, silent=(0, 800)),
    Some(51, 20, 800, deaf=(0, 40)),
    Some(51, 20, 800, (800, 400), silent=(300, 400)),  # loud only behind the second clip's end
    Some(51, 20, 800, (800, 400), silent=(0, 399), deaf=(0, 20)),  # beyond the second clip's frames
    Some(51, 2, 700, (700, 300), silent=(0, 299), deaf=(0, 150)),
    Some(51, 40, 1000, padding=padding.VALID),  # the end that no frame hears
    Some(51, 51, 101, padding=padding.VALID),
    Some(51, 51, 128, padding=padding.VALID),  # whose last sample alone no frame hears
    # The ends of clips that no frame hears; the second has as many frames as its last clip samples.
    Some(51, 51, 900, (900, 101), padding=padding.VALID),
    Some(51, 51, 700, (700, *(130,) * 9), padding=padding.VALID),
)

# Of one tap or two, whose phase changes no energy: gradients by the filters are rounding errors.
FEW_TAPS = (
    Some(51, 20, 1300, silent=(1, 1300), deaf=(0, 2)),
    Some(51, 20, 1300, (1300, 100), silent=(0, 1299), deaf=(63, 65)),
    Some(51, 20, 1300, (1300, 30), silent=(1, 1300), deaf=(0, 2)),
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Of float32, always the same."""
    return 0.1 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@contextlib.contextmanager
def kernel_below(level: str) -> Iterator[str]:
    """The kernel is opened as under ``LEAF_PORT_KERNEL``; gives the level that it has."""
    place = library.path()
    opened: tuple[library.Kernel | None, str] = None, "it was not built"
    with mock.patch.dict(os.environ, {library.VARIABLE: level}):
        if place is not None:
            opened = library.open_at(place)
    with mock.patch.object(library, "opened", return_value=opened):
        yield opened[1]


def engines() -> Iterator[str]:
    """Each instruction set that the machine has, and torch: the way while it lasts."""
    for level in ("off", *library.LEVELS):
        with kernel_below(level) as found:
            if level in ("off", found):
                yield level


@contextlib.contextmanager
def _small_parts() -> Iterator[None]:
    """As little at once as can be, where usually a batch is computed at once."""
    with (
        mock.patch.object(by_kernel, "GROUPS_AT_ONCE", 1),
        mock.patch.object(by_torch, "AT_ONCE", 1),
        mock.patch.object(by_rows, "AT_ONCE", 1),
    ):
        yield


@functools.cache
def exact_energies(some: Some) -> Tensor:
    """By the three layers in float64."""
    with torch.no_grad():
        return some.leaf("direct").double().energies(some.clips().double(), some.known)


def values() -> str:
    """Whether every engine's energies are those of float64, and 0 behind a clip's frames."""
    for engine in engines():
        for some in SHAPES:
            exact = exact_energies(some)
            with torch.no_grad():
                found = some.leaf().energies(some.clips(), some.known)
            if problem := _unlike(found, exact):
                return f"{engine}: {some}: {problem}"
    return ""


def _unlike(found: Tensor, exact: Tensor) -> str:
    if (found.dtype, found.shape) != (torch.float32, exact.shape):
        return f"{found.dtype} {tuple(found.shape)}, not {tuple(exact.shape)}"
    difference = (found - exact).abs()
    if bool((difference <= BOUND * exact).all()):
        return ""
    return f"{float((difference / exact).max()):.1e} off"


def _leaves(some: Some, leaf: Leaf, asked: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """The clips, and each tensor that a gradient is asked by."""
    clips = some.clips().to(leaf.get_parameter("complex_conv.kernel").dtype)
    bias = {"bias": leaf.get_parameter("pooling.bias")} if some.bias else {}
    named: dict[str, Tensor] = {
        "filters": leaf.get_parameter("complex_conv.kernel"),
        "pooling": leaf.get_parameter("pooling.kernel"),
        "waveform": clips,
        **bias,
    }
    for name, each in named.items():
        each.requires_grad_(name in asked)
    return clips, {name: each for name, each in named.items() if name in asked}


def gradients_of(some: Some, leaf: Leaf, asked: Sequence[str]) -> dict[str, Tensor]:
    """By each of what is asked."""
    clips, leaves = _leaves(some, leaf, asked)
    energies = leaf.energies(clips, some.known)
    found = torch.autograd.grad(energies, list(leaves.values()), some.change(energies))
    return dict(zip(leaves, found, strict=True))


@functools.cache
def _exact_gradients(some: Some) -> dict[str, Tensor]:
    return gradients_of(some, some.leaf("direct").double(), GIVEN)


def _wrong(found: dict[str, Tensor], exact: dict[str, Tensor]) -> str:
    """The first gradient that is not that of float64, or not 0 where that is and only there."""
    for name, each in found.items():
        right = exact[name]
        if each.dtype != torch.float32 or each.shape != right.shape:
            return f"by the {name}: {each.dtype} {tuple(each.shape)}"
        off = (each - right).flatten(1 if name == "waveform" else 0).norm(dim=-1)
        size = right.flatten(1 if name == "waveform" else 0).norm(dim=-1)
        if not bool((off <= GRADIENT_BOUND * size).all()):
            return f"by the {name}: {float((off / size).max()):.1e} off"
        if bool(each[right == 0].any()):
            return f"by the {name}: not 0 where nothing is heard"
        if bool((each == 0)[right.abs() > 2.0**-24 * right.abs().max()].any()):
            return f"by the {name}: 0 where something is heard"
    return ""


def gradients() -> str:
    """Whether every engine's gradients are those of float64, at once and by the waveform's way."""
    for engine in engines():
        for some in GRADIENTS:
            # With "auto" the waveform's is the layers', whatever engine computes the others.
            for energies in ("auto", "fft") if engine == "off" else ("fft",):
                found = gradients_of(some, some.leaf(energies), GIVEN)
                if problem := _wrong(found, _exact_gradients(some)):
                    return f"{engine}: {energies}: {some}: {problem}"
    return ""


def taps_reached() -> str:
    """Whether the taps from the first to the last that may count have gradients, and no others."""
    for engine in engines():
        for some in (*GRADIENTS, *FEW_TAPS):
            leaf = some.leaf()
            energies = leaf.energies(some.clips(), some.known)
            change = some.change(energies)
            found: list[Tensor] = []
            _fused(energies).register_hook(lambda given, _, found=found: found.append(given[0]))
            energies.backward(change)
            reached = (found[0] != 0).any(0)
            if not torch.equal(reached, _reached(some, change)):
                return f"{engine}: {some}: other taps have gradients"
    return ""


def _fused(energies: Tensor) -> Any:
    """The node of the graph whose first input are the taps."""
    node: Any = energies.grad_fn
    while type(node).__name__ != "FusedBackward":
        node = node.next_functions[0][0]
    return node


def _reached(some: Some, change: Tensor) -> Tensor:
    """The taps, one clip after another and one energy after another."""
    made = torch.zeros(some.taps, dtype=torch.bool)
    clips, tap = some.clips()[..., 0], torch.arange(some.taps)
    for row, length in enumerate(some.known or [some.samples] * len(clips)):
        left = {padding.SAME: padding.same_padding(length, some.taps, some.hop)[0]}.get(
            some.padding, 0 if some.padding == padding.VALID else (some.taps - 1) // 2
        )
        frames = padding.frames(length, some.taps, some.hop, some.padding)
        wanted = torch.zeros(length, dtype=torch.bool)
        for frame in (change[row, :frames] != 0).any(1).nonzero()[:, 0].tolist():
            start = frame * some.hop - left
            wanted[max(start, 0) : max(start + some.taps, 0)] = True
        heard = wanted.nonzero() + tap - (some.taps - 1) // 2
        loud = (heard >= 0) & (heard < length) & (clips[row, heard.clamp(0, length - 1)] != 0)
        if loud.any():
            active = wanted.nonzero()[loud.any(1), 0] - (some.taps - 1) // 2
            sound = clips[row, :length].nonzero()[:, 0]
            made |= (tap >= sound[0] - active[-1]) & (tap <= sound[-1] - active[0])
    return made


ASKED = (
    ("filters",),
    ("pooling",),
    ("waveform",),
    ("bias",),
    ("filters", "pooling"),
    ("filters", "waveform"),
    ("pooling", "waveform"),
)
_TWO = Some(50, 7, 800, bias=True)


def gradients_asked() -> str:
    """Whether a gradient is the same whatever others are asked beside it."""
    for engine in engines():
        for energies in ("auto", "fft"):
            for asked in ASKED:
                found = gradients_of(_TWO, _TWO.leaf(energies), asked)
                if problem := _wrong(found, _exact_gradients(_TWO)):
                    return f"{engine}: {energies}: asked {asked}: {problem}"
    return ""


def small_parts() -> str:
    """Whether energies and gradients that are computed a part after another are the same."""
    shapes = (
        Some(51, 20, 3001),
        Some(51, 60, 900, (900, 61, 60, 59, 1)),
        Some(51, 600, 1900, (1900, 700)),  # stretches that no frame hears
        Some(51, 600, 1900, padding=padding.SYMMETRIC),  # shortly behind a frame
        Some(51, 23, 900, (900, 51, 200), padding=padding.VALID),
        Some(51, 20, 1300, (1300, 900), deaf=(3, 40)),
    )
    with _small_parts():
        for engine in engines():
            for some in shapes:
                found = some.leaf().energies(some.clips(), some.known).detach()
                problem = _unlike(found, exact_energies(some))
                for energies in ("auto", "fft"):
                    right = _exact_gradients(some)
                    made = gradients_of(some, some.leaf(energies), GIVEN)
                    problem = problem or _wrong(made, right)
                if problem:
                    return f"{engine}: {some}: {problem}"
    return ""


def several_gradients() -> str:
    """Whether gradients by several changes at once, which no kernel can read, are each one's."""
    some = Some(51, 20, 700)
    for engine in engines():
        for energies in ("auto", "fft"):
            clips, leaves = _leaves(some, leaf := some.leaf(energies), GIVEN[:3])
            made, sources = leaf.energies(clips), list(leaves.values())
            changes = torch.stack([some.change(made), some.change(made).flip(1)])
            found = torch.autograd.grad(made, sources, changes, is_grads_batched=True)
            for i, change in enumerate(changes):
                right = _by_change(some, change)
                if problem := _wrong(
                    dict(zip(leaves, (each[i] for each in found), strict=True)), right
                ):
                    return f"{engine}: {energies}: {problem}"
    return ""


def _by_change(some: Some, change: Tensor) -> dict[str, Tensor]:
    """In float64, by the three layers."""
    clips, leaves = _leaves(some, leaf := some.leaf("direct").double(), GIVEN[:3])
    found = torch.autograd.grad(leaf.energies(clips), list(leaves.values()), change.double())
    return dict(zip(leaves, found, strict=True))


def gradients_of_gradients() -> str:
    """Whether a gradient's own gradients are those of float64, whatever is asked."""
    same = Some(20, 7, 90, (90, 33))
    pads = (padding.VALID, padding.SYMMETRIC)
    others = (dataclasses.replace(same, padding=each) for each in pads)
    tried = [(same, asked) for asked in (GIVEN[:3], *ASKED) if "bias" not in asked]
    for some, asked in (*tried, *((other, GIVEN[:3]) for other in others)):
        right = _second(some, some.leaf("direct").double(), asked)
        for engine in engines():
            if problem := _wrong(_second(some, some.leaf(), asked), right):
                return f"{engine}: {some}: asked {asked}: {problem}"
    return ""


def _second(some: Some, leaf: Leaf, asked: Sequence[str]) -> dict[str, Tensor]:
    clips, leaves = _leaves(some, leaf, asked)
    energies = leaf.energies(clips, some.known)
    sources = list(leaves.values())
    change = energies * some.change(energies)  # which has a gradient, too
    first = torch.autograd.grad(energies, sources, change, create_graph=True)
    found = torch.autograd.grad(sum(each.square().sum() for each in first), sources)  # type: ignore[arg-type]
    return dict(zip(leaves, found, strict=True))


def _layouts(clips: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The same clips, otherwise in memory: ``(clips, samples, 1)``."""
    rows = clips[..., 0]
    yield "time first", rows.T.contiguous().T.unsqueeze(2)
    yield "every other sample", rows.repeat_interleave(2, dim=1)[:, ::2].unsqueeze(2)
    yield "every other row", rows.repeat_interleave(2, dim=0)[::2].unsqueeze(2)
    yield (
        "part of a row",
        torch.cat([rows, rows, rows], 1)[:, rows.shape[1] :][:, : rows.shape[1]].unsqueeze(2),
    )
    yield "one of two channels", torch.stack([rows, rows + 1], dim=2)[..., :1]


def layouts() -> str:
    """Whether the layout of the clips in memory changes any bit of energies and gradients."""
    some = Some(51, 20, 700, (700, 450, 333))
    for engine in engines():
        leaf, clips = some.leaf(), some.clips()
        usual = _both(leaf, clips, some)
        for name, each in _layouts(clips):
            if not _same(_both(leaf, each, some), usual):
                return f"{engine}: {name}: other numbers"
        one = _both(leaf, clips[:1].expand(3, -1, -1), some)
        if not _same(one, _both(leaf, clips[:1].repeat(3, 1, 1), some)):
            return f"{engine}: one row three times: other numbers"
    return ""


def _both(leaf: Leaf, clips: Tensor, some: Some) -> list[Tensor]:
    """Energies without gradients, with them, and the gradients."""
    with torch.no_grad():
        alone = leaf.energies(clips, some.known)
    made = [alone]
    for asks_clips in (False, True):
        given = clips.detach().requires_grad_(asks_clips)
        sources = [
            leaf.get_parameter("complex_conv.kernel").requires_grad_(),
            *([given] if asks_clips else []),
        ]
        energies = leaf.energies(given, some.known)
        made += [energies.detach(), *torch.autograd.grad(energies.square().sum(), sources)]
    return made


def _same(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def torch_defaults() -> str:
    """Whether torch's default device and dtype change any bit."""
    # The second has filters at a lower rate, whose windows are turned to it.
    for some in (Some(51, 60, 900, (900, 61, 60), bias=True), Some(201, 67, 1800)):
        for engine in engines():
            if problem := _by_defaults(some):
                return f"{engine}: {some}: {problem}"
    return ""


def _by_defaults(some: Some) -> str:
    leaf, clips = some.leaf(), some.clips()
    usual = _both(leaf, clips, some)
    with torch.device("meta"):
        elsewhere = _both(leaf, clips, some)
        by_edge = _by_edge(leaf, clips, some)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        half = _both(leaf, clips, some)
    finally:
        torch.set_default_dtype(before)
    for name, each in (("device", elsewhere), ("dtype", half)):
        if not _same(each, usual):
            return f"another default {name}: other numbers"
    return "" if _same(by_edge, _by_edge(leaf, clips, some)) else "backward there: other numbers"


def _by_edge(leaf: Leaf, clips: Tensor, some: Some) -> list[Tensor]:
    """Gradients by an edge of the graph, in whose backward torch has its default device on."""
    leaf.zero_grad()
    given = clips.detach().requires_grad_()
    energies = leaf.energies(given, some.known)
    edge = torch.autograd.graph.get_gradient_edge(energies)
    torch.autograd.backward([edge], [torch.ones(energies.shape, device="cpu")])
    asked = given, leaf.get_parameter("complex_conv.kernel")
    return [each.grad for each in asked if each.grad is not None]


def under_autocast() -> str:
    """Whether a gradient that is computed inside of autocast is the same."""
    some = Some(51, 20, 500)
    for engine in engines():
        for energies in ("auto", "fft"):
            made = []
            for inside in (False, True):
                clips, leaves = _leaves(some, leaf := some.leaf(energies), GIVEN[:3])
                total = leaf.energies(clips).square().sum()
                with torch.autocast("cpu", torch.bfloat16, enabled=inside):
                    made.append(torch.autograd.grad(total, list(leaves.values())))
            if not _same(*made):
                return f"{engine}: {energies}: backward inside of autocast gives other numbers"
    return ""


def threads() -> str:
    """Whether the number of the kernel's threads changes any bit."""
    some = Some(51, 20, 3001, (3001, 2000, 1))
    for engine in engines():
        made = []
        for count in (1, 3):  # told, not set: torch's own would live on in this process
            with mock.patch.object(torch, "get_num_threads", return_value=count):
                made.append(_both(some.leaf(), some.clips(), some))
        if not _same(*made):
            return f"{engine}: 3 threads: other numbers"
    return ""


def _fading(samples: int) -> Tensor:
    """A clip of a steady band and one that fades within a block: ``(1, samples, 1)``."""
    time = torch.arange(samples)
    fading = torch.sin(CENTRES[1] * time)
    fading[samples // 2 :] *= 1e-4
    return (fading + torch.sin(CENTRES[-1] * time)).reshape(1, -1, 1)


def _by_filter(leaf: Leaf, clips: Tensor, turned: bool) -> list[Tensor]:
    """Energies and gradients, filter after filter; those of a frontend that is turned, back."""
    kernels = leaf.get_parameter("complex_conv.kernel"), leaf.get_parameter("pooling.kernel")
    if turned:
        with torch.no_grad():
            for kernel, channels in zip(kernels, (0, 2), strict=True):
                kernel.copy_(kernel.flip(channels))
    energies = leaf.energies(clips)
    change = noise(*energies.shape, seed=1)
    given = torch.autograd.grad(energies, kernels, change.flip(2) if turned else change)
    made = (energies.detach(), *given)
    return [each.flip(at) for each, at in zip(made, (2, 0, 2), strict=True)] if turned else [*made]


def order_of_filters() -> str:
    """Whether a filter has the same bits in another order, where others are louder or quieter."""
    some = Some(201, 80, 3000)
    clips = _fading(some.samples)
    for engine in engines():
        if engine == "off":  # torch may round a transform by its place among others
            continue
        with mock.patch.object(torch, "get_num_threads", return_value=1):
            usual, turned = (_by_filter(some.leaf(), clips, each) for each in (False, True))
        if not _same(usual, turned):
            return f"{engine}: filters in another order: other numbers"
    return ""


def _odd(clips: Tensor, odd: dict[int, float]) -> Tensor:
    for row, sample in odd.items():
        clips[row, 100] = sample
    return clips


def out_of_range() -> str:
    """Whether clips that float32's squares cannot hold are the layers', and change no other's."""
    odd: list[dict[int, float]] = [
        {1: torch.nan},
        {0: torch.inf, 3: -torch.inf},
        {2: 1e30, 4: -1e30},
        {1: 1e15, 2: -1e15, 3: 1e16},
        dict.fromkeys(range(5), -1e30),
    ]
    some = Some(51, 20, 500, (500, 400, 300, 200, 101))
    for engine in engines():
        usual = some.leaf().energies(some.clips(), some.known).detach()
        for each in odd:
            clips: Any = _odd(some.clips(), each)
            found = some.leaf().energies(clips, some.known).detach()
            layers = some.leaf("direct").energies(clips, some.known).detach()
            for row in range(5):
                right = layers[row] if row in each else usual[row]
                if not torch.equal(found[row].nan_to_num(7), right.nan_to_num(7)):
                    return f"{engine}: {each}: clip {row} has other energies"
    return ""


def changes_out_of_range() -> str:
    """Whether gradients that are infinite give the filters NaN as layers do, of silence too.

    One infinite number among others does it.
    """
    some = Some(51, 20, 500)
    silence = torch.zeros(1, some.samples, 1)
    for clips, frames in itertools.product((some.clips(), silence), (1, None)):
        right = _by_infinite(some.leaf("direct"), clips, frames).isnan()
        for engine in engines():
            for way in ("auto", "fft"):
                found = _by_infinite(some.leaf(way), clips, frames)
                if not (right.any() and torch.equal(found.isnan(), right)):
                    return f"{engine}: {way}: infinite gradients give {found.flatten().tolist()}"
    return ""


def _by_infinite(leaf: Leaf, clips: Tensor, frames: int | None) -> Tensor:
    """The filters' gradient by one that is infinite in the first frames, or in all."""
    energies, kernel = leaf.energies(clips), leaf.get_parameter("complex_conv.kernel")
    change = torch.ones_like(energies)
    change[:, :frames] = torch.inf
    return torch.autograd.grad(energies, kernel, change)[0]


def weights_out_of_range() -> str:
    """Whether weights that are not finite are the layers'."""
    some = Some(51, 20, 500)
    for engine in engines():
        for name in ("complex_conv", "pooling"):
            for value in (torch.nan, torch.inf, -torch.inf):
                made = []
                for energies in ("fft", "direct"):
                    leaf = some.leaf(energies)
                    with torch.no_grad():
                        leaf.get_parameter(f"{name}.kernel").view(-1)[2] = value
                    made.append(leaf.energies(some.clips()).detach().nan_to_num(7))
                if not torch.equal(*made):
                    return f"{engine}: {name} has {value}: not the layers' energies"
    return ""


def kept_filters() -> str:
    """Whether filters that were kept from the last call are made anew when weights change."""
    some = Some(51, 20, 500)
    changes = (("complex_conv", 0), ("complex_conv", 3), ("pooling", 0), ("pooling", 3))
    for engine in engines():
        leaf, fresh = some.leaf(), some.leaf()
        for name, place in changes:
            with torch.no_grad():
                before = leaf.energies(some.clips())
                for each in (leaf, fresh):
                    each.get_parameter(f"{name}.kernel").data.view(-1)[place] *= 0.9
                fresh._fused_energies = type(fresh._fused_energies)()
                found, right = leaf.energies(some.clips()), fresh.energies(some.clips())
            if not torch.equal(found, right) or torch.equal(found, before):
                return f"{engine}: {name} has changed, and the energies have not"
        with torch.no_grad(), mock.patch.object(operation, "_filters") as made:
            leaf.energies(some.clips())
        if made.called:
            return f"{engine}: filters are made anew for the same weights"
        for hop in (25, 10):  # of windows as long, with the same widths
            leaf.pooling.strides = hop  # type: ignore[assignment]
            other = dataclasses.replace(some, hop=hop).leaf()
            other.load_state_dict(leaf.state_dict())
            with torch.no_grad():
                if not torch.equal(leaf.energies(some.clips()), other.energies(some.clips())):
                    return f"{engine}: the hop has changed, and the filters have not"
        with torch.no_grad():
            before = leaf.energies(some.clips())
            constraints: Any = leaf.complex_conv.constraints
            constraints["kernel"] = GaborConstraint(5)
            if torch.equal(leaf.energies(some.clips()), before):
                return f"{engine}: the constraint has changed, and the filters have not"
    return ""


def changed_clips() -> str:
    """Whether clips that are changed before the gradient are refused; no layout makes a copy."""
    some = Some(51, 20, 700)
    for name, clips in (("usual", some.clips()), *_layouts(some.clips())):
        if clips.stride(1) != 1:  # these are copied for the engines
            continue
        leaf = some.leaf()
        total = leaf.energies(clips).sum()
        clips.zero_()
        try:
            torch.autograd.grad(total, leaf.get_parameter("complex_conv.kernel"))
        except RuntimeError as error:
            if "modified by an inplace operation" not in str(error):
                return f"{name}: {error}"
        else:
            return f"{name}: a gradient of clips that have changed"
    return ""


def ends_of_long_clips() -> str:
    """Whether the ends of what counts in a clip are numbers that float32 does not have, too."""
    last = 2**24 + 1
    mask = torch.zeros(1, last + 1, dtype=torch.bool)
    mask[0, last] = True
    found = [int(each) for each in reach._ends(mask)]
    return "" if found == [last, last] else f"{last} and {last} are told as {found}"


def in_double() -> str:
    """Whether filters and windows are made in float64, of weights in float32."""
    leaf = Some(51, 20, 1).leaf()
    shape = blocks.shape(51, 20)
    assert isinstance(leaf.complex_conv, GaborConv1d)  # noqa: S101
    assert isinstance(leaf.pooling, GaussianLowpass)  # noqa: S101
    assert shape is not None  # noqa: S101
    taps, width, made = operation._filters(leaf.complex_conv, leaf.pooling, shape, slopes=True)
    found = [each.dtype for each in (taps, width, made.spectrum, made.windows.full)]
    right = [torch.complex128, torch.float64, torch.complex128, torch.float64]
    return "" if found == right else f"they are {found}"


def groups_cut_off() -> str:
    """Whether a group of blocks is told as cut off exactly if an end of a clip cuts one of it off.

    The others are computed at a lower rate: a clip's numbers would depend on those beside it.
    """
    shape = blocks.shape(51, 20)
    assert shape is not None  # noqa: S101
    step = shape.segments * shape.hop
    for count in (1, 4):
        clips = blocks.clips_of(torch.zeros(3, 20 * step), shape, padding.SAME, [20 * step] * 3)
        lanes, masked = blocks.lanes(clips, shape, count)
        cut = ((lanes["first"] > 0) | (lanes["last"] < step)).reshape(-1, count).any(1)
        if masked.tolist() != cut.astype(int).tolist() or cut.all() or not cut.any():
            return f"of groups of {count}, {masked.tolist()} are told"
    return ""


def bands() -> str:
    """Whether a narrow band has the bins that are not negligible, and twice as many points."""
    frontends = {
        "51 taps": Some(51, 20, 1).leaf(),
        "401 taps": Some(401, 160, 1).leaf(),
        "2001 taps": _of_one_band(2001, 800, 164.0),  # 256 points of 8192
        "two taps": Leaf(window_len=0.1, window_stride=0.1),
        # Trained: some filters have side lobes about as high as what is negligible.
        "fsdd-leaf": Leaf.from_pretrained("fsdd-leaf"),
    }
    for name, leaf in frontends.items():
        assert isinstance(leaf.complex_conv, GaborConv1d)  # noqa: S101
        assert isinstance(leaf.pooling, GaussianLowpass)  # noqa: S101
        shape = blocks.shape(leaf.complex_conv.kernel_size, leaf.pooling.strides)
        assert shape is not None  # noqa: S101
        made = operation._filters(leaf.complex_conv, leaf.pooling, shape, slopes=False)[2]
        for band, spectrum in zip(made.channel, made.spectrum.abs(), strict=True):
            if problem := _of_band(band, spectrum):
                return f"{name}: {problem}: {band}"
    return ""


def _of_band(band: Any, spectrum: Tensor) -> str:
    """What is wrong with a band of a filter, of whose spectrum these are the magnitudes."""
    size, points = len(spectrum), int(band["points"])
    matters = spectrum >= filters.NEGLIGIBLE * spectrum.max()
    at = (int(band["first"]) + torch.arange(int(band["width"]))) % size
    narrow = points < size
    tight = bool(matters[at[0]] & matters[at[-1]]) or not narrow
    if int(matters[at].sum()) < int(matters.sum()) or not tight:
        return "a band leaves out bins, or has too many"
    if narrow and points < 2 * len(at):
        return "a band has fewer points than twice its bins"
    return "" if points.bit_count() == 1 else "a band's points are no power of 2"


def beats() -> str:
    """Whether two tones at the edges of a narrow band beat, nearly as fast as its points can hold.

    Each is 100 dB below a tone in its middle.
    """
    time = torch.arange(3000)
    tones = (torch.cos(0.45 * time) + torch.cos(1.55 * time)).reshape(1, -1, 1)
    for hop in (80, 67):  # segments start on points, and between them
        given = 201, hop, 8.7  # the filter has 255 bins and 512 points of 1024
        with torch.no_grad():
            exact = _of_one_band(*given, "direct").double().energies(tones.double())
            for engine in engines():
                found = _of_one_band(*given).energies(tones)
                off = float(((found - exact).abs() / exact)[:, 3:-3].max())
                if off > 2.0**-16:
                    return f"{engine}: a hop of {hop}: {off:.1e} off"
    return ""


def quiet_clips() -> str:
    """Whether clips that are 2^-30 times as loud have gradients 2^-60 times as great."""
    for engine in engines():
        for some in (SHAPES[0], SHAPES[2]):
            clips, made = some.clips(), []
            for scale in (1.0, 2.0**-30):
                leaf = some.leaf()
                energies = leaf.energies(clips * scale)
                leaves = (
                    leaf.get_parameter(f"{name}.kernel") for name in ("complex_conv", "pooling")
                )
                found = torch.autograd.grad(energies, list(leaves), some.change(energies))
                made.append([each / scale**2 for each in found])
            for usual, quiet in zip(*made, strict=True):
                if not (usual - quiet).norm() <= GRADIENT_BOUND * usual.norm():
                    return f"{engine}: {some.taps} taps: other gradients"
    return ""


def weights() -> str:
    """Whether the parts of the windows in a block's frames are the sums of low-passed windows."""
    for hop in (160, 67):
        some = Some(401, hop, 1)
        leaf, shape = some.leaf(), blocks.shape(401, hop)
        assert isinstance(leaf.complex_conv, GaborConv1d)  # noqa: S101
        assert isinstance(leaf.pooling, GaussianLowpass)  # noqa: S101
        assert shape is not None  # noqa: S101
        made = operation._filters(leaf.complex_conv, leaf.pooling, shape, slopes=False)[2]
        for weight, kind in zip(made.weight, made.channel, strict=True):
            if kind["points"] < shape.size:
                size = int(kind["points"]) * shape.frames
                table = made.windows.table[int(kind["table"]) :][:size].view(-1, shape.frames)
                # A sum of n numbers rounds n - 1 times; the transforms round less often.
                allowed = shape.size * torch.finfo(torch.float64).eps * table.abs().sum(0).max()
                if bool(((table.sum(0) - weight).abs() > allowed).any()):
                    return f"a hop of {hop}: other sums"
    return ""


def silent_clips() -> str:
    """Whether silence has gradients of exactly zero, however great those by its energies are."""
    greatest = torch.finfo(torch.float32).max
    for engine in engines():
        for samples in (401, 900):
            leaf = Some(401, 160, samples).leaf()
            clips = torch.zeros(2, samples, 1, requires_grad=True)
            energies = leaf.energies(clips)
            names = "complex_conv.kernel", "pooling.kernel"
            leaves = clips, *map(leaf.get_parameter, names)
            found = torch.autograd.grad(energies, leaves, torch.full_like(energies, greatest))
            if any(bool((each != 0.0).any()) for each in found):  # a NaN is another number
                return f"{engine}: {samples} samples: they are not zero"
    return ""


def after_a_click() -> str:
    """Whether quiet frames beside a loud click, which share a block with it, are those of float64.

    Where windows hear it last, and which blocks that makes uneven, decides who computes in float64.
    """
    clips = 1e-5 * noise(1, 16000)
    clips[:, 3200:4390] = noise(1, 1190, seed=1)
    clips[:, 3200] = 32.0
    given = 401, 400, 2.0
    wide = 0.4  # the pooling windows
    with torch.no_grad():
        exact = _of_one_band(*given, "direct", wide).double().energies(clips.double()[..., None])
        for engine in engines():
            found = _of_one_band(*given, pooling=wide).energies(clips[..., None])
            if problem := _unlike(found, exact):
                return f"{engine}: {problem}"
    return ""


def far_below_clicks() -> str:
    """Whether frames beside clicks up to a million times louder are those of float64.

    So are the gradients that a logarithm asks for. No frame may hear the click in its block.
    """
    for taps, hop in ((401, 160), (201, 67)):
        some = Some(taps, hop, 6000)
        clips = some.clips()
        clips[0, 3000], clips[1, 100], clips[1, 4100] = 1e5, 3e3, -1e3
        exact = _logarithms(some.leaf("direct").double(), clips.double())
        for engine in engines():
            energies, found = _logarithms(some.leaf(), clips)
            if problem := _unlike(energies, exact[0]) or _wrong(found, exact[1]):
                return f"{engine}: {taps} taps: {problem}"
    return ""


def _logarithms(leaf: Leaf, clips: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Energies, and the gradients of the sum of their logarithms."""
    names = {"filters": "complex_conv.kernel", "pooling": "pooling.kernel"}
    leaves: dict[str, Tensor] = {name: leaf.get_parameter(each) for name, each in names.items()}
    leaves["waveform"] = clips = clips.clone().requires_grad_()
    energies = leaf.energies(clips)
    found = torch.autograd.grad(energies, list(leaves.values()), 1 / energies.detach())
    return energies.detach(), dict(zip(leaves, found, strict=True))


def _of_one_band(
    taps: int, hop: int, width: float, energies: str = "fft", pooling: float = 0.01
) -> Leaf:
    """Of one filter that is as wide in time, and short windows."""
    return Leaf(
        n_filters=1,
        sample_rate=1000,
        window_len=taps - 1,
        window_stride=hop,
        complex_conv_init=lambda _shape, dtype: torch.tensor([[1.0, width]], dtype=dtype),
        pooling_init=Constant(pooling),
        energies=energies,  # type: ignore[arg-type]
    )


LAWS = {
    "bands of the filters of energies": bands,
    "blocks that ends of clips cut off": groups_cut_off,
    "energies of a beat": beats,
    "energies beside a click": after_a_click,
    "energies far below a click": far_below_clicks,
    "gradients of silence": silent_clips,
    "gradients of quiet clips": quiet_clips,
    "weights of a block's frames": weights,
    "several gradients at once": several_gradients,
    "energies by each engine": values,
    "gradients by each engine": gradients,
    "gradients by each engine, whatever is asked": gradients_asked,
    "taps that gradients of energies reach": taps_reached,
    "energies in small parts": small_parts,
    "gradients of gradients of energies": gradients_of_gradients,
    "filters of energies in float64": in_double,
    "ends of long clips": ends_of_long_clips,
    "energies of clips that are changed": changed_clips,
    "energies of clips in any layout": layouts,
    "energies under torch's defaults": torch_defaults,
    "gradients of energies inside of autocast": under_autocast,
    "energies by several threads": threads,
    "energies of filters in another order": order_of_filters,
    "energies of clips out of range": out_of_range,
    "energies of weights out of range": weights_out_of_range,
    "energies whose gradients are out of range": changes_out_of_range,
    "energies of weights that change": kept_filters,
}
