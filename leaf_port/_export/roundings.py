"""How far float32 may round each element of an output: its unit.

The model runs in float64 several times, and the result of every operation is disturbed at random by
as much as float32 could round it (Monte Carlo arithmetic, Parker 1997). The root mean square of
what this does to an element is its unit. So a quiet channel has a small unit beside a loud one, and
an ill-conditioned output, such as the logarithm of almost nothing, a large one.

What an operation's result is disturbed by, with the unit roundoff u = 2^-24:

- ``u |y|`` in general, 4 times that for functions such as powers and logarithms, whose libraries
  are within two units in the last place;
- a sum of n terms, ``y = sum t``: ``u (sum |t| + sqrt(n / 3) |y|)``. Added up one after the other,
  its partial sums are those of a walk from 0 to y: k y / n in the mean, whose roundings amount to
  ``u sqrt(n / 3) |y|``, and off it by less than ``sum |t|``. Blocks are nearer. Only terms that are
  sorted by falling size are farther off, by at most sqrt(3).

``parity/checks/monte_carlo.py`` measures the proof's units, whose sums are torch's own, in blocks.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

ROUNDOFF = 2.0**-24
RUNS = 12
STURDY_RUNS = 100
"""A root mean square of 12 runs is less than half the true one in one element of 200."""

_FUNCTIONS = {"exp", "log", "log1p", "pow", "sqrt", "rsqrt", "sin", "cos", "tanh", "sigmoid", "erf"}
_SUMS = {"convolution", "mm", "bmm", "addmm", "baddbmm", "sum", "mean", "cumsum", "avg_pool2d"}
# Composite: their operands are disturbed too, in place of what they round inside.
_COMPOSITE = {"native_layer_norm", "native_batch_norm", "_native_batch_norm_legit_no_training"}
_COMPOSITE |= {"var", "var_mean", "std", "_softmax", "native_group_norm"}
_EXACT = {"abs", "neg", "clone", "_to_copy", "copy_", "constant_pad_nd", "cat", "stack", "where"}
_EXACT |= {"max", "amax", "maximum", "minimum", "clamp", "clamp_min", "relu", "index", "gather"}
_EXACT |= {"max_pool2d_with_indices", "flip", "repeat", "arange", "zeros", "ones", "full", "fill_"}
_EXACT |= {"zeros_like", "ones_like", "full_like", "new_zeros", "empty", "scalar_tensor", "floor"}
_EXACT |= {"lift_fresh", "detach", "constant_pad_nd", "unfold", "max_pool1d_with_indices", "round"}


class _Disturbed(TorchDispatchMode):
    """Disturbs the results of float64 as float32 could round them."""

    def __init__(self, seed: int, magnitudes: list[Tensor]) -> None:
        super().__init__()
        self._random = torch.Generator().manual_seed(seed)
        self._magnitudes = magnitudes
        self._next = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: torch would import its compiler only to keep it from what it never compiles."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if func.is_view or name in _EXACT:
            return func(*args, **kwargs)
        if name in _COMPOSITE:
            args = tuple(self._off(each, 1.0) if _floats(each) else each for each in args)
        out = func(*args, **kwargs)
        if name in _SUMS:
            return self._off_by(out, self._of_sum(func, name, args, kwargs, out))
        size = 4.0 if name in _FUNCTIONS else 1.0
        if isinstance(out, (list, tuple)):
            return type(out)(self._off(each, size) if _floats(each) else each for each in out)
        return self._off(out, size) if _floats(out) else out

    def _of_sum(self, func: Any, name: str, args: Any, kwargs: Any, out: Tensor) -> Tensor:
        """That of the next sum; the runs differ by roundings, so the first one's serves all."""
        if self._next == len(self._magnitudes):
            terms = func(*(each.abs() if _floats(each) else each for each in args), **kwargs)
            n = _terms(name, args, out)
            self._magnitudes.append(terms + math.sqrt(n / 3.0) * out.abs())
        self._next += 1
        return self._magnitudes[self._next - 1]

    def _off(self, value: Tensor, size: float) -> Tensor:
        return self._off_by(value, size * value.abs())

    def _off_by(self, value: Tensor, size: Tensor) -> Tensor:
        noise = torch.empty_like(value).uniform_(-ROUNDOFF, ROUNDOFF, generator=self._random)
        return value + noise * size


def _floats(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _terms(name: str, args: Any, out: Tensor) -> float:
    """How many terms each sum has."""
    if name == "convolution":
        return float(args[1][0].numel())
    if name in ("mm", "bmm"):
        return float(args[0].shape[-1])
    if name in ("addmm", "baddbmm"):
        return float(args[1].shape[-1])
    if name == "cumsum":
        return float(args[0].shape[args[1]])
    return max(1.0, args[0].numel() / max(1, out.numel()))


def in_double(model: nn.Module) -> nn.Module:
    """A copy in float64 that computes layer by layer, in real numbers, as a graph does.

    Its constants are those of float32: an exported graph has them too.
    """
    import copy

    made = copy.deepcopy(model).double()
    for name, value in model.named_buffers():
        made.get_buffer(name).copy_(value)
    for layer in made.modules():
        if getattr(layer, "arithmetic", None) == "auto":
            layer.arithmetic = "real"  # type: ignore[assignment]
    return made


@torch.no_grad()
def exact_and_units(double: nn.Module, waveforms: Tensor, runs: int) -> tuple[Tensor, Tensor]:
    """The answer in float64, and the unit of each of its elements.

    Args:
        double: of :func:`in_double`.
        waveforms: ``(batch, samples)``.
        runs: how many disturbed ones.
    """
    inputs = waveforms.double()
    exact = double(inputs)
    total, magnitudes = torch.zeros_like(exact), list[Tensor]()
    for seed in range(runs):
        with _Disturbed(seed, magnitudes):
            disturbed = double(inputs)
        total += (disturbed - exact) ** 2
    # No float32 is nearer to a number than half a unit in its last place.
    return exact, torch.maximum((total / runs).sqrt(), ROUNDOFF * exact.abs())
