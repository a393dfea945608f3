"""Laws of one object, of the arithmetic that is taken, and of what siblings refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from leaf_port.errors import LeafError
from parity import spec
from parity.checks.invariants import refusals
from parity.port.complex_watch import ComplexError, ComplexWatch, WithoutComplex


def test_the_watch_sees_forward_and_backward() -> None:
    x = torch.ones(4, requires_grad=True)
    with ComplexWatch() as watch:
        (x * 2).sum().backward()
    assert watch.seen == ""
    outputs = torch.view_as_real(torch.complex(x, x)).sum()
    with ComplexWatch() as watch:
        outputs.backward()
    assert watch.seen


def test_complex_numbers_are_refused() -> None:
    with WithoutComplex(), pytest.raises(ComplexError, match="told to lack"):
        torch.fft.rfft(torch.ones(4))


class _Lax(nn.Module):
    """Takes any stride, and refuses a kernel in words of its own."""

    def __init__(self, strides: int = 1, kernel_size: int = 1) -> None:
        super().__init__()
        if kernel_size < 1:
            raise LeafError("_Lax", "kernel_size", "a size", kernel_size, "give one")


def test_what_others_refuse_is_told() -> None:
    found = list(refusals.problems(spec.Signature(_Lax, "none")))
    assert "_Lax(strides=0): accepted" in found
    assert any("_Lax(kernel_size=0): expected is 'a size', elsewhere" in each for each in found)


def test_who_refuses_is_told() -> None:
    one = spec.Signature(_Lax, "none", told_by={"kernel_size": "Another"})
    assert any("the error is of _Lax" in each for each in refusals.problems(one))
