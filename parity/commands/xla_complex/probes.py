"""What each operation is fed, and its float64 answer on the CPU with the bounds of its rounding."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from parity.commands.xla_complex import bounds, operators, worker


@dataclasses.dataclass(frozen=True)
class Given:
    """An input: its shape, and whether it is complex.

    Moduli are drawn from 0.5 to 1.5 and phases over the circle; real numbers likewise, with a sign
    unless ``positive``. So nothing is near the singularity of ``abs``, ``angle`` or a division.
    """

    shape: tuple[int, ...]
    complex: bool = True
    positive: bool = False

    def draw(self, generator: torch.Generator) -> Tensor:
        """A complex64 or float32 tensor."""
        size = 0.5 + torch.rand(self.shape, generator=generator)
        turn = torch.rand(self.shape, generator=generator)
        if self.complex:
            return torch.polar(size, 2 * torch.pi * turn)
        return size if self.positive else torch.where(turn < 0.5, -size, size)


_C, _R = Given((3, 4)), Given((3, 4), complex=False)
_RADIUS = Given((3, 4), complex=False, positive=True)

# Centre frequencies in radians per sample and deviations in samples of three Gabor filters.
_GABOR = Given((3, 2), complex=False, positive=True)

INPUTS: Mapping[str, tuple[Given, ...]] = {
    "transfer": (_C,),
    "to complex": (_R,),
    "view_as_real": (_C,),
    "view_as_complex": (Given((3, 4, 2), complex=False),),
    "real": (_C,),
    "imag": (_C,),
    "abs": (_C,),
    "angle": (_C,),
    "conj": (_C,),
    "exp": (_C,),
    "polar": (_RADIUS, _R),
    "complex": (_R, _R),
    "mul": (_C, _C),
    "mul by real": (_C, _R),
    "mul by 1j": (_C,),
    "mul by conj": (_C, _C),
    "div by complex": (_C, _C),
    "div by real": (_C, _R),
    "real by complex": (_R, _C),
    "add": (_C, _C),
    "sum": (_C,),
    "mean": (_C,),
    "matmul": (_C, Given((4, 2))),
    "conv1d": (Given((2, 1, 8)), Given((2, 1, 3))),
    "pow 2": (_C,),
    "pow 1.5": (_C,),
    "cat": (_C, _C),
    "select": (_C,),
    "roll": (_C,),
    "fft": (Given((2, 8)),),
    "rfft": (Given((2, 8), complex=False),),
    "irfft": (Given((2, 5)),),
    "stft": (Given((2, 16), complex=False), Given((8,), complex=False, positive=True)),
    "Gabor filters": (_GABOR,),
    "mel spectrum": (Given((2, 12), complex=False),),
    "FFT convolution": (Given((2, 16, 1), complex=False), Given((5, 1, 2), complex=False)),
    "amplitude": (Given((8, 2)),),
}
COMPOSED = ("Gabor filters", "mel spectrum", "FFT convolution", "amplitude")
"""Not one operation, but what the port computes with complex numbers."""

SINGLE = tuple(name for name in INPUTS if name not in COMPOSED)


@dataclasses.dataclass(frozen=True)
class Probe:
    """One operation in one direction.

    Attributes:
        operation: a key of ``worker.OPERATIONS``.
        backward: whether the gradients are asked for instead of the results.
    """

    operation: str
    backward: bool

    @property
    def direction(self) -> str:
        """``forward`` or ``backward``."""
        return "backward" if self.backward else "forward"

    @functools.cached_property
    def inputs(self) -> tuple[Tensor, ...]:
        """In float32 or complex64; the same in both directions."""
        generator = torch.Generator().manual_seed(0)
        return tuple(given.draw(generator) for given in INPUTS[self.operation])

    @functools.cached_property
    def seeds(self) -> tuple[Tensor, ...]:
        """The gradients handed in: one for each result, of its shape and dtype."""
        generator = torch.Generator().manual_seed(1)
        results = worker.results(self.operation, self.inputs)
        drawn = (Given(tuple(out.shape), out.is_complex()) for out in results)
        return tuple(given.draw(generator) for given in drawn)

    @functools.cached_property
    def expected(self) -> bounds.Bounded:
        """The float64 answer on the CPU, and how far rounding may move it."""
        _ = self.inputs, self.seeds  # drawn before roundings are looked for
        return bounds.bounded(self._exact)

    @functools.cached_property
    def dtypes(self) -> tuple[str, ...]:
        """Of the answer in float32, as torch's rules give them."""
        if self.backward:
            return tuple(str(each.dtype) for each in self.inputs)
        return tuple(str(each.dtype) for each in worker.results(self.operation, self.inputs))

    @functools.cached_property
    def operators(self) -> frozenset[str]:
        """Of this direction, those on complex numbers; see :func:`operators.seen`."""
        run = functools.partial(worker.results, self.operation)
        return operators.seen(lambda *given: run(given), self.inputs, self.backward)

    def _exact(self) -> tuple[Tensor, ...]:
        """Results or gradients on the CPU in float64, from the same inputs."""
        given = [_double(each).requires_grad_(self.backward) for each in self.inputs]
        results = worker.results(self.operation, given)
        if not self.backward:
            return results
        return torch.autograd.grad(results, given, [_double(each) for each in self.seeds])

    def question(self) -> dict[str, Any]:
        """As the worker takes it."""
        return {
            "probe": self.operation,
            "backward": self.backward,
            "inputs": [worker.pack(each) for each in self.inputs],
            "seeds": [worker.pack(each) for each in self.seeds] if self.backward else [],
        }


def _double(given: Tensor) -> Tensor:
    return given.to(torch.complex128 if given.is_complex() else torch.float64)


@functools.cache
def both(operation: str) -> tuple[Probe, Probe]:
    """Forward and backward."""
    return Probe(operation, False), Probe(operation, True)


def all_probes() -> list[Probe]:
    """Every operation in both directions, in the table's order."""
    return [probe for operation in INPUTS for probe in both(operation)]
