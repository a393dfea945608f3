"""How much rounding an answer carries, element by element: the unit of every budget.

Monte Carlo arithmetic (Parker 1997): the port runs in float64 several times, and every operation's
result is disturbed at random by as much as float32 could round it, forward and backward alike: by
``2^-24`` of the magnitudes that enter it (for a product ``|x|``, for a convolution ``sum |h||x|``,
for a sum ``sum |x|``). The root mean square of what this does to an element is its unit.

So a quiet channel has a small unit beside a loud one, an ill-conditioned output a large one, and
neither depends on how port and reference differ.
"""

from __future__ import annotations

import cmath
import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from parity.checks import blocked_convolution, kept_units, operations, summation, transforms
from parity.checks.compare import Rounded
from parity.port import runner
from parity.port.dispatch_mode import DispatchMode
from parity.spec import Array, LayerSpec, Question

UNIT_ROUNDOFF = 2.0**-24
RUNS = 12

# A root mean square of 12 runs is less than half the true one in one element of 200. What fails by
# such a unit is judged by this many runs, whose units are within a quarter of the true ones.
STURDY_RUNS = 100


def _absolute(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.abs()
    if isinstance(value, Tensor) and value.is_complex():
        return value.abs().to(value.dtype)
    return abs(value) if isinstance(value, (int, float)) else value


# The port drops filter taps below 1e-30: of an envelope, at a gain of 1e-3 and more, what is less
# than this. Inputs of 1e12 make it more than the rounding of an output that has no other taps.
_DROPPED = 1e-27

# Composite operations are taken apart, so that what they round inside is seen.
_aten = torch.ops.aten
COMPOSITE = torch._decomp.get_decompositions(
    [
        _aten.native_layer_norm,
        _aten.native_layer_norm_backward,
        _aten.native_batch_norm,
        _aten.native_batch_norm_backward,
        _aten._native_batch_norm_legit,
        _aten._native_batch_norm_legit_no_training,
        _aten.var_mean,
        _aten.std_mean,
        _aten.addmm,
        _aten.leaky_relu_backward,
        _aten.nll_loss_forward,
        _aten.nll_loss_backward,
    ]
)


def _magnitude(name: str, out: Tensor) -> Tensor:
    """What the rounding of ``out`` is proportional to. Its sign is free: draws are symmetric."""
    return out + _DROPPED / UNIT_ROUNDOFF if name == "exp" else out


TransformRounding = Callable[[str, Any, Tensor], Tensor]
"""Of an operation's name, arguments and result."""


class Magnitudes:
    """What enters the sums of one computation, kept from its first disturbed run for the others.

    The runs differ by roundings, and so do these magnitudes: by 1e-7 of themselves. To compute them
    is half of a run's work.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[Any, Any]] = []
        self._next = 0

    def rewind(self) -> None:
        """Begins the next run."""
        self._next = 0

    def of(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Those of the next sum, which ``key`` describes: kept, or computed."""
        at, self._next = self._next, self._next + 1
        if at < len(self._kept) and self._kept[at][0] == key:
            return self._kept[at][1]
        made = compute()
        self._kept[at:] = [(key, made)]  # another sum than in the first run: what follows is too
        return made


class Noise(DispatchMode):
    """Disturbs every floating result as float32 rounding could.

    Args:
        seed: of the disturbances.
        magnitudes: what earlier runs of the same computation kept; None for nothing.
        transform: how far Fourier transforms are disturbed (see ``parity/checks/transforms.py``).
    """

    def __init__(
        self,
        seed: int,
        magnitudes: Magnitudes | None = None,
        transform: TransformRounding = transforms.torch_rounding,
    ) -> None:
        super().__init__()
        self._transform = transform
        # Draws twice as fast as torch's generator, and half of a run's work was to draw.
        self._generator = np.random.Generator(np.random.SFC64(seed))
        self._magnitudes = magnitudes or Magnitudes()
        self._magnitudes.rewind()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in COMPOSITE:
            with self:
                return COMPOSITE[func](*args, **kwargs)
        name, exact = operations.known(func)
        if exact:
            operations.check_indices(name, args)
            return func(*args, **kwargs)
        compute = blocked_convolution.faster(func, args)
        if name.endswith("_"):
            sizes = self._entering(name, compute, args, kwargs, None)
            plain = func(*args, **kwargs)
            if isinstance(plain, Tensor):
                self._disturb_(plain, plain if sizes is None else sizes)
            return plain
        plain = compute(*args, **kwargs)
        sizes = self._entering(name, compute, args, kwargs, plain)
        return self._disturbed(name, args, plain, sizes)

    def _entering(self, name: str, compute: Any, args: Any, kwargs: Any, plain: Any) -> Any:
        """The magnitudes that enter a sum; None for what is no sum."""
        if name in operations.OF_SQUARES:
            return self._of_sums(name, args, plain, plain)
        if name in operations.ADDITIONS:
            return _absolute(args[0]) + _absolute(args[1])
        if name not in operations.SUMS:
            return None
        key = name, tuple(arg.shape if isinstance(arg, Tensor) else None for arg in args)
        return self._magnitudes.of(
            key, lambda: self._of_absolute(name, compute, args, kwargs, plain)
        )

    def _of_absolute(self, name: str, compute: Any, args: Any, kwargs: Any, plain: Any) -> Any:
        """Of a sum: the same operation on absolute values."""
        absolute = compute(*[_absolute(argument) for argument in args], **kwargs)
        return self._of_sums(name, args, absolute, plain)

    @staticmethod
    def _of_sums(name: str, args: Any, absolute: Any, out: Any) -> Any:
        """The magnitudes of what may be sums of many terms."""
        if isinstance(out, Tensor):
            return summation.magnitude(absolute, out, summation.terms(name, args, out)[0])
        each = summation.terms(name, args, out)
        return [
            None if one is None else summation.magnitude(size, one, count)
            for size, one, count in zip(absolute, out, each, strict=True)
        ]

    def _uniform(self, like: Tensor) -> Tensor:
        """Numbers between -1/2 and 1/2."""
        draw = np.asarray(self._generator.random(tuple(like.shape)))
        return torch.from_numpy(draw).sub_(0.5)

    def _disturb_(self, out: Tensor, magnitude: Tensor) -> None:
        if out.is_floating_point():
            out.addcmul_(self._uniform(out), magnitude, value=2 * UNIT_ROUNDOFF)

    def _disturbed(self, name: str, args: Any, out: Any, sizes: Any) -> Any:
        if isinstance(out, (tuple, list)):
            each = sizes if sizes is not None else [None] * len(out)
            made = [
                self._disturbed(name, args, one, size) for one, size in zip(out, each, strict=True)
            ]
            return tuple(made) if isinstance(out, tuple) else made
        if not isinstance(out, Tensor) or not (out.is_floating_point() or out.is_complex()):
            return out
        if name in operations.TRANSFORMS:
            size = self._transform(name, args, out)
        else:
            size = _magnitude(name, out) if sizes is None else sizes
        size = size.abs() if size.is_complex() else size
        if not cmath.isfinite(out.sum().item()):  # seldom, and `where` takes four passes
            size = torch.where(torch.isfinite(out), size, 0.0)  # infinity stays what it is
        if out.is_complex():
            disturbance = torch.complex(self._uniform(out) * size, self._uniform(out) * size)
            return out.add(disturbance.to(out.dtype), alpha=2 * UNIT_ROUNDOFF)
        return torch.addcmul(out, self._uniform(out), size, value=2 * UNIT_ROUNDOFF)


@contextlib.contextmanager
def _noise(
    seed: int,
    within: Callable[[], AbstractContextManager[Any]],
    magnitudes: Magnitudes,
    transform: TransformRounding,
) -> Iterator[None]:
    with within(), Noise(seed, magnitudes, transform):
        yield


def units(
    spec: LayerSpec,
    question: Question,
    arithmetic: str | None = None,
    runs: int = RUNS,
    within: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
) -> Rounded:
    """The float64 answer, and the unit of every element of every array in it.

    Args:
        spec: the declaration.
        question: what is asked.
        arithmetic: of the port's filters, where it has a choice.
        runs: how many disturbed runs a root mean square is of.
        within: a context in which the port answers (see ``parity/checks/expected_divergences.py``).

    Returns:
        The undisturbed arrays and the root mean squares of their disturbances, by the names of
        ``Answer.arrays()``; where the official code computes Fourier transforms, also those of
        disturbances as great as TensorFlow's transforms make.
    """
    exact = runner.answer(spec, question, runner.Run(torch.float64, arithmetic, within)).arrays()
    asked = spec, question, arithmetic, runs, within
    made = kept_units.kept(*asked, "", lambda: _units(*asked, transforms.torch_rounding, exact))
    if not spec.exceptions.official_transform:
        return Rounded(exact, made)
    official = kept_units.kept(
        *asked, "official", lambda: _units(*asked, transforms.official_rounding, exact)
    )
    return Rounded(exact, made, official)


def _units(
    spec: LayerSpec,
    question: Question,
    arithmetic: str | None,
    runs: int,
    within: Callable[[], AbstractContextManager[Any]],
    transform: TransformRounding,
    exact: dict[str, Array],
) -> dict[str, Array]:
    """The root mean squares of what the disturbances do to each element."""
    total = {name: np.zeros(array.shape) for name, array in exact.items()}
    floating = [name for name, each in exact.items() if np.issubdtype(each.dtype, np.floating)]
    magnitudes = Magnitudes()
    plain = runner.Run(torch.float64, arithmetic)
    built = runner.BuiltLayer(functools.partial(runner.ready, spec, question.case, plain))
    for seed in range(runs):
        noise = functools.partial(_noise, seed, within, magnitudes, transform)
        run = runner.Run(torch.float64, arithmetic, noise, seed)
        disturbed = runner.answer(spec, question, run, built).arrays()
        for name in floating:
            with np.errstate(invalid="ignore"):  # of two infinities
                apart = np.asarray(disturbed[name] - exact[name])
            apart[~np.isfinite(apart)] = 0.0
            total[name] += np.square(apart, out=apart)
    for name, size in spec.exceptions.constants(question.case.config).items():
        if name in total:
            total[name] += runs * size**2
    # No float32 is nearer to a number than half a unit in its last place.
    least = {name: UNIT_ROUNDOFF * np.abs(array) for name, array in exact.items()}
    spread = {name: np.sqrt(array / runs) for name, array in total.items()}
    return {name: np.maximum(spread[name], least[name]) for name in exact}
