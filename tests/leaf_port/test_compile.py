"""torch.compile with dynamic shapes: no graph break, one graph for two lengths, the same values.

Values and gradients at one shape are the business of the backend ``compiled`` of the parity suite.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
import torch
from _layers import FRONTENDS, call, clips, make
from _rounding import apart, units
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

LENGTHS = (1700, 1931)  # 11 and 13 frames: PCEN's smoother doubles as often in both

# torch's own, while inductor is imported.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:.torch\.jit\.\w+. is deprecated:DeprecationWarning"
)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing compiled before counts, nothing stays."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def _backend() -> str:
    """Inductor where it can run: with a compiler, and for a processor with vectors.

    Without vectors (``ATEN_CPU_CAPABILITY=default``) torch 2.13 writes calls of ``transpose_mxn``
    that it does not declare.
    """
    # Not at the top: it takes long to import, and warns.
    from torch._inductor import cpu_vec_isa

    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    return "inductor" if compiler and cpu_vec_isa.pick_vec_isa() else "aot_eager"


def _units(name: str, x: Tensor) -> Tensor:
    exact = make(name).double()
    return units(lambda: [exact(x.double())])[0]


@pytest.mark.parametrize("name", [*FRONTENDS, "Leaf-symmetric"])
def test_compiled_frontends_give_the_same_values(name: str) -> None:
    frontend, counter = make(name), CompileCounterWithBackend(_backend())
    compiled = torch.compile(frontend, fullgraph=True, dynamic=True, backend=counter)
    compilations = []
    for samples in LENGTHS:
        x = clips(2, samples)
        expected = call(frontend, [x])
        assert apart(call(compiled, [x]), expected, _units(name, x)) <= 1
        compilations.append(counter.frame_count)
    assert compilations[0] == compilations[1]  # the second length compiled nothing
