"""Which operators on complex numbers a computation is made of, forward and backward."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from parity.commands.xla_complex.bounds import only_looks

# Views that change what the numbers are; other views only arrange them.
_MEANINGFUL = frozenset(["view_as_real", "view_as_complex", "_conj", "_neg_view"])


def _kinds(values: Any) -> str:
    """``c`` for each complex tensor, ``s`` for each complex scalar, ``r`` for each real tensor."""
    flat, _ = tree_flatten(values)
    return ",".join(_kind(each) for each in flat if isinstance(each, (Tensor, complex)))


def _kind(value: Tensor | complex) -> str:
    if isinstance(value, Tensor) and not value.is_complex():
        return "r"
    return "c" if isinstance(value, Tensor) and value.ndim else "s"


class _Seen(TorchDispatchMode):
    """Notes the operators that take or give complex numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.rpartition("::")[2]
        arranges = only_looks(func) and name not in _MEANINGFUL
        if set(_kinds((args, out))) & {"c", "s"} and not arranges and name != "detach":
            self.operators.add(f"{name}({_kinds(args)}) -> {_kinds(out)}")
        return out


def seen(
    function: Callable[..., Any], inputs: Sequence[Tensor], backward: bool = False
) -> frozenset[str]:
    """The operators of a function's results, or of its gradients' computation.

    Args:
        function: takes the tensors and gives one or a tuple of them.
        inputs: on the CPU.
        backward: whether the backward pass is meant, without the forward one.

    Returns:
        Operators with what they take and give, complex, complex scalar or real: ``mul(c,r) -> c``.
    """
    mode = _Seen()
    given = [each.detach().clone().requires_grad_(backward) for each in inputs]
    with contextlib.nullcontext() if backward else mode:
        out = function(*given)
    if backward:
        results = out if isinstance(out, tuple) else (out,)
        seeds = [torch.ones_like(each) for each in results]
        with mode:
            torch.autograd.grad(results, given, seeds)
    return frozenset(mode.operators)
