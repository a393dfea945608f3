"""What each operation of torch rounds: the tables behind the units and behind bounds of zero.

Every operation that a layer calls stands in exactly one table. An unknown one raises, since its
rounding is unknown too: ``index_add`` of 4,096 numbers that cancel is 1.6e7 times as far off as an
element-wise operation, ``sum`` of the same numbers is not.

=================  ==============================================================================
``EXACT``          copies, chooses or compares; rounds nothing
``CORRECT``        one correctly rounded operation an element (IEEE 754): the same bits everywhere
``LIBRARY``        a function of a mathematical library, or several roundings in one operation;
                   its last bits depend on library, processor and version
``ADDITIONS``      two terms; correctly rounded, by the magnitudes that enter
``SUMS``           many terms, whose order is the backend's
``OF_SQUARES``     sums of what is positive, whose magnitudes are the result
``TRANSFORMS``     Fourier transforms: every output mixes all inputs
=================  ==============================================================================
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


EXACT = _names(
    "abs neg where cat stack clone copy_ fill_ zero_ zeros zeros_like ones ones_like full",
    "full_like empty empty_like new_zeros new_full new_ones constant_pad_nd arange eye",
    "lift_fresh lift_fresh_copy detach _to_copy gather scatter index index_put index_select",
    "sort argsort max_pool2d_with_indices relu hardtanh hardtanh_backward masked_fill",
    "masked_fill_ threshold_backward amax amin maximum minimum clamp roll flip floor ceil round",
    "sign sgn isnan isinf isposinf isneginf isfinite nan_to_num slice_backward select_backward",
    "complex real imag remainder fmod",
    "_conj_physical conj resolve_conj bernoulli native_dropout _unsafe_view eq ne lt le gt ge",
    "logical_and logical_not logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_not",
    "any all rand randn repeat",
    "_local_scalar_dense _record_function_enter_new _record_function_exit",
)
CORRECT = _names(
    "mul mul_ div div_ sqrt reciprocal leaky_relu leaky_relu_backward avg_pool2d_backward",
    "scalar_tensor uniform_",
)
LIBRARY = _names(
    "exp expm1 log log1p log2 log10 pow sin cos tan tanh tanh_backward sigmoid sigmoid_backward",
    "erf rsqrt lerp lerp_ addcmul addcmul_ elu elu_backward gelu gelu_backward mish mish_backward",
    "silu silu_backward softplus softplus_backward _softmax _softmax_backward_data _log_softmax",
    "_log_softmax_backward_data log_sigmoid_forward log_sigmoid_backward linspace",
)
ADDITIONS = _names("add sub add_ sub_ rsub")
SUMS = _names(
    "convolution convolution_backward mm bmm addmm baddbmm sum mean dot mv avg_pool2d col2im",
    "im2col unfold_backward max_pool2d_with_indices_backward",
)
OF_SQUARES = _names("var std linalg_vector_norm")
TRANSFORMS = _names("_fft_r2c _fft_c2r _fft_c2c")

_ALL = EXACT | CORRECT | LIBRARY | ADDITIONS | SUMS | OF_SQUARES | TRANSFORMS
# What IEEE 754 defines to the last bit: no library, no order.
_SAME_BITS = EXACT | CORRECT | ADDITIONS
_EXACT_POWERS = (1, 2)  # x and x * x


@functools.cache
def known(func: Any) -> tuple[str, bool]:
    """An operation's name, of aten or of prims inside a composite one, and whether it is exact.

    What makes a view is.

    Raises:
        LeafError: the operation stands in no table.
    """
    name: str = func._schema.name.rpartition("::")[2]
    view = any(returned.alias_info is not None for returned in func._schema.returns)
    exact = name in EXACT or (view and not name.endswith("_"))
    if not exact and name not in _ALL:
        got = f"{func._schema.name}, which stands in no table"
        raise _refusal(name, got, "add it to the table in parity/checks/operations.py that fits")
    return name, exact


def check_indices(name: str, args: Sequence[Any]) -> None:
    """Refuses to take ``index_put`` for a copy where it adds several values up at one place.

    Raises:
        LeafError: two of its indices are the same.
    """
    if name != "index_put" or len(args) < 4 or not args[3]:
        return
    target, indices = args[0], args[1]
    counts = torch.zeros(target.shape, dtype=torch.int32)
    one = torch.ones((), dtype=torch.int32)
    if int(counts.index_put(tuple(indices), one, accumulate=True).max()) > 1:
        fix = (
            "add it as a sum to parity/checks/operations.py, its number of terms to "
            "parity/checks/summation.py"
        )
        raise _refusal(name, "one that adds several values up at one place", fix)


def _refusal(name: str, got: str, fix: str) -> Exception:
    from leaf_port.errors import (
        LeafError,  # no sooner: see parity/commands/mutants/runner.py, PRELOADED
    )

    return LeafError("units of rounding", name, "an operation whose rounding is known", got, fix)


def same_bits(func: Any, args: Sequence[Any]) -> bool:
    """Whether a call gives the same bits with every library and in every order."""
    name, exact = known(func)
    if name == "pow" and len(args) > 1 and not isinstance(args[1], Tensor):
        return args[1] in _EXACT_POWERS
    return exact or name in _SAME_BITS
