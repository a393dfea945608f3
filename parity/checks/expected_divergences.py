"""The known divergences: what the official code does otherwise, and why the port does not follow.

One table. An entry speaks for an answer only where the plain comparison fails and the input is of
its kind. It says how the port answers when it does as the official code does, which must then agree
within the budget. An entry that no recorded case needs any more fails (:func:`unneeded`).

Of an input that holds NaN or an infinity the outputs are compared: what is finite, and which
elements are not. Whether those are NaN or infinite is not (zero times infinity is NaN, and a filter
tap may be zero in one precision and 1e-50 in another), nor are gradients: each kernel multiplies
zeros of its own (padding, blocks, masks of activations) with what is not finite.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Self
from unittest import mock

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import BaseTorchFunctionMode

from leaf_port._ops import clip
from parity.layers import all_specs
from parity.spec import Answer, Array, Case, LayerSpec

_LOWEST = torch.finfo(torch.float32).min
_BEHIND_LOWEST = 1e30  # what is greater was made of the lowest number: no input reaches it
_SUMS = {"avg_pool2d", "conv1d", "conv2d", "linear", "matmul", "mean", "var", "var_mean"}


@dataclasses.dataclass(frozen=True)
class Divergence:
    """One entry of the table.

    Attributes:
        name: by which declarations name it.
        what: what differs.
        reason: why the port does not do the same.
        source: where it stands in the reference.
        signals: the inputs that show it (see ``parity.spec.SIGNALS``).
        like_official: a context in which the port does as the official code does.
        everywhere: whether it holds for every layer; else the declaration names it.
    """

    name: str
    what: str
    reason: str
    source: str
    signals: Collection[str]
    like_official: Callable[[], LikeOfficial]
    everywhere: bool = False


class LikeOfficial(BaseTorchFunctionMode):
    """A context in which the port does as the official code does.

    Attributes:
        undetermined: whether it met what no other computation can give: behind the port's elements
            that are not finite, the official ones are then not compared.
    """

    undetermined = False


class Flushing(LikeOfficial):
    """Denormal numbers are zero, as operands and as results.

    One thread computes in here. The mode is the calling thread's own: others would not flush, and
    a pool that starts in here would inherit it, and flush in every computation after this one.
    """

    def __enter__(self) -> Self:
        if not torch.set_flush_denormal(True):
            raise RuntimeError("this processor cannot be told to flush denormal numbers")
        self._threads = torch.get_num_threads()
        torch.set_num_threads(1)
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        torch.set_flush_denormal(False)
        torch.set_num_threads(self._threads)
        super().__exit__(*raised)


class MaxPoolingWithoutNan(LikeOfficial):
    """Maxima that leave NaN out; of a window of nothing else, the lowest finite number.

    On every device: where a maximum leaves NaN out by itself, the port puts it back. A sum with the
    lowest number overflows or not by its order, and of infinities a later maximum drops what
    becomes NaN: one bit there decides what all that follows is.
    """

    def __init__(self) -> None:
        super().__init__()
        self._as_if_maxima_kept_nan = mock.patch.object(clip, "lacks", return_value=False)
        self._emptied = False

    def __enter__(self) -> Self:
        self._as_if_maxima_kept_nan.start()
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._as_if_maxima_kept_nan.stop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.max_pool2d:
            inputs: Tensor = args[0]
            result = func(torch.where(torch.isnan(inputs), _LOWEST, inputs), *args[1:], **kwargs)
            self._emptied |= bool((result == _LOWEST).any())
            return result
        result = func(*args, **kwargs)
        if self._emptied and func.__name__ in _SUMS:
            sums = result if isinstance(result, tuple) else (result,)
            self.undetermined |= any(not (each.abs() < _BEHIND_LOWEST).all() for each in sums)
        return result


class SoftmaxWithNan(LikeOfficial):
    """A softmax whose other elements are zero where one is NaN or infinite."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is not F.softmax:
            return result
        inputs, dim = args[0], kwargs["dim"]
        broken = torch.isnan(inputs) | torch.isposinf(inputs)
        return torch.where(broken.any(dim, keepdim=True) & ~broken, 0.0, result)


NON_FINITE = ("nan", "infinity")

TABLE = (
    Divergence(
        name="denormals",
        what="numbers below 1.2e-38 may count as zero in TensorFlow",
        reason="whether they do depends on the size of the operation: its pool's threads flush "
        "them, the calling thread does not. The port computes with them everywhere.",
        source="tensorflow, tsl/platform/threadpool.cc: ScopedFlushDenormal in each thread",
        signals=("denormal",),
        everywhere=True,
        like_official=Flushing,
    ),
    Divergence(
        name="nan_in_max_pooling",
        what="maximum pooling on a CPU drops NaN, and gives -3.4e38 for a window of nothing else",
        reason="a NaN that disappears hides that the model is broken",
        source="tensorflow, core/kernels/maxpooling_op.cc: comparisons with NaN are false",
        signals=NON_FINITE,
        like_official=MaxPoolingWithoutNan,
    ),
    Divergence(
        name="nan_in_softmax",
        what="a softmax over NaN or infinity and numbers is 0 for the numbers in TensorFlow 2.13",
        reason="they have no share of a sum that is NaN",
        source="tensorflow, core/kernels/softmax_op_functor.h",
        signals=NON_FINITE,
        like_official=SoftmaxWithNan,
    ),
)
NAMED: Mapping[str, Divergence] = {entry.name: entry for entry in TABLE}


def of(spec: LayerSpec, case: Case) -> list[Divergence]:
    """The entries that a case may show."""
    return [
        entry
        for entry in TABLE
        if case.signal in entry.signals
        and (entry.everywhere or entry.name in spec.exceptions.divergences)
    ]


def nearest(
    plain: Mapping[str, Array],
    like_official: Mapping[str, Array],
    official: Answer,
    undetermined: bool = False,
) -> dict[str, Array]:
    """Of the port's two answers, element by element the one that is nearer to the official one.

    Args:
        plain: the port's own.
        like_official: where it does as the official code does.
        official: the official one; taken itself for what is not determined.
        undetermined: whether what is not finite in ``plain`` is not.
    """
    theirs = official.arrays()
    return {
        name: _nearest(array, like_official[name], theirs[name], undetermined)
        if name in theirs and theirs[name].shape == array.shape
        else array
        for name, array in plain.items()
    }


def _nearest(plain: Array, like_official: Array, official: Array, undetermined: bool) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        first, second = np.abs(plain - official), np.abs(like_official - official)
        same = (plain == official) | (np.isnan(plain) & np.isnan(official))
        near = np.where(same | (first < second), plain, like_official)
        return np.where(~np.isfinite(plain), official, near) if undetermined else near


def unneeded(specs: Iterable[LayerSpec], needed: Collection[tuple[str, str]]) -> list[str]:
    """What is wrong with the table after a run of all cases of some layers.

    Args:
        specs: the layers.
        needed: pairs of layer and entry of which a case could not do without.
    """
    specs = list(specs)
    fix = "remove it, or record a case that shows it"
    told = [
        f"{spec.name}: no recorded case needs the divergence {name!r} any more: {fix}"
        for spec in specs
        for name in spec.exceptions.divergences
        if (spec.name, name) not in needed
    ]
    if not {spec.name for spec in specs} >= set(all_specs()):
        return told
    seen = {name for _, name in needed}
    return told + [
        f"no recorded case of any layer needs the divergence {entry.name!r} any more: {fix}"
        for entry in TABLE
        if entry.everywhere and entry.name not in seen
    ]
