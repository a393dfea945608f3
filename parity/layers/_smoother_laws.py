"""What no recorded answer shows of the smoothers: derivatives of all kinds, graphs, autocast.

The official smoother is a loop over the frames, and here a loop is what both are compared with.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call

from leaf_port import ExponentialMovingAverage
from leaf_port._ops import scan
from leaf_port.postprocessing import FixedSmoother
from parity.port.operations_watch import OperationsWatch
from parity.spec.random_arrays import Source

_CHANNELS, _FRAMES = 3, 9
_ALLOWED = 2.0**-40  # of float64: a number comes of some hundred operations, each off by 2^-53
_Weights = dict[str, Tensor]
_Function = Callable[..., Tensor]


def _smoothers() -> Iterator[nn.Module]:
    """Both kinds, each weight another one, and all trained."""
    learned = ExponentialMovingAverage(_CHANNELS, 0.3, per_channel=True, trainable=True)
    fixed = FixedSmoother(_CHANNELS, 0.3).requires_grad_()
    with torch.no_grad():
        for weight in (learned.smooth, fixed.kernel, fixed.recurrent_kernel):
            weight.mul_(torch.linspace(0.5, 1.0, _CHANNELS)).add_(0.01)
    yield from (learned, fixed)


def _clips(batch: int = 2, frames: int = _FRAMES) -> tuple[Tensor, Tensor]:
    """Inputs and what the smoother begins with."""
    source = Source(1)
    inputs, state = (batch, frames, _CHANNELS), (batch, _CHANNELS)
    return torch.from_numpy(source.uniform(inputs)), torch.from_numpy(source.uniform(state))


def _loop(weights: _Weights, inputs: Tensor, state: Tensor) -> Tensor:
    """What both compute, frame by frame."""
    frames = []
    for x in inputs.unbind(1):
        if "smooth" in weights:
            w = weights["smooth"]
            state = w * x + (1.0 - w) * state
        else:
            state = x @ weights["kernel"] + state @ weights["recurrent_kernel"]
        frames.append(state)
    return torch.stack(frames, 1)


def derivatives() -> str:
    """Those backwards and forwards, by inputs, state and weights, are a loop's, in float64."""
    for layer in _smoothers():
        layer.double()
        names = [name for name, _ in layer.named_parameters()]
        given = [each.detach().double() for each in (*_clips(), *layer.parameters())]

        def ours(*given: Tensor, layer: nn.Module = layer, names: list[str] = names) -> Tensor:
            return functional_call(layer, dict(zip(names, given[2:], strict=True)), given[:2])

        def loop(*given: Tensor, names: list[str] = names) -> Tensor:
            return _loop(dict(zip(names, given[2:], strict=True)), *given[:2])

        for way in (_backwards, _forwards):
            pairs = zip(way(ours, given), way(loop, given), strict=True)
            off = max((got - wanted).abs().max().item() for got, wanted in pairs)
            if not off <= _ALLOWED:
                return f"{type(layer).__name__}{way.__name__.replace('_', ', ')}: off by {off:.1e}"
    return ""


def _backwards(of: _Function, given: Sequence[Tensor]) -> Sequence[Tensor]:
    leaves = [each.clone().requires_grad_() for each in given]
    found = of(*leaves)
    return torch.autograd.grad(found, leaves, found.detach().cos())  # any direction does


def _forwards(of: _Function, given: Sequence[Tensor]) -> Sequence[Tensor]:
    with forward_ad.dual_level():
        found = of(*(forward_ad.make_dual(each, each.sin()) for each in given))
        return [forward_ad.unpack_dual(found).tangent]


def whatever_comes_in() -> str:
    """The gradient by the inputs is the same for all inputs, be they infinite: it is linear."""
    inputs, state = _clips()
    for layer in _smoothers():
        found = []
        for value in (0.5, float("inf"), float("nan")):
            x = inputs.clone()
            x[0, 2] = value
            x.requires_grad_()
            layer(x, state).sum().backward()
            found.append(x.grad)
        if not all(torch.equal(each, found[0]) for each in found):  # type: ignore[arg-type]
            return f"{type(layer).__name__}: it is another one of numbers that are not finite"
    return ""


def along_double() -> str:
    """A direction may have more digits than the numbers that move along it."""
    inputs, state = _clips()
    layer = FixedSmoother(_CHANNELS, 0.3)
    kernel, recurrent = layer.kernel.detach(), layer.recurrent_kernel.detach()
    found = []
    for dtype in (torch.float32, torch.float64):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual
            weights = {"kernel": dual(kernel, kernel.to(dtype)), "recurrent_kernel": recurrent}
            given = dual(inputs, inputs.to(dtype)), dual(state, state.to(dtype))
            smoothed = functional_call(layer, weights, given)
            found.append(forward_ad.unpack_dual(smoothed).tangent)
    return "" if torch.equal(*found) else "it makes another derivative"


def under_autocast() -> str:
    """Backwards inside of autocast is as outside; what came forwards in it is as precise back."""
    clips = _clips(batch=3)
    for layer in _smoothers():
        name = type(layer).__name__
        some, others = (_gradients(layer, *clips, inside=each) for each in (True, False))
        if not all(map(torch.equal, some, others)):
            return f"{name}: backward() inside of autocast gives other numbers"
        halves = _gradients(layer, *clips, forward=True)
        if any(each.dtype != torch.float32 for each in halves):
            return f"{name}: it gives {[each.dtype for each in halves]}"
        kernel = halves[2]  # of the fixed smoother, whose product was in half precision
        if name == "FixedSmoother" and not torch.equal(kernel, kernel.bfloat16().float()):
            return f"{name}: the gradient of a matrix has more digits than the product"
    return ""


def _gradients(
    layer: nn.Module, *clips: Tensor, inside: bool = False, forward: bool = False
) -> list[Tensor]:
    """By inputs, state and weights: backwards, or both ways, inside of autocast."""
    x, state = (each.clone().requires_grad_() for each in clips)
    with torch.autocast("cpu", torch.bfloat16, enabled=forward):
        smoothed = layer(x, state)
    loss = smoothed.float().square().sum()
    with torch.autocast("cpu", torch.bfloat16, enabled=inside):
        return list(torch.autograd.grad(loss, [x, state, *layer.parameters()]))


class _Stop(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_ctx: Any, *_: Tensor) -> None:
        return None


def without_gradient() -> str:
    """Behind what has no gradient, one of the user's, smoothers have none either."""
    for layer in _smoothers():
        for frames in (1, _FRAMES):
            x, state = (each.clone().requires_grad_() for each in _clips(frames=frames))
            _Stop.apply(layer(x, state)).sum().backward()
            given = (each.grad for each in (x, state, *layer.parameters()))
            if any(each is not None and each.any() for each in given):
                return f"{type(layer).__name__}, {frames} frames: it has one"
    return ""


def behind_vmap() -> str:
    """What vmap has mapped has the gradients of clips one by one, by its inputs and by weights."""
    for layer, trained in itertools.product(_smoothers(), (True, False)):
        layer.double().requires_grad_(trained)
        x, state = (each.double().unsqueeze(1).requires_grad_() for each in _clips())
        given = x, state, *(layer.parameters() if trained else ())
        mapped = torch.func.vmap(layer)(x, state)
        looped = torch.stack([layer(*each) for each in zip(x, state, strict=True)])
        change = torch.cos(torch.arange(mapped.numel())).double().reshape(mapped.shape)
        found, right = (torch.autograd.grad(each, given, change) for each in (mapped, looped))
        for one, other in zip(found, right, strict=True):
            if (one - other).norm() > _ALLOWED * other.norm():
                return f"{type(layer).__name__}: a gradient is another one"
    return ""


def kept() -> str:
    """For the gradient by a matrix the inputs are kept, and not the matrix itself."""
    saved: list[Tensor] = []
    x, state = _clips()
    layer = FixedSmoother(_CHANNELS, 0.3)
    layer.kernel.requires_grad_()

    def keep(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x, state)
    places = {each.data_ptr() for each in saved}
    if layer.kernel.data_ptr() in places:
        return "it is kept"
    return "" if x.data_ptr() in places else "they are not"


@torch.no_grad()
def captured() -> str:
    """A graph of one length has the same numbers, whatever is known of the length.

    It joins no slices, which a graph of any length could not: one of them may have no frame.
    """
    for layer in _smoothers():
        clips = _clips()
        exporting = mock.patch.object(torch.compiler, "is_exporting", return_value=True)
        with exporting, OperationsWatch() as watch:
            exported = layer(*clips)
        if watch.seen["cat"]:
            return f"{type(layer).__name__}: exported, it joins slices"
        if not torch.equal(exported, layer(*clips)):
            return f"{type(layer).__name__}: exported, it gives other numbers"
    return ""


@torch.no_grad()
def doublings() -> str:
    """A graph of one length doubles no more often than this length needs."""
    for frames, needed in ((1, 0), (4, 2), (5, 3)):
        with OperationsWatch() as watch:
            scan._doubling_of_any_length(torch.ones(1, frames, 1), torch.tensor([0.5]))
        if watch.seen["index_select"] != needed:
            return f"{frames} frames take {watch.seen}, not {needed} doublings"
    return ""


def traced() -> str:
    """A traced smoother that grows has a gradient, and it is made where its input is."""
    fewer = mock.patch.object(scan, "MOST_DOUBLINGS", 8)  # 1000^128 is beyond float64
    with warnings.catch_warnings(), fewer:
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        for layer in _smoothers():
            if isinstance(layer, FixedSmoother):
                layer.recurrent_kernel.detach().copy_(1000.0 * torch.eye(_CHANNELS))
            problem = _unlike_traced(layer.double())
            if problem:
                return f"{type(layer).__name__}: {problem}"
    return ""


def _unlike_traced(layer: nn.Module) -> str:
    clips = tuple(each.double() for each in _clips())
    weights = list(layer.parameters())
    graph: Callable[..., Tensor] = torch.jit.trace(layer, clips, check_trace=False)
    pairs = zip(
        torch.autograd.grad(graph(*clips).sum(), weights),
        torch.autograd.grad(layer(*clips).sum(), weights),
        strict=True,
    )
    if not all(torch.allclose(got, wanted, rtol=_ALLOWED, atol=0.0) for got, wanted in pairs):
        return "traced, it has another gradient"
    try:
        on_meta = tuple(each.to("meta") for each in clips)
        torch.jit.trace(layer.to("meta"), on_meta, check_trace=False)
    except RuntimeError as error:
        return f"traced on another device: {error}"
    return ""


LAWS = {
    "derivatives of smoothers": derivatives,
    "gradients of smoothers at infinities": whatever_comes_in,
    "derivatives of smoothers along float64": along_double,
    "gradients of smoothers under autocast": under_autocast,
    "smoothers behind no gradient": without_gradient,
    "gradients behind a mapped smoother": behind_vmap,
    "what smoothers keep": kept,
    "exported smoothers": captured,
    "doublings of exported smoothers": doublings,
    "traced smoothers": traced,
}
