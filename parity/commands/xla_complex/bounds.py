"""How far an operation in complex64 may be from its float64 answer: derived, not measured.

Every operator that autograd and the operation are made of, forward and backward, is taken with its
own error bound ``n u M``: ``u = 2^-24``, ``M`` the magnitude that its rounding is proportional to,
``n`` its number of roundings. To first order an element of the answer is then off by at most

``sum over operators j and their elements e of |d answer / d v_je| n_j u M_je``,

where the derivatives are found by moving each element ``v_je``, real and imaginary part, in
float64. With all ``n_j = 1`` the same sum is the unit in which errors are told.

The ``n``: N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed. (sums and
products of n terms ``n u``, section 3.1; complex products ``2 sqrt(2) u`` and quotients
``4 sqrt(2) u``, lemma 3.5; Fourier transforms ``log2(N) (4 sqrt(2) + 1) u`` of the norm, theorem
24.2), and for functions what the OpenCL C specification, section 7.4, grants in float32: a division
2.5 ulp, exp, log and sqrt 3, sin and cos 4, hypot 4, atan2 6, pow 16, where an ulp is at most 2 u.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from leaf_port.errors import LeafError

UNIT_ROUNDOFF = 2.0**-24
_DIV, _EXP, _SQRT, _TRIGONOMETRIC, _HYPOT, _ATAN2, _POW = 5.0, 6.0, 6.0, 8.0, 8.0, 12.0, 32.0
_COMPLEX_MUL = 2.0 * math.sqrt(2.0)
_COMPLEX_DIV = 4.0 * math.sqrt(2.0) - 1.0 + _DIV  # one of its four roundings is the real division

# Of results of elementwise operators: roundings of a real one, of a complex one.
_ELEMENTWISE: dict[str, tuple[float, float]] = {
    "add": (1.0, 1.0),
    "sub": (1.0, 1.0),
    "rsub": (1.0, 1.0),
    "mul": (1.0, _COMPLEX_MUL),
    "div": (_DIV, _COMPLEX_DIV),
    "reciprocal": (_DIV, _COMPLEX_DIV),
    "exp": (_EXP, _EXP + _TRIGONOMETRIC + 1.0),
    "sqrt": (_SQRT, math.nan),
    "sin": (_TRIGONOMETRIC, math.nan),
    "cos": (_TRIGONOMETRIC, math.nan),
    "angle": (_ATAN2, math.nan),
    "abs": (_HYPOT, math.nan),
    "polar": (math.nan, _TRIGONOMETRIC + 1.0),
    "sgn": (0.0, _HYPOT + _DIV),
    "full": (1.0, math.nan),  # a constant such as 2 pi
}
# Copies, choices and comparisons; of operators in place the name without the underscore.
_EXACT = frozenset(
    name
    for line in (
        "neg real imag complex _conj_physical _to_copy clone detach copy where lt cat stack arange",
        "constant_pad_nd zeros zeros_like new_zeros empty empty_like empty_strided ones_like ones",
        "new_empty_strided fill zero slice_backward select_backward unfold_backward index_put roll",
        "_unsafe_view transpose squeeze unsqueeze scalar_tensor",
    )
    for name in line.split()
)
_FOURIER = frozenset(["_fft_r2c", "_fft_c2r", "_fft_c2c"])
_PRODUCTS = frozenset(["mm", "bmm", "convolution", "convolution_backward"])
_SUMS = frozenset(["sum", "mean", "index_add"])


@dataclasses.dataclass(frozen=True)
class Bounded:
    """A float64 answer.

    Attributes:
        exact: its arrays.
        units: the unit of each element; of a complex one, as long as its modulus may be off.
        bounds: how far each element may be off.
    """

    exact: tuple[Tensor, ...]
    units: tuple[Tensor, ...]
    bounds: tuple[Tensor, ...]


def _absolute(value: Any) -> Any:
    return value.abs() if isinstance(value, Tensor) else value


def _terms(name: str, args: Any, out: Tensor) -> float:
    """How many products or terms are summed up in an element."""
    if name in ("mm", "bmm"):
        return float(args[0].shape[-1])
    if name == "convolution":
        return float(args[1][0].numel())
    if name == "convolution_backward":  # at most: by the filters, by the frames
        return float(max(args[2].numel() / args[2].shape[1], args[0].numel() / args[0].shape[1]))
    if name == "index_add":
        return float(torch.bincount(args[2]).max())
    return float(args[0].numel() / max(out.numel(), 1))


def _fourier(name: str, args: Any, out: Tensor) -> tuple[float, Tensor]:
    """Every element may be off by the bound of the norm; half a spectrum has half of the energy."""
    size = out.shape[-1] if name == "_fft_c2r" else args[0].shape[args[1][-1]]
    norm = out.abs().square().sum(dim=args[1], keepdim=True).mul(2.0).sqrt().expand(out.shape)
    return math.log2(size) * (4.0 * math.sqrt(2.0) + 1.0), norm


def _power(base: Tensor, exponent: Any, out: Tensor) -> tuple[float, Tensor]:
    """A complex power is ``exp(p log z)``, which magnifies the logarithm's error by ``p``."""
    if not base.is_complex():
        return _POW, out.abs()
    size = 1.0 + abs(exponent) * (1.0 + base.abs().log().abs() + base.angle().abs())
    log = 6.0  # OpenCL: 3 ulp
    return _HYPOT + log + _ATAN2 + _COMPLEX_MUL + _EXP + _TRIGONOMETRIC + 1.0, out.abs() * size


def _rounding(name: str, func: Any, args: Any, kwargs: Any, out: Tensor) -> tuple[float, Tensor]:
    """``n`` and ``M`` of one result."""
    if name in _FOURIER:
        return _fourier(name, args, out)
    if name == "pow":
        return _power(args[0], args[1], out)
    if name in _PRODUCTS | _SUMS:
        magnitude = func(*[_absolute(each) for each in args], **kwargs)
        terms = _terms(name, args, out)
        products = math.sqrt(2.0) * (terms + 2.0) if out.is_complex() else terms
        return (products if name in _PRODUCTS else terms + _DIV * (name == "mean")), magnitude
    if name == "abs" and not args[0].is_complex():
        return 0.0, out
    if name in _ELEMENTWISE:
        return _ELEMENTWISE[name][out.is_complex()], out.abs()
    fix = "add it to parity/commands/xla_complex/bounds.py, with a source"
    raise LeafError("xla-complex", name, "an operator with a known bound", "none", fix)


def only_looks(func: Any) -> bool:
    """Whether the result is a view of an argument that is not written to."""
    alias = [returned.alias_info for returned in func._schema.returns]
    return any(each is not None and not each.is_write for each in alias)


class _Roundings(TorchDispatchMode):
    """Visits every result that is rounded; moves one component of one element of one of them.

    Attributes:
        sizes: of the components visited so far, their ``u M`` and ``n u M``.
    """

    def __init__(self, moved: int | None = None) -> None:
        super().__init__()
        self.moved = moved
        self.sizes: list[tuple[float, float]] = []
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func._schema.name.rpartition("::")[2].rstrip("_")
        if name in _EXACT or only_looks(func):
            return out
        results = out if isinstance(out, tuple) else (out,)
        for index, each in enumerate(results):
            if isinstance(each, Tensor) and (each.is_floating_point() or each.is_complex()):
                self._visit(*self._of_result(name, func, args, kwargs, each, index), each)
        return out

    @staticmethod
    def _of_result(
        name: str, func: Any, args: Any, kwargs: Any, out: Tensor, index: int
    ) -> tuple[float, Tensor]:
        roundings, magnitude = _rounding(name, func, args, kwargs, out)
        return roundings, magnitude[index] if isinstance(magnitude, tuple) else magnitude

    def _visit(self, roundings: float, magnitude: Tensor, out: Tensor) -> None:
        if roundings == 0.0:
            return
        first, per = self.count, (2 if out.is_complex() else 1)
        self.count += out.numel() * per
        if self.moved is None:
            units = (magnitude.abs().double().flatten() * UNIT_ROUNDOFF).tolist()
            self.sizes += [(unit, roundings * unit) for unit in units for _ in range(per)]
        elif first <= self.moved < self.count:
            element, part = divmod(self.moved - first, per)
            index = tuple(int(i) for i in torch.unravel_index(torch.tensor(element), out.shape))
            out[index] += magnitude.abs()[index] * UNIT_ROUNDOFF * (1j if part else 1.0)


def bounded(run: Callable[[], tuple[Tensor, ...]]) -> Bounded:
    """The answer of ``run`` with its units and bounds.

    Args:
        run: gives the answer in float64, the same at each call.
    """
    with _Roundings() as roundings:
        exact = tuple(each.detach() for each in run())
    units = [torch.zeros(each.shape, dtype=torch.float64) for each in exact]
    limits = [unit.clone() for unit in units]
    for slot, (unit, limit) in enumerate(roundings.sizes):
        if unit == 0.0:
            continue
        with _Roundings(slot):
            moved = run()
        for index, each in enumerate(moved):
            apart = (each.detach() - exact[index]).abs()
            units[index] += apart
            limits[index] += apart * (limit / unit)
    return Bounded(exact, tuple(units), tuple(limits))
