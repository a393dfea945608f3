"""What a compiling backend tells of a case's program: the checks that no number can make."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

# A line of HLO: ``%name = f32[2,3]{1,0} dot(...), ..., operand_precision={highest,highest}``.
_COMPLEX_TYPE = re.compile(r"\bc(?:64|128)\[")
# torch_xla compares with plain numbers in float64, autograd's own formulas among them.
_DOUBLE = re.compile(r"= f64\[\S* (?!convert|constant|broadcast|parameter|reshape)\w+")
_PRODUCT = re.compile(r"= \S+ (dot|convolution)\(")
_FULL = "operand_precision={highest,highest}"


@dataclasses.dataclass(frozen=True)
class Program:
    """One case's forward and backward, as the backend compiled and ran it.

    Attributes:
        fallbacks: operators that ran on the CPU because the backend has none of its own.
        complex_types: whether a complex type occurs in the program.
        double: whether it computes in float64, which accelerators lack or emulate; comparing a
            float32 with a number in it is not counted.
        reduced: matrix products, and convolutions of the forward pass, that do not ask for the full
            precision of float32.
        reduced_backward: convolutions of the backward pass that do not.
        compilations: how many programs were compiled over all calls.
        calls: how often the case was computed, every time with the same shapes.
        compile_seconds: how long the backend compiled.
        seconds: how long the last call took, which needs no compilation.
        peak_bytes: by how much the first call let the process grow at most; None where the system
            does not tell.
    """

    fallbacks: tuple[str, ...] = ()
    complex_types: bool = False
    double: bool = False
    reduced: int = 0
    reduced_backward: int = 0
    compilations: int = 1
    calls: int = 1
    compile_seconds: float = 0.0
    seconds: float = 0.0
    peak_bytes: int | None = None

    def failures(self, complex_allowed: bool) -> Iterator[str]:
        """What is wrong with it, a line each.

        Args:
            complex_allowed: whether the case computes in complex arithmetic, where fallbacks and
                complex types are told and do not fail.
        """
        if self.reduced:
            yield f"program: {self.reduced} products of less than full float32 precision"
        if complex_allowed:
            return
        if self.fallbacks:
            yield f"program: fell back to the CPU: {', '.join(self.fallbacks)}"
        if self.complex_types:
            yield "program: complex types"
        if self.double:
            yield "program: float64"
        if self.compilations > 1:
            yield f"program: {self.compilations} compilations in {self.calls} calls of one shape"


def read(forward: str, whole: str) -> Program:
    """What the texts of a program (HLO) tell; counters are not in them.

    Args:
        forward: of the outputs alone.
        whole: of outputs and gradients.
    """
    of_forward = _reduced(forward, "convolution")
    return Program(
        complex_types=bool(_COMPLEX_TYPE.search(whole)),
        double=bool(_DOUBLE.search(whole)),
        reduced=_reduced(whole, "dot") + of_forward,
        reduced_backward=_reduced(whole, "convolution") - of_forward,
    )


def _reduced(text: str, operation: str) -> int:
    """How many such products do not ask for the full precision."""
    found = [line for line in text.splitlines() if _PRODUCT.search(line)]
    return sum(f" {operation}(" in line and _FULL not in line for line in found)
