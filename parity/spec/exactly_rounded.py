"""Arrays that allow only operations whose result is the same bits on every machine.

IEEE 754 defines +, -, *, / and the square root to the last bit. It leaves powers, logarithms and
sines to libraries, whose last bit depends on the processor, on its vector instructions and on the
version. A sum of many terms depends on their order. A question of the suite is asked on machines
where nobody recorded it, so its numbers come from operations of the first kind alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Exactly rounded, or without any rounding.
_UFUNCS = frozenset(
    [
        "add",
        "subtract",
        "multiply",
        "divide",
        "square",
        "sqrt",
        "reciprocal",
        "negative",
        "positive",
        "absolute",
        "fabs",
        "sign",
        "floor",
        "ceil",
        "trunc",
        "rint",
        "maximum",
        "minimum",
        "fmax",
        "fmin",
        "clip",
        "copysign",
        "isnan",
        "isfinite",
        "isinf",
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "logical_and",
        "logical_or",
        "logical_not",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "invert",
        "left_shift",
        "right_shift",
        "floor_divide",
    ]
)
# Reductions that choose or compare: their order does not matter.
_REDUCTIONS = frozenset(
    ["maximum", "minimum", "fmax", "fmin", "logical_and", "logical_or", "bitwise_and", "bitwise_or"]
)
_FUNCTIONS = frozenset(
    [
        "repeat",
        "stack",
        "concatenate",
        "where",
        "zeros_like",
        "ones_like",
        "full_like",
        "empty_like",
        "copyto",
        "transpose",
        "reshape",
        "ravel",
        "flip",
        "roll",
        "pad",
        "broadcast_to",
        "expand_dims",
        "squeeze",
        "swapaxes",
        "moveaxis",
        "take",
        "tile",
        "array_equal",
        "shape",
        "ndim",
        "size",
        "result_type",
        "amax",
        "amin",
        "max",
        "min",
        "any",
        "all",
        "argmax",
        "argmin",
        "sort",
        "argsort",
        "array_repr",
        "array_str",
        "array2string",
        "clip",
        "round",
        "may_share_memory",
        "iscomplexobj",
    ]
)


class ExactlyRounded(np.ndarray[Any, np.dtype[Any]]):
    """An array whose operations all machines compute alike; any other one raises.

    ``np.asarray`` makes a plain array of it.

    Raises:
        LeafError: an operation whose last bit depends on the machine; the error names it.

    Example:
        >>> import numpy as np
        >>> x = np.ones(3, np.float32).view(ExactlyRounded)
        >>> np.asarray(x * x + 1)
        array([2., 2., 2.], dtype=float32)
        >>> x**4
        Traceback (most recent call last):
        ...
        leaf_port.errors.LeafError: ...
    """

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        """Computes what is exactly rounded, and refuses the rest."""
        name = ufunc.__name__
        allowed = _REDUCTIONS if method == "reduce" else _UFUNCS if method == "__call__" else ()
        if name not in allowed:
            raise _refusal(name if method == "__call__" else f"{name}.{method}")
        if out is not None:
            kwargs["out"] = tuple(_plain(each) for each in out)
        made = getattr(ufunc, method)(*(_plain(each) for each in inputs), **kwargs)
        return out[0] if out is not None else _guarded(made)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Calls what moves or chooses elements, and refuses the rest."""
        if func.__name__ not in _FUNCTIONS:
            raise _refusal(func.__name__)
        return _guarded(super().__array_function__(func, types, args, kwargs))


def guarded(array: np.ndarray[Any, Any]) -> ExactlyRounded:
    """The same numbers, guarded from here on."""
    return array.view(ExactlyRounded)


def _guarded(made: Any) -> Any:
    return guarded(made) if isinstance(made, np.ndarray) else made


def _plain(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, ExactlyRounded) else value


def _refusal(name: str) -> Exception:
    from leaf_port.errors import (
        LeafError,  # no sooner: see parity/commands/mutants/runner.py, PRELOADED
    )

    return LeafError(
        "question",
        f"numpy.{name}",
        "exactly rounded operations alone: + - * / sqrt, and what moves or chooses elements",
        "one whose last bit depends on the processor or on the order of a sum",
        "write a power as products, or keep the values with the recording",
    )
